//! The pieces of work, and each of them in the language of every tool.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::builds;
use crate::options::Options;
use crate::tools::{Asked, Contender, Kind, Tool};

/// The pieces of work by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkName {
    /// One task: what it costs to begin and to end.
    Startup,
    /// Many tasks that depend on nothing: what a task costs.
    Independent,
    /// One after another: what an edge costs when nothing is parallel.
    Chain,
    /// Layers with edges between them: what a graph costs.
    Layers,
    /// flow with its record against flow without.
    Record,
    /// The peak at the independent tasks; measured by them when they are measured anyway.
    Memory,
    /// Many tasks, listed for the first time.
    List,
    /// The same, listed once more.
    Relist,
    /// What would be run of them.
    Dry,
    /// flow with a loop of many items against flow with as many tasks.
    Loop,
    /// Tasks that make files, with nothing to do.
    Quiet,
    /// Many of them.
    QuietMany,
    /// Few of them, with many sources by patterns.
    QuietGlobs,
    /// Many of them, one of which has another source.
    Changed,
    /// One after another, each fact on the disk before the next begins.
    Durable,
}

impl WorkName {
    const ALL: [Self; 15] = [
        Self::Startup,
        Self::Independent,
        Self::Chain,
        Self::Layers,
        Self::Record,
        Self::Memory,
        Self::List,
        Self::Relist,
        Self::Dry,
        Self::Loop,
        Self::Quiet,
        Self::QuietMany,
        Self::QuietGlobs,
        Self::Changed,
        Self::Durable,
    ];

    /// Its name in options and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Independent => "independent",
            Self::Chain => "chain",
            Self::Layers => "layers",
            Self::Record => "record",
            Self::Memory => "memory",
            Self::List => "list",
            Self::Relist => "relist",
            Self::Dry => "dry",
            Self::Loop => "loop",
            Self::Quiet => "quiet",
            Self::QuietMany => "quiet-many",
            Self::QuietGlobs => "quiet-globs",
            Self::Changed => "changed",
            Self::Durable => "durable",
        }
    }
}

impl FromStr for WorkName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|work| work.name() == text)
            .ok_or_else(|| format!("there is no work `{text}`"))
    }
}

/// One piece of work.
#[derive(Clone, Copy)]
pub(crate) struct Work(pub(crate) WorkName);

/// The works that the options ask for, in the order of the report.
pub(crate) fn selected(options: &Options) -> Vec<Work> {
    let wanted = |work: WorkName| is_wanted(options, work);
    let twice = |work| work == WorkName::Memory && wanted(WorkName::Independent);
    WorkName::ALL
        .into_iter()
        .filter(|work| wanted(*work) && !twice(*work))
        .map(Work)
        .collect()
}

/// Whether the options ask for this work.
pub(crate) fn is_wanted(options: &Options, work: WorkName) -> bool {
    options.only.is_empty() || options.only.contains(&work)
}

