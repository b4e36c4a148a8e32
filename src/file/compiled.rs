//! The checked model of a large file, kept so that the next start need not read YAML.
//!
//! It is a cache and nothing else: it is found by the content of the file and of all that it includes, made by the same
//! build of flow, and whatever is wrong with it (it is damaged, from another build, in a folder that can't be written) means
//! that the file is read as if there were none. Small files are read faster than looked up and are never kept.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::disk::trust::Key;
use crate::disk::{self, Folder};
use crate::model::language::Workflow;

/// Files that are smaller than this in all are read faster than they are found here, in bytes.
pub const BYTES_MIN: u64 = 64 * 1024;

/// A model is not larger than this, in bytes.
const MODEL_BYTES_MAX: u64 = 1 << 30;
/// How many models are kept.
const MODELS_MAX: usize = 100;
/// What a kept model was made from, and by which build.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), " ", env!("FLOW_MODEL"));

/// What stands before the model.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    build: String,
    /// The files that were read, with the hash of each; `None` for one that was not there.
    files: Vec<(PathBuf, Option<[u8; 32]>)>,
}

/// Where models are kept, and by what key it is known that they were put there by this user on this machine: they say what
/// commands run.
#[derive(Clone, Debug)]
pub struct Models {
    /// The folder.
    pub folder: Folder,
    /// The key.
    pub key: Key,
}

/// What a set of files holds at the moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents(Vec<(PathBuf, Option<[u8; 32]>)>);

/// The name under which the model of the file at `path` is kept.
fn name_of(path: &Path) -> String {
    let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    format!("{}.model", &name[..32])
}

impl Models {
    /// The kept model of the file at `path`, if what it was made from is still the same.
    pub fn find(&self, path: &Path) -> Option<Workflow> {
        let same =
            |(path, hash): &(PathBuf, Option<[u8; 32]>)| hash_of(path).as_ref() == Some(hash);
        self.read(&name_of(path), |files| files.iter().all(same))
    }

    /// The model that was written under this very name, whatever has become of what it was made from.
    pub fn written(&self, name: &str) -> Option<Workflow> {
        self.read(name, |_| true)
    }

    fn read(
        &self,
        name: &str,
        wanted: impl Fn(&[(PathBuf, Option<[u8; 32]>)]) -> bool,
    ) -> Option<Workflow> {
        let bytes = self.folder.read(name, MODEL_BYTES_MAX).ok()?;
        let (seal, sealed) = bytes.split_first_chunk::<32>()?;
        if !self.key.is_seal(&purpose(name), sealed, seal) {
            return None;
        }
        let (head, model): (Head, &[u8]) = postcard::take_from_bytes(sealed).ok()?;
        if head.build != BUILD || !wanted(&head.files) {
            return None;
        }
        postcard::from_bytes(model).ok()
    }

    /// Keeps a model that was made from these files. Without room for it there is none, which costs only time.
    pub fn keep(&self, path: &Path, contents: Contents, workflow: &Workflow) {
        self.make_room();
        self.write(&name_of(path), contents, workflow);
    }

    /// Writes a model under this very name, for [`Self::written`].
    pub fn write_to(&self, name: &str, workflow: &Workflow) {
        self.write(name, Contents(Vec::new()), workflow);
    }

    fn write(&self, name: &str, contents: Contents, workflow: &Workflow) {
        let head = Head {
            build: BUILD.to_owned(),
            files: contents.0,
        };
        let (Ok(mut sealed), Ok(model)) = (
            postcard::to_allocvec(&head),
            postcard::to_allocvec(workflow),
        ) else {
            return;
        };
        sealed.extend(model);
        let seal = self.key.seal(&purpose(name), &sealed);
        // Where it can't be made, nothing can be written in it either.
        let _ = self.folder.make();
        let _ = self.folder.replace(name, &[&seal[..], &sealed].concat());
    }

    /// Removes the oldest models when there are too many: those of files that are long gone are never looked for again.
    fn make_room(&self) {
        let names = self.folder.names().unwrap_or_default();
        let dated = |name: String| Some((self.folder.seen(&name).ok()?.modified, name));
        let mut models: Vec<_> = names.into_iter().filter_map(dated).collect();
        if models.len() >= MODELS_MAX {
            models.sort();
            for (_, name) in &models[..=models.len() - MODELS_MAX] {
                // Somebody else may have removed it.
                let _ = self.folder.remove(name);
            }
        }
    }
}

/// What a model under a name is sealed for.
fn purpose(name: &str) -> String {
    format!("model {name}")
}

