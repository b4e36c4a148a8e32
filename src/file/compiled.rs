//! The checked model of a large file, kept so that the next start need not read YAML.
//!
//! It is a cache and nothing else: it is found by the content of the file and of all that it includes, made by the same
//! build of flow, and whatever is wrong with it (it is damaged, from another build, in a folder that can't be written) means
//! that the file is read as if there were none. Small files are read faster than looked up and are never kept.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::language::Workflow;

/// Files that are smaller than this in all are read faster than they are found here, in bytes.
pub const BYTES_MIN: u64 = 64 * 1024;

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
    /// The hash of the model's bytes.
    model: [u8; 32],
}

/// What a set of files holds at the moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Contents(Vec<(PathBuf, Option<[u8; 32]>)>);

/// Where the model of the file at `path` is kept below `folder`.
fn place(folder: &Path, path: &Path) -> PathBuf {
    let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    folder.join(format!("{}.model", &name[..32]))
}

/// The kept model of the file at `path`, if what it was made from is still the same.
pub fn find(folder: &Path, path: &Path) -> Option<Workflow> {
    let same = |(path, hash): &(PathBuf, Option<[u8; 32]>)| hash_of(path).as_ref() == Some(hash);
    read(&place(folder, path), |files| files.iter().all(same))
}

/// The model that was written to this very file, whatever has become of what it was made from.
pub fn written(file: &Path) -> Option<Workflow> {
    read(file, |_| true)
}

fn read(file: &Path, wanted: impl Fn(&[(PathBuf, Option<[u8; 32]>)]) -> bool) -> Option<Workflow> {
    let bytes = fs::read(file).ok()?;
    let (head, model): (Head, &[u8]) = postcard::take_from_bytes(&bytes).ok()?;
    let valid = head.build == BUILD && *blake3::hash(model).as_bytes() == head.model;
    if !valid || !wanted(&head.files) {
        return None;
    }
    postcard::from_bytes(model).ok()
}

/// Keeps a model that was made from these files. Without room for it there is none, which costs only time.
pub fn keep(folder: &Path, path: &Path, contents: Contents, workflow: &Workflow) {
    make_room(folder);
    write(&place(folder, path), contents, workflow);
}

/// Writes a model to this very file, for [`written`].
pub fn write_to(file: &Path, workflow: &Workflow) {
    write(file, Contents(Vec::new()), workflow);
}

fn write(file: &Path, contents: Contents, workflow: &Workflow) {
    let Ok(model) = postcard::to_allocvec(workflow) else {
        return;
    };
    let folder = file.parent().unwrap_or(Path::new("."));
    let head = Head {
        build: BUILD.to_owned(),
        files: contents.0,
        model: *blake3::hash(&model).as_bytes(),
    };
    let Ok(mut bytes) = postcard::to_allocvec(&head) else {
        return;
    };
    bytes.extend(model);
    // Where it can't be made, nothing can be written in it either.
    let _ = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    let draft = folder.join(format!(".{}.draft", std::process::id()));
    let written = fs::File::create(&draft)
        .and_then(|mut draft| draft.write_all(&bytes))
        .and_then(|()| fs::rename(&draft, file));
    if written.is_err() {
        // It may not have been made at all.
        let _ = fs::remove_file(&draft);
    }
}

/// Removes the oldest models when there are too many: those of files that are long gone are never looked for again.
fn make_room(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let dated = |entry: fs::DirEntry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()));
    let mut models: Vec<_> = entries.flatten().filter_map(dated).collect();
    if models.len() >= MODELS_MAX {
        models.sort();
        for (_, path) in &models[..=models.len() - MODELS_MAX] {
            // Somebody else may have removed it.
            let _ = fs::remove_file(path);
        }
    }
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
    match fs::read(path) {
        Ok(bytes) => Some(Some(*blake3::hash(&bytes).as_bytes())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(None),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn it_is_found_as_long_as_nothing_has_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (cache, root, other) = (
            folder.path().join("c"),
            folder.path().join("f.yml"),
            folder.path().join("g.yml"),
        );
        fs::create_dir(&cache).expect("a folder");
        fs::write(&root, "a").expect("a file");
        let keep = |name: &str| {
            let contents = contents([&root, &other]).expect("they can be read");
            super::keep(&cache, &root, contents, &workflow(name));
        };
        assert_eq!(find(&cache, &root), None);
        keep("one");
        assert_eq!(find(&cache, &root), Some(workflow("one")));
        fs::write(&other, "it was not there before").expect("a file");
        assert_eq!(find(&cache, &root), None);
        keep("two");
        assert_eq!(find(&cache, &root), Some(workflow("two")));
        fs::write(&root, "b").expect("a file");
        assert_eq!(find(&cache, &root), None);
        fs::write(&root, "a").expect("a file");
        assert_eq!(find(&cache, &root), Some(workflow("two")));
    }

    #[test]
    fn no_more_are_kept_than_are_looked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("made/when/needed");
        for number in 0..MODELS_MAX + 20 {
            let root = folder.path().join(format!("{number}.yml"));
            fs::write(&root, "a").expect("a file");
            let contents = contents([&root]).expect("readable");
            keep(&cache, &root, contents, &workflow("x"));
            assert!(find(&cache, &root).is_some(), "the newest is there");
        }
        let left = fs::read_dir(&cache).expect("the cache").count();
        assert_eq!(left, MODELS_MAX);
    }

    #[test]
    fn whatever_is_wrong_with_it_is_as_if_there_were_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("f.yml");
        fs::write(&root, "a").expect("a file");
        super::keep(
            folder.path(),
            &root,
            contents([&root]).expect("readable"),
            &workflow("x"),
        );
        let kept = place(folder.path(), &root);
        let good = fs::read(&kept).expect("it was kept");
        for cut in 0..good.len() {
            fs::write(&kept, &good[..cut]).expect("a file");
            assert_eq!(find(folder.path(), &root), None, "cut at {cut}");
        }
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            fs::write(&kept, &bad).expect("a file");
            assert!(
                find(folder.path(), &root).is_none_or(|found| found == workflow("x")),
                "changed at {at}"
            );
        }
        super::keep(
            &folder.path().join("not there"),
            &root,
            contents([&root]).expect("readable"),
            &workflow("x"),
        );
    }
}