impl Work {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        self.0.name()
    }

    /// What its tasks are like.
    pub(crate) fn title(self) -> &'static str {
        match self.0 {
            WorkName::Startup => "alone",
            WorkName::Independent | WorkName::Memory => "without dependencies",
            WorkName::Chain => "one after another",
            WorkName::Layers => "in layers of 50, five edges each",
            WorkName::Record => "without dependencies, in pairs A B A B",
            WorkName::List => "listed, as if for the first time",
            WorkName::Relist => "listed again",
            WorkName::Dry => "in a dry run",
            WorkName::Loop => "as items of a loop, and as tasks",
            WorkName::Quiet | WorkName::QuietMany => "that make files, with nothing to do",
            WorkName::QuietGlobs => "that make files of many, with nothing to do",
            WorkName::Changed => "that make files, one of which has another source",
            WorkName::Durable => "one after another, each synced to the disk",
        }
    }

    /// Its graph at a scale in percent; never so small that its shape is lost.
    pub(crate) fn plan(self, scale: usize) -> Plan {
        let sized = |full: usize, least: usize| (full * scale / 100).max(least);
        match self.0 {
            WorkName::Startup => Plan::independent(1),
            WorkName::Independent
            | WorkName::Record
            | WorkName::Memory
            | WorkName::List
            | WorkName::Relist
            | WorkName::Dry
            | WorkName::Loop => Plan::independent(sized(10_000, 4)),
            WorkName::Chain => Plan::chain(sized(1_000, 4)),
            WorkName::Layers => Plan::layers(sized(40, 2), 50, 5),
            WorkName::Durable => Plan {
                durable: true,
                ..Plan::chain(sized(100, 4))
            },
            WorkName::Quiet | WorkName::QuietMany | WorkName::QuietGlobs | WorkName::Changed => {
                Plan::independent(builds::size(self.0, scale).map_or(4, |(tasks, _)| tasks))
            }
        }
    }

    /// How many rounds count.
    pub(crate) fn rounds(self, options: &Options) -> usize {
        options.rounds.unwrap_or(match self.0 {
            WorkName::Startup => 60,
            WorkName::Independent | WorkName::Loop => 5,
            WorkName::Chain | WorkName::Layers | WorkName::Record | WorkName::Durable => 7,
            WorkName::Memory => 1,
            WorkName::List | WorkName::Relist | WorkName::Dry => 15,
            WorkName::Quiet => 40,
            WorkName::QuietMany | WorkName::QuietGlobs | WorkName::Changed => 15,
        })
    }

    /// Rounds before those that count, where the first touch of a file is a large part of the whole.
    pub(crate) fn warmups(self, options: &Options) -> usize {
        match self.0 {
            WorkName::Startup if options.scale > 0 => 2,
            WorkName::Chain | WorkName::Layers | WorkName::Dry if options.scale > 0 => 1,
            WorkName::Relist => 1,
            _ => 0,
        }
    }

    /// Whether another contender begins each round.
    pub(crate) fn rotates(self) -> bool {
        !matches!(self.0, WorkName::Record | WorkName::Loop)
    }

    /// Whom the others are compared with.
    pub(crate) fn baseline(self) -> &'static str {
        match self.0 {
            WorkName::Record => Contender::NO_RECORD,
            WorkName::Loop => Contender::TASKS,
            WorkName::Durable => Kind::Dagu.name(),
            WorkName::List => Kind::Just.name(),
            WorkName::Relist | WorkName::Dry => Kind::Ninja.name(),
            _ if self.builds() => Kind::Ninja.name(),
            _ => Kind::Make.name(),
        }
    }

    /// What the tools are asked to do.
    pub(crate) fn asked(self) -> Asked {
        match self.0 {
            WorkName::List | WorkName::Relist => Asked::List,
            WorkName::Dry => Asked::Dry,
            WorkName::Loop => Asked::Loop,
            _ => Asked::Run,
        }
    }

    /// Whether what tools keep between runs is removed before each: what is there is that of a first time.
    pub(crate) fn forgets(self) -> bool {
        self.0 == WorkName::List
    }

    /// Whether its tasks make files, which are there from a run before those that count.
    pub(crate) fn builds(self) -> bool {
        builds::size(self.0, 100).is_some()
    }

    /// Who takes part: flow twice, with its record and without.
    pub(crate) fn contenders(self, tools: &[Tool]) -> Vec<Contender<'_>> {
        let fits = |tool: &&Tool| match (self.0, tool.kind) {
            (_, Kind::Flow) => true,
            (WorkName::Record | WorkName::Loop, _) => false,
            (WorkName::Durable, kind) => kind == Kind::Dagu,
            (_, Kind::Dagu) => false,
            (_, Kind::Make | Kind::Ninja) if self.builds() => true,
            _ if self.builds() => false,
            (WorkName::List | WorkName::Relist, Kind::Make) => false,
            (_, Kind::Xargs) => matches!(self.0, WorkName::Independent | WorkName::Memory),
            _ => true,
        };
        if self.0 == WorkName::Loop {
            return tools
                .iter()
                .filter(fits)
                .flat_map(Contender::of_loop)
                .collect();
        }
        let all = tools.iter().filter(fits).flat_map(Contender::of);
        let runs = self.asked() == Asked::Run;
        all.filter(|contender| runs && !self.builds() || contender.records())
            .collect()
    }
}

