//! The links that lead to what is watched: when one leads elsewhere, all that lies behind it is another thing.
//!
//! The system tells of a link in the folder that it lies in, which need not be one in which there is anything to watch; so those
//! folders are watched too. Links that lead to links are followed one by one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// How many links one path may lead through (`path_resolution(7)`).
const LINKS_MAX: u32 = 40;

/// A folder, by its device and inode, and the path by which it was passed.
type Passed = ((u64, u64), PathBuf);

/// The links of all that is watched.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// By their names: the folder that each lies in, and a path that leads through it, up to it.
    through: HashMap<OsString, HashSet<Passed>>,
    /// The folders that they lie in.
    folders: BTreeSet<PathBuf>,
    /// Where paths of folders lead to that were followed already, without links.
    known: HashMap<PathBuf, PathBuf>,
}

impl Links {
    /// Those that these paths lead through, beside the ones that are known: one that is gone may come again.
    pub(super) fn add<'a>(&mut self, paths: impl IntoIterator<Item = &'a Path>) {
        self.known.clear();
        for path in paths {
            self.follow(path);
        }
    }

    /// The folders in which links lie.
    pub(super) const fn folders(&self) -> &BTreeSet<PathBuf> {
        &self.folders
    }

    /// The paths that lead through a link of which the system has told something.
    pub(super) fn led_through(&self, link: &Path) -> Vec<PathBuf> {
        let Some(through) = link.file_name().and_then(|name| self.through.get(name)) else {
            return Vec::new();
        };
        let folder = link.parent().and_then(identity);
        let here = through.iter().filter(|(known, _)| Some(*known) == folder);
        here.map(|(_, path)| path.clone()).collect()
    }

    /// Where a path leads to.
    fn follow(&mut self, path: &Path) -> PathBuf {
        if let Some(known) = self.known.get(path) {
            return known.clone();
        }
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return path.to_owned();
        };
        let folder = self.follow(above);
        let mut left = LINKS_MAX;
        let led = self.step(folder, name, path, &mut left);
        self.known.insert(path.to_owned(), led.clone());
        led
    }

    /// Where a name leads to in a folder, on the way of a path.
    fn step(&mut self, folder: PathBuf, name: &OsStr, path: &Path, left: &mut u32) -> PathBuf {
        let at = folder.join(name);
        let Ok(target) = fs::read_link(&at) else {
            return at;
        };
        if let Some(id) = identity(&folder) {
            let through = self.through.entry(name.to_owned()).or_default();
            through.insert((id, path.to_owned()));
            self.folders.insert(folder.clone());
        }
        let mut led = folder;
        for part in target.components() {
            match part {
                _ if *left == 0 => return at,
                Component::RootDir | Component::Prefix(_) => led = PathBuf::from("/"),
                Component::CurDir => {}
                Component::ParentDir => _ = led.pop(),
                Component::Normal(name) => {
                    *left -= 1;
                    led = self.step(led, name, path, left);
                }
            }
        }
        led
    }
}

/// What a folder is, whatever its name.
fn identity(folder: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(folder).ok()?;
    metadata.is_dir().then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn each_link_on_the_way_is_known() {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let root = folder.path().canonicalize().expect("it is there");
        let path = |name: &str| root.join(name);
        fs::create_dir_all(path("store/v1/sub")).expect("it is ours");
        fs::write(path("store/v1/sub/file"), "").expect("it is ours");
        symlink("v1", path("store/latest")).expect("it is ours");
        symlink(path("store/latest"), path("current")).expect("it is ours");
        symlink("current/sub/file", path("file")).expect("it is ours");
        symlink("around", path("around")).expect("it is ours");
        let mut links = Links::default();
        let paths = [path("current/sub"), path("file"), path("around/x")];
        links.add(paths.iter().map(PathBuf::as_path));
        let through = |link: &str| {
            let mut paths = links.led_through(&path(link));
            paths.sort();
            paths
        };
        assert_eq!(through("current"), [path("current"), path("file")]);
        assert_eq!(through("store/latest"), [path("current"), path("file")]);
        // A link is known by whatever name its folder has.
        assert_eq!(through("file"), [path("file")]);
        assert_eq!(through("store/v1"), [] as [PathBuf; 0]);
        assert!(links.folders().contains(&path("store")));
        assert_eq!(links.follow(&path("file")), path("store/v1/sub/file"));
    }
}