impl Contents {
    /// Whether the files that are there hold these texts, in this order; a byte order mark is no part of a text.
    pub fn are<'a>(&self, texts: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut hashes = self.0.iter().filter_map(|(_, hash)| hash.as_ref());
        let mut same = texts.map(|text| {
            let marked = || *blake3::hash(&[b"\xef\xbb\xbf", text].concat()).as_bytes();
            hashes
                .next()
                .is_some_and(|hash| blake3::hash(text).as_bytes() == hash || *hash == marked())
        });
        same.all(|same| same)
    }
}

/// What these files hold; `None` when one can't be read.
pub fn contents<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Option<Contents> {
    let hashed = |path: &PathBuf| Some((path.clone(), hash_of(path)?));
    files
        .into_iter()
        .map(hashed)
        .collect::<Option<Vec<_>>>()
        .map(Contents)
}

/// The hash of a file, `None` within when it isn't there, `None` when it can't be told.
fn hash_of(path: &Path) -> Option<Option<[u8; 32]>> {
    match disk::read_regular(path, super::text::BYTES_MAX as u64) {
        Ok(bytes) => Some(Some(*blake3::hash(&bytes).as_bytes())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(None),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::trust::User;

    fn workflow(name: &str) -> Workflow {
        Workflow {
            files: Vec::new(),
            name: Some(name.to_owned()),
            meta: Vec::new(),
            desc: None,
            profiles: Vec::new(),
            tasks: vec![crate::model::language::Task::default()],
            triggers: Vec::new(),
            absent: Vec::new(),
        }
    }

    fn models(folder: &Path) -> Models {
        let user = User::new(Some(folder.join("own")), None);
        Models {
            folder: folder.join("made/when/needed").as_path().into(),
            key: user.key().expect("it can be made"),
        }
    }

    #[test]
    fn it_is_found_as_long_as_nothing_has_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let models = models(folder.path());
        let (root, other) = (folder.path().join("f.yml"), folder.path().join("g.yml"));
        fs::write(&root, "a").expect("a file");
        let keep = |name: &str| {
            let contents = contents([&root, &other]).expect("they can be read");
            models.keep(&root, contents, &workflow(name));
        };
        assert_eq!(models.find(&root), None);
        keep("one");
        assert_eq!(models.find(&root), Some(workflow("one")));
        fs::write(&other, "it was not there before").expect("a file");
        assert_eq!(models.find(&root), None);
        keep("two");
        assert_eq!(models.find(&root), Some(workflow("two")));
        fs::write(&root, "b").expect("a file");
        assert_eq!(models.find(&root), None);
        fs::write(&root, "a").expect("a file");
        assert_eq!(models.find(&root), Some(workflow("two")));
    }

    #[test]
    fn no_more_are_kept_than_are_looked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let models = models(folder.path());
        for number in 0..MODELS_MAX + 20 {
            let root = folder.path().join(format!("{number}.yml"));
            fs::write(&root, "a").expect("a file");
            let contents = contents([&root]).expect("readable");
            models.keep(&root, contents, &workflow("x"));
            assert!(models.find(&root).is_some(), "the newest is there");
        }
        let left = models.folder.names().expect("the cache").len();
        assert_eq!(left, MODELS_MAX);
    }

    /// What somebody else has put there is as if there were nothing, whatever it says, and so is what was damaged.
    #[test]
    fn nothing_but_what_was_kept_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let models = models(folder.path());
        let root = folder.path().join("f.yml");
        fs::write(&root, "a").expect("a file");
        let keep = |models: &Models, root: &Path| {
            let contents = contents([&root.to_owned()]).expect("readable");
            models.keep(root, contents, &workflow("x"));
        };
        keep(&models, &root);
        let kept = models.folder.path_of(&name_of(&root));
        let good = fs::read(&kept).expect("it was kept");
        for cut in 0..good.len() {
            fs::write(&kept, &good[..cut]).expect("a file");
            assert_eq!(models.find(&root), None, "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            fs::write(&kept, &bad).expect("a file");
            assert_eq!(models.find(&root), None, "changed at {at}");
        }
        // Made with another key.
        let other = tempfile::tempdir().expect("a folder");
        let forged = Models {
            folder: models.folder.clone(),
            ..self::models(other.path())
        };
        keep(&forged, &root);
        assert!(forged.find(&root).is_some());
        assert_eq!(models.find(&root), None);
        // That of another file.
        let second = folder.path().join("g.yml");
        fs::write(&second, "a").expect("a file");
        keep(&models, &second);
        fs::copy(models.folder.path_of(&name_of(&second)), &kept).expect("a file");
        assert_eq!(models.find(&root), None);
    }
}