/// A graph of tasks that all run `true`: for each task, the earlier tasks it needs.
pub(crate) struct Plan {
    needs: Vec<Vec<usize>>,
    /// Each fact is synced.
    durable: bool,
}

impl Plan {
    fn independent(count: usize) -> Self {
        Self {
            needs: vec![Vec::new(); count],
            durable: false,
        }
    }

    fn chain(count: usize) -> Self {
        Self {
            needs: (0..count)
                .map(|task| task.checked_sub(1).into_iter().collect())
                .collect(),
            durable: false,
        }
    }

    /// Each task needs some tasks of the layer before, by chance but always the same.
    fn layers(layers: usize, width: usize, edges: usize) -> Self {
        let mut chance = Chance(0x2545_F491_4F6C_DD1D);
        let mut needs = vec![Vec::new(); width];
        for layer in 1..layers {
            let before = (layer - 1) * width;
            needs.extend((0..width).map(|_| chance.distinct(edges, before, width)));
        }
        Self {
            needs,
            durable: false,
        }
    }

    /// How many tasks run `true`.
    pub(crate) fn len(&self) -> usize {
        self.needs.len()
    }

    /// What the tools are asked for; only more than one task need one that gathers them.
    pub(crate) fn goal(&self) -> &'static str {
        if self.len() == 1 { "t0" } else { "all" }
    }

    fn tasks(&self) -> impl Iterator<Item = (usize, &[usize])> {
        self.needs.iter().map(Vec::as_slice).enumerate()
    }

    /// The tasks that no other needs: with them, every task runs.
    fn ends(&self) -> Vec<usize> {
        let mut needed = vec![false; self.len()];
        for need in self.needs.iter().flatten() {
            needed[*need] = true;
        }
        (0..self.len()).filter(|task| !needed[*task]).collect()
    }

    /// The ends, when there is more than one task to gather.
    fn gathered(&self) -> Option<Vec<usize>> {
        (self.len() > 1).then(|| self.ends())
    }
}

/// A xorshift generator: the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn distinct(&mut self, count: usize, from: usize, width: usize) -> Vec<usize> {
        let mut picked = Vec::with_capacity(count);
        while picked.len() < count.min(width) {
            let pick =
                from + usize::try_from(self.next() % width as u64).expect("a remainder of a usize");
            if !picked.contains(&pick) {
                picked.push(pick);
            }
        }
        picked
    }
}

/// The folder of one tool in the folder of one work.
pub(crate) fn home(folder: &Path, tool: &Tool) -> PathBuf {
    folder.join(tool.kind.name())
}

/// Writes the plan in the language of one tool.
pub(crate) fn write_files(plan: &Plan, tool: &Tool, folder: &Path) -> io::Result<()> {
    let home = home(folder, tool);
    fs::create_dir_all(&home)?;
    let mut out = BufWriter::new(File::create(home.join(tool.kind.file()))?);
    match tool.kind {
        Kind::Flow => workflowfile(plan, &mut out)?,
        Kind::Make => makefile(plan, &mut out)?,
        Kind::Ninja => ninja_file(plan, &mut out)?,
        Kind::Just => justfile(plan, tool.has_flag, &mut out)?,
        Kind::Task => taskfile(plan, &mut out)?,
        Kind::Xargs => arguments(plan, &mut out)?,
        Kind::Dagu => dag(plan, &mut out)?,
    }
    out.flush()
}

