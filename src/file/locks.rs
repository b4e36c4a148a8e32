//! What is to be said of all locks of a project together.

use std::collections::HashMap;

use super::includes::Node;
use super::raw::Written;
use crate::diagnostic::Diagnostic;
use crate::model::language::Task;

/// A lock has the same number of slots wherever it stands; otherwise whoever needs it alone would not have it alone.
pub(super) fn check(tasks: &[Task], raws: &[(usize, Written)], nodes: &mut [Node]) {
    let mut known: HashMap<&str, (u32, &str)> = HashMap::new();
    for (task, (number, raw)) in tasks.iter().zip(raws) {
        for (lock, span) in task.rules().locks.iter().zip(&raw.lock_spans) {
            if lock.name.is_template() {
                continue;
            }
            let name = &*lock.name.text;
            let (slots, first) = *known.entry(name).or_insert((lock.slots, &task.name));
            if slots != lock.slots {
                let message = format!(
                    "the lock '{name}' has {} here, and {} in the task '{first}'",
                    of(lock.slots),
                    of(slots)
                );
                let found = Diagnostic::error("lock-slots", message)
                    .help("write the same number of 'slots' wherever it is used");
                nodes[*number].raw.found.push(found.at(span.clone(), ""));
            }
        }
    }
}

fn of(slots: u32) -> String {
    match slots {
        1 => "one slot".to_owned(),
        slots => format!("{slots} slots"),
    }
}
