//! `root`: a file that is usually included says beside which file, further up, flow keeps what it keeps.
//!
//! It is asked before the file is read as a whole, because where runs are recorded has to be known for calls that read no file.

use std::path::{Path, PathBuf};

use super::includes::{absolute, bytes_of};
use super::missing::Above;
use super::tree::{Value, Walk};
use super::{find, text, yaml};

/// How often one root names another.
const ROOTS_MAX: usize = 32;

/// The folder in which flow keeps what belongs to this file: its own, or that of the file which its `root` names.
pub fn folder(path: &Path) -> PathBuf {
    let own = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let (mut folder, mut file) = (own, path.to_path_buf());
    for _ in 0..ROOTS_MAX {
        let Some(next) = named_by(&file) else {
            break;
        };
        (folder, file) = next;
    }
    folder
}

/// The file further up that includes this one.
pub fn included_by(path: &Path) -> Option<PathBuf> {
    Above::of(&absolute(path)).map(|above| above.file)
}

/// What is wrong with the `root` of a file, and what to do about it.
///
/// The file that it names has to include this one: so nobody's copy of a file can record in the folder of another project.
pub(super) fn wrong(path: &Path, root: &str) -> Option<(String, &'static str)> {
    let dir = path.parent().unwrap_or(path);
    let folder = absolute(&dir.join(root));
    if folder == dir || !dir.starts_with(&folder) {
        let message = format!("'root' is a folder above that of this file, and '{root}' is not");
        return Some((
            message,
            "write '..', or how far up the file is that includes this one",
        ));
    }
    let Some(file) = find::in_folder(&folder) else {
        let message = format!("there is no Workflowfile in '{root}'");
        let help = "name the folder of the file that includes this one, or take the key out";
        return Some((message, help));
    };
    if Above::that_includes(path, 0, &file).is_none() {
        let message = format!("the file in '{root}' does not include this one");
        return Some((message, "add it to 'includes' there, or take the key out"));
    }
    None
}

/// The folder and the file that a file names as its root.
fn named_by(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let path = absolute(path);
    let dir = path.parent()?;
    // Where no file is further up none can be the root, and nothing need be read.
    find::find(dir.parent()?)?;
    let bytes = bytes_of(&path).ok()?;
    if !may_name_one(&bytes) {
        return None;
    }
    let text = text::decode(bytes).ok()?;
    let root = key_of(&text)?;
    if wrong(&path, &root).is_some() {
        return None;
    }
    let folder = absolute(&dir.join(root));
    let file = find::in_folder(&folder)?;
    Some((folder, file))
}

/// Whether the key may be there: at the beginning of a line, or in quotes as in JSON.
fn may_name_one(text: &[u8]) -> bool {
    let at_start = text.starts_with(b"root");
    at_start
        || [b"\nroot".as_slice(), b"\"root\""]
            .iter()
            .any(|word| text.windows(word.len()).any(|part| part == *word))
}

fn key_of(text: &str) -> Option<String> {
    let (tree, _) = yaml::parse(text);
    let mut walk = Walk::new(&tree);
    let Value::Map(entries) = walk.open(tree.root()?) else {
        return None;
    };
    let is_root = |key| tree.scalar(key).is_some_and(|scalar| scalar.text == "root");
    let entry = entries.iter().find(|entry| is_root(entry.key.node))?;
    Some(tree.scalar(entry.value.node)?.text.to_string())
}
