//! What waits on flow's stdin, and nobody has read.

use std::os::fd::AsFd;

use rustix::fs::{FileType, SeekFrom, fstat, seek};

use super::args::ShowArgs;
use crate::diagnostic::visible;
use crate::model::plan::{Node, Plan};
use crate::report::level::Level;
use crate::report::screen;

/// Says so when a run that has ended left bytes on stdin that were perhaps meant for one of its tasks.
pub(super) fn say_unread(plan: &Plan, show: &ShowArgs) {
    let reads = |node: &Node| node.rules().stdin || node.rules().interactive;
    if !plan.nodes.iter().any(reads) {
        say_unread_by(&plan.asked_names(), show);
    }
}

/// The same of a run of these tasks, none of which reads it.
pub(super) fn say_unread_by(tasks: &[&str], show: &ShowArgs) {
    if !show.says(Level::Warning) || !waits() {
        return;
    }
    let task = match tasks {
        [task] => visible(task),
        _ => "the task that is to read it".into(),
    };
    // That there is nobody to read it is no error.
    let _ = screen::print(
        "",
        &format!("stdin was not read: add 'stdin: true' to {task}\n"),
    );
}

/// Whether stdin is a pipe or a file with bytes that nobody has read yet.
fn waits() -> bool {
    let stdin = rustix::stdio::stdin();
    let Ok(stat) = fstat(stdin) else {
        return false;
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => rustix::io::ioctl_fionread(stdin.as_fd()).is_ok_and(|bytes| bytes > 0),
        FileType::RegularFile => {
            let at = seek(stdin, SeekFrom::Current(0)).unwrap_or(u64::MAX);
            u64::try_from(stat.st_size).is_ok_and(|size| at < size)
        }
        _ => false,
    }
}
