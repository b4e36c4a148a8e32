//! What is left of a run whose flow has died.
//!
//! A process of a run is known by the environment that flow gave it. One that has another by now (`env -i`, `sudo`, tox) is known by
//! its number, which the record has, and by whom it descends from. A number may be somebody else's by now; whoever has it and began
//! after the time at which the record has seen it is left alone.
//!
//! The run may have been taken up by now. What the flow that goes on with it has started is not left: it descends from that one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, getpid};

use super::family::{self, Left};
use crate::core::fact::Process;
use crate::model::id::RunId;

/// What the record of a run says of its processes.
#[derive(Clone, Debug, Default)]
pub struct Started {
    /// The folder of the project that it ran in.
    pub dir: PathBuf,
    /// Those that were started.
    pub processes: Vec<Process>,
}

/// What the record says of a process that has just been started; `alive_ms` is the time since the machine was started.
pub fn described(pid: Pid, alive_ms: u64) -> Process {
    Process {
        pid: pid.as_raw_nonzero().get(),
        session: session(),
        flow: getpid().as_raw_nonzero().get(),
        alive_ms,
        boot: boot().to_owned(),
    }
}

/// The number of our session; 0 where that is one of outside, as in a container.
#[expect(
    unsafe_code,
    reason = "the safe interface takes it for granted that a session has a number here"
)]
fn session() -> i32 {
    // SAFETY: getsid(2) takes a number and returns one.
    unsafe { libc::getsid(0) }
}

/// Which start of the machine this is; random(4).
fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        id.unwrap_or_default().trim().to_owned()
    })
}

/// Processes of a run that are alive and whose flow is gone, but for this one and those that it descends from. `logs` is the folder of the output of all
/// runs of the project: in another project (a copy of this one, or by chance) a run may have the same id. `started` is what the
/// record says.
pub fn of_run(run: &RunId, logs: &Path, started: &Started) -> Vec<Left> {
    let mut found = family::marked(run, logs);
    let known: Vec<&Process> = started
        .processes
        .iter()
        .filter(|_| started.is_of(logs))
        .filter(|process| !process.boot.is_empty() && process.boot == boot())
        .collect();
    if known.is_empty() {
        return found;
    }
    let all = Table::read();
    let have: HashSet<i32> = found
        .iter()
        .map(|left| left.pid.as_raw_nonzero().get())
        .collect();
    for pid in all.of(&known) {
        if have.contains(&pid) || family::is_left_by(pid, run) {
            continue;
        }
        found.extend(Pid::from_raw(pid).map(|pid| family::found(pid, "a task")));
    }
    found
}

impl Started {
    /// Whether these are processes of the project with this folder of output, and not of one that it was copied from.
    fn is_of(&self, logs: &Path) -> bool {
        let project = logs
            .ancestors()
            .nth(2)
            .and_then(|dir| dir.canonicalize().ok());
        project.is_some() && self.dir.canonicalize().ok() == project
    }
}

/// A process that is alive, by the fields of `proc_pid_stat(5)`.
struct Row {
    parent: i32,
    group: i32,
    session: i32,
    /// In milliseconds since the machine was started.
    began_ms: u64,
}

/// All processes that are alive.
struct Table(HashMap<i32, Row>);

impl Table {
    fn read() -> Self {
        let row = |pid: i32| Some((pid, row(&fs::read_to_string(stat(pid)).ok()?)?));
        Self(family::pids().filter_map(row).collect())
    }

    /// These processes, their groups, all that descends from them, and the groups and sessions that those lead.
    fn of(&self, known: &[&Process]) -> Vec<i32> {
        let mut found: Vec<i32> = Vec::new();
        for process in known {
            match self.0.get(&process.pid) {
                Some(row) if row.began_ms <= process.alive_ms + tick_ms() => {
                    if !self.descends(process.pid, process.flow) {
                        found.push(process.pid);
                    }
                }
                // Somebody else has its number.
                Some(_) => {}
                // The number is not given away as long as its group lives.
                None => {
                    let group = self.those(|row| {
                        row.group == process.pid
                            && row.session == process.session
                            && row.session > 0
                    });
                    let left = group.into_iter();
                    found.extend(left.filter(|pid| !self.descends(*pid, process.flow)));
                }
            }
        }
        let mut seen: HashSet<i32> = found.iter().copied().collect();
        let mut next = 0;
        while let Some(one) = found.get(next).copied() {
            next += 1;
            let more = self.those(|row| [row.parent, row.group, row.session].contains(&one));
            found.extend(more.into_iter().filter(|pid| seen.insert(*pid)));
        }
        let own = getpid().as_raw_nonzero().get();
        found.retain(|pid| *pid != own && !family::is_ancestor(*pid));
        found
    }

