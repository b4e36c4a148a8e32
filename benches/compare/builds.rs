//! Works in which files are made of files: how long it takes to see that nothing, or one thing, has changed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::tools::{Kind, Tool};
use crate::works::WorkName;

/// The tasks of such a work, and how many sources each has.
pub(crate) fn size(work: WorkName, scale: usize) -> Option<(usize, usize)> {
    let sized = |full: usize| (full * scale / 100).max(4);
    match work {
        WorkName::Quiet => Some((sized(1_000), 1)),
        WorkName::QuietMany | WorkName::Changed => Some((sized(10_000), 1)),
        WorkName::QuietGlobs => Some((sized(100), sized(1_000))),
        _ => None,
    }
}

/// Writes the sources and the file of a tool: each task makes one file of its sources.
pub(crate) fn write(tasks: usize, sources: usize, tool: &Tool, home: &Path) -> io::Result<()> {
    fs::create_dir_all(home.join("out"))?;
    for task in 0..tasks {
        let names = names(task, sources);
        if let Some(folder) = home.join(&names[0]).parent() {
            fs::create_dir_all(folder)?;
        }
        for name in names {
            fs::write(home.join(&name), format!("{name}\n"))?;
        }
    }
    let mut out = BufWriter::new(File::create(home.join(tool.kind.file()))?);
    let outputs: Vec<String> = (0..tasks).map(|task| format!("out/{task}")).collect();
    match tool.kind {
        Kind::Flow => {
            writeln!(out, "tasks:\n  all: {{depends_on: [\"t*\"]}}")?;
            for task in 0..tasks {
                let pattern = pattern(task, sources);
                writeln!(
                    out,
                    "  t{task}: {{sources: \"{pattern}\", generates: out/{task}, run: touch out/{task}}}"
                )?;
            }
        }
        Kind::Make => {
            writeln!(
                out,
                ".SUFFIXES:\nMAKEFLAGS += -r\nall: {}",
                outputs.join(" ")
            )?;
            for task in 0..tasks {
                writeln!(
                    out,
                    "out/{task}: {}\n\ttouch out/{task}",
                    names(task, sources).join(" ")
                )?;
            }
        }
        Kind::Ninja => {
            writeln!(out, "rule run\n  command = touch $out")?;
            for task in 0..tasks {
                writeln!(
                    out,
                    "build out/{task}: run {}",
                    names(task, sources).join(" ")
                )?;
            }
            writeln!(out, "build all: phony {}", outputs.join(" "))?;
        }
        Kind::Just | Kind::Task | Kind::Xargs | Kind::Dagu => {}
    }
    out.flush()
}

/// Changes one source, another one each time.
pub(crate) fn change(round: usize, tasks: usize, home: &Path) -> io::Result<()> {
    let name = &names(round * 7 % tasks, 1)[0];
    let mut file = File::options().append(true).open(home.join(name))?;
    writeln!(file, "changed in round {round}")
}

fn names(task: usize, sources: usize) -> Vec<String> {
    if sources == 1 {
        return vec![format!("src/{task}.txt")];
    }
    (0..sources)
        .map(|source| format!("src/{task}/{source}.txt"))
        .collect()
}

fn pattern(task: usize, sources: usize) -> String {
    if sources == 1 {
        format!("src/{task}.txt")
    } else {
        format!("src/{task}/*.txt")
    }
}