/// Removes what a run left beside the file: records, logs, caches.
pub(crate) fn clean(home: &Path, tool: &Tool) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let entry = entry?;
        if entry.file_name() == tool.kind.file() {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?
        } else {
            fs::remove_file(entry.path())?
        }
    }
    Ok(())
}

fn workflowfile(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "tasks:")?;
    if let Some(ends) = plan.gathered() {
        writeln!(out, "  all: {{depends_on: [{}]}}", names(&ends, ", "))?;
        let count = plan.len();
        let each = format!("{{range: [1, {count}], parallel: true}}");
        writeln!(out, "  loop: {{for: {each}, run: 'true'}}")?;
    }
    for (task, needs) in plan.tasks() {
        match needs {
            [] if plan.durable => writeln!(out, "  t{task}: {{run: 'true', durable: true}}")?,
            [] => writeln!(out, "  t{task}: 'true'")?,
            _ => writeln!(
                out,
                "  t{task}: {{depends_on: [{}], run: 'true'}}",
                names(needs, ", ")
            )?,
        }
    }
    Ok(())
}

fn makefile(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    let ends = plan.gathered();
    let every: Vec<usize> = (0..plan.len()).collect();
    writeln!(
        out,
        ".PHONY: {}{}",
        if ends.is_some() { "all " } else { "" },
        names(&every, " ")
    )?;
    if let Some(ends) = ends {
        writeln!(out, "all: {}", names(&ends, " "))?;
    }
    for (task, needs) in plan.tasks() {
        writeln!(out, "t{task}: {}\n\ttrue", names(needs, " "))?;
    }
    Ok(())
}

/// The outputs never come to be, so that every edge is always dirty.
fn ninja_file(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "rule run\n  command = true")?;
    for (task, needs) in plan.tasks() {
        writeln!(out, "build t{task}: run {}", names(needs, " "))?;
    }
    match plan.gathered() {
        Some(ends) => writeln!(out, "build all: phony {}", names(&ends, " ")),
        None => Ok(()),
    }
}

/// Dependencies of a recipe run one after another unless it says `[parallel]`.
fn justfile(plan: &Plan, parallel: bool, out: &mut impl Write) -> io::Result<()> {
    let mark = |needs: &[usize]| {
        if parallel && needs.len() > 1 {
            "[parallel]\n"
        } else {
            ""
        }
    };
    if let Some(ends) = plan.gathered() {
        writeln!(out, "{}all: {}", mark(&ends), names(&ends, " "))?;
    }
    for (task, needs) in plan.tasks() {
        writeln!(
            out,
            "{}t{task}: {}\n  @true",
            mark(needs),
            names(needs, " ")
        )?;
    }
    Ok(())
}

/// Without `run: once` a task runs again for every task that needs it.
fn taskfile(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "version: '3'\nrun: once\ntasks:")?;
    if let Some(ends) = plan.gathered() {
        writeln!(out, "  all: {{deps: [{}]}}", names(&ends, ", "))?;
    }
    for (task, needs) in plan.tasks() {
        writeln!(
            out,
            "  t{task}: {{deps: [{}], cmds: ['true']}}",
            names(needs, ", ")
        )?;
    }
    Ok(())
}

/// It has no goal: all of the file runs.
fn dag(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "steps:")?;
    for (task, needs) in plan.tasks() {
        let needs = names(needs, ", ");
        writeln!(
            out,
            "  - {{name: t{task}, command: 'true', depends: [{needs}]}}"
        )?;
    }
    Ok(())
}

fn arguments(plan: &Plan, out: &mut impl Write) -> io::Result<()> {
    plan.tasks()
        .try_for_each(|(task, _)| writeln!(out, "t{task}"))
}

fn names(tasks: &[usize], between: impl Display) -> String {
    tasks
        .iter()
        .map(|task| format!("t{task}"))
        .collect::<Vec<_>>()
        .join(&between.to_string())
}