    fn descends(&self, pid: i32, from: i32) -> bool {
        let parent = |pid: &i32| self.0.get(pid).map(|row| row.parent);
        // The table is not of one moment, so it may go round.
        let mut above = std::iter::successors(parent(&pid), parent).take(self.0.len());
        above.any(|above| above == from)
    }

    fn those(&self, are: impl Fn(&Row) -> bool) -> Vec<i32> {
        let all = self.0.iter().filter(|(_, row)| are(row));
        all.map(|(pid, _)| *pid).collect()
    }
}

fn stat(pid: i32) -> String {
    format!("/proc/{pid}/stat")
}

/// A line of a process that has not ended.
fn row(line: &str) -> Option<Row> {
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let mut number = || fields.next()?.parse().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    // The 22nd field of the line.
    let ticks: u64 = fields.nth(15)?.parse().ok()?;
    Some(Row {
        parent,
        group,
        session,
        began_ms: ticks * 1_000 / clock_ticks_per_second().max(1),
    })
}

/// How exact the beginning of a process is known.
fn tick_ms() -> u64 {
    1_000 / clock_ticks_per_second().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(i32, i32, i32, i32, u64)]) -> Table {
        let row = |(pid, parent, group, session, began_ms): &(i32, i32, i32, i32, u64)| {
            let row = Row {
                parent: *parent,
                group: *group,
                session: *session,
                began_ms: *began_ms,
            };
            (*pid, row)
        };
        Table(rows.iter().map(row).collect())
    }

    fn process(pid: i32, session: i32, alive_ms: u64) -> Process {
        Process {
            pid,
            session,
            flow: 4_000,
            alive_ms,
            boot: "b".to_owned(),
        }
    }

    fn found(table: &Table, known: &Process) -> Vec<i32> {
        let mut found = table.of(&[known]);
        found.sort_unstable();
        found
    }

    #[test]
    fn who_has_the_number_of_another_is_left_alone() {
        let all = table(&[
            (900_100, 1, 900_100, 7, 5_000),
            (900_101, 900_100, 900_100, 7, 5_100),
        ]);
        assert_eq!(found(&all, &process(900_100, 7, 5_001)), [900_100, 900_101]);
        assert_eq!(
            found(&all, &process(900_100, 7, 5_000 - tick_ms())),
            [900_100, 900_101]
        );
        assert!(found(&all, &process(900_100, 7, 4_000)).is_empty());
    }

    #[test]
    fn a_group_without_its_leader_and_sessions_of_its_own_are_found() {
        let all = table(&[
            (900_101, 1, 900_100, 7, 5_100),
            (900_102, 900_101, 900_102, 900_102, 5_200),
            (900_103, 1, 900_103, 900_102, 5_300),
            (900_104, 1, 900_100, 8, 5_300),
            (900_105, 1, 900_105, 7, 5_300),
        ]);
        assert_eq!(
            found(&all, &process(900_100, 7, 5_001)),
            [900_101, 900_102, 900_103]
        );
    }

    #[test]
    fn what_still_has_its_flow_is_not_left() {
        let all = table(&[
            (4_000, 1, 4_000, 7, 1_000),
            (900_100, 4_000, 900_100, 7, 5_000),
            (900_101, 900_100, 900_100, 7, 5_100),
            (900_201, 900_202, 900_200, 7, 5_100),
            (900_202, 4_000, 900_200, 7, 5_100),
        ]);
        assert!(found(&all, &process(900_100, 7, 5_001)).is_empty());
        assert!(found(&all, &process(900_200, 7, 5_001)).is_empty());
        let of_another = Process {
            flow: 3_000,
            ..process(900_100, 7, 5_001)
        };
        assert_eq!(found(&all, &of_another), [900_100, 900_101]);
    }

    #[test]
    fn a_line_is_read_whatever_the_program_is_called() {
        let line = "12 (a) R 1) S 3 12 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 450 0 0";
        let row = row(line).expect("it is a line");
        assert_eq!((row.parent, row.group, row.session), (3, 12, 7));
        assert_eq!(row.began_ms, 450 * 1_000 / clock_ticks_per_second());
        assert!(super::row("12 (a) Z 3 12 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 450").is_none());
    }
}
