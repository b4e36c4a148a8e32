//! The figures as tables for people and as JSON for programs.

use std::fmt::Write as _;

use crate::machine::Machine;
use crate::options::Options;
use crate::targets::{Target, Unit, judge};
use crate::tools::{Kind, Tool};
use crate::works::{Work, WorkName};
use crate::{Outcome, Row};

/// Everything there is to report.
pub(crate) struct Report<'a> {
    /// Where it was measured.
    pub(crate) machine: Machine,
    /// The least peak that can be measured here.
    pub(crate) floor_mb: Option<f64>,
    /// The tools that take part.
    pub(crate) tools: &'a [Tool],
    /// The tools that are not installed.
    pub(crate) missing: &'a [Kind],
    /// What was asked for.
    pub(crate) options: &'a Options,
    /// What was measured so far.
    pub(crate) outcomes: Vec<Outcome>,
}

impl Report<'_> {
    /// The machine and the tools.
    pub(crate) fn head(&self) -> String {
        let Machine {
            kernel,
            cpu,
            cpus,
            load,
            file_system,
        } = &self.machine;
        let mut text =
            format!("{cpus} x {cpu}, load {load}\nLinux {kernel}, files on {file_system}\n\n");
        for tool in self.tools {
            text += &format!(
                "{:<7}{} ({})\n",
                tool.kind.name(),
                tool.version,
                tool.origin
            );
            text += &format!("       {}\n       {}\n", tool.path.display(), tool.way());
        }
        if !self.missing.is_empty() {
            text += &format!(
                "missing: {}\n",
                join(self.missing.iter().map(|kind| kind.name().to_owned()))
            );
        }
        text
    }

    /// The table of one piece of work.
    pub(crate) fn table(&self, outcome: &Outcome) -> String {
        let work = outcome.work;
        let (rounds, jobs) = (work.rounds(self.options), self.options.jobs);
        let mut text = format!(
            "\n{}: {} x `true` {}, -j{jobs}, ",
            work.name(),
            outcome.tasks,
            work.title()
        );
        text += &format!(
            "{rounds} {}\n",
            if rounds == 1 { "round" } else { "rounds" }
        );
        let base = match work.0 {
            WorkName::Record => "no-rec.",
            _ => work.baseline(),
        };
        text += &format!(
            "  {:<18}{:>12}{:>12}{:>12}{:>12}{:>11}\n",
            "tool",
            "median ms",
            "min ms",
            format!("x {base}"),
            "of medians",
            "peak MB"
        );
        outcome
            .rows
            .iter()
            .for_each(|row| text += &line(row, baseline_row(outcome)));
        text
    }

    /// The targets, and what the figures are.
    pub(crate) fn targets(&self) -> String {
        let mut text = "\ntargets".to_owned();
        if self.options.scale != 100 {
            text += &format!(
                " (at {} % of the size that they are meant for)",
                self.options.scale
            );
        }
        text += "\n";
        for target in judge(self.options, &self.outcomes) {
            let limit = match target.unit {
                Unit::Times => format!("<= {:.2} x {}", target.limit, unit_name(&target)),
                Unit::Megabytes => format!("<= {:.1} MB peak", target.limit),
            };
            let figure = number(
                target.figure,
                if target.unit == Unit::Times { 3 } else { 1 },
            );
            text += &format!(
                "  {:<14}{limit:<24}{figure:>10}  {}\n",
                target.work.name(),
                target.verdict()
            );
        }
        text += "\n`x make` is the median of the ratios of each round, `of medians` the ratio of\nthe medians. ";
        text += "The peak is that of the largest single process of a run";
        match self.floor_mb {
            Some(floor) => {
                text += &format!("; the\nleast that can be measured here is {floor:.1} MB.\n")
            }
            None => text += ".\n",
        }
        text
    }

    /// All of it as one object.
    pub(crate) fn json(&self) -> String {
        let tools = join(self.tools.iter().map(tool_json));
        let missing = join(self.missing.iter().map(|kind| quote(kind.name())));
        let works = join(self.outcomes.iter().map(|outcome| self.work_json(outcome)));
        let targets = join(judge(self.options, &self.outcomes).iter().map(target_json));
        let options = self.options;
        let mut text = "{".to_owned();
        text += &format!("\"machine\": {}, ", self.machine_json());
        text += &format!("\"jobs\": {}, \"scale\": {}, ", options.jobs, options.scale);
        text += &format!("\"keep_record\": {}, ", options.keep_record);
        text += &format!("\"tools\": [{tools}], \"missing\": [{missing}], ");
        text += &format!("\"works\": [{works}], \"targets\": [{targets}]}}\n");
        text
    }

    fn machine_json(&self) -> String {
        let Machine {
            kernel,
            cpu,
            cpus,
            load,
            file_system,
        } = &self.machine;
        object(&[
            ("kernel", quote(kernel)),
            ("cpu", quote(cpu)),
            ("cpus", cpus.to_string()),
            ("load", quote(load)),
            ("file_system", quote(file_system)),
            ("peak_floor_mb", json_number(self.floor_mb)),
        ])
    }

    fn work_json(&self, outcome: &Outcome) -> String {
        object(&[
            ("name", quote(outcome.work.name())),
            ("tasks", outcome.tasks.to_string()),
            ("rounds", outcome.work.rounds(self.options).to_string()),
            ("baseline", quote(outcome.work.baseline())),
            (
                "rows",
                format!(
                    "[{}]",
                    join(
                        outcome
                            .rows
                            .iter()
                            .map(|row| row_json(row, baseline_row(outcome)))
                    )
                ),
            ),
        ])
    }
}

/// The row that the others of the work are compared with.
pub(crate) fn baseline_row(outcome: &Outcome) -> Option<&Row> {
    outcome
        .rows
        .iter()
        .find(|row| row.label == outcome.work.baseline())
}

/// The median of the ratios within each round: what drifts during the run cancels out.
pub(crate) fn median_ratio(row: &Row, base: &Row) -> Option<f64> {
    let pairs = row.runs.iter().zip(&base.runs);
    median(
        pairs
            .filter_map(|(own, other)| Some(own.as_ref()?.millis() / other.as_ref()?.millis()))
            .collect(),
    )
}

/// The highest peak of all rounds.
pub(crate) fn peak_mb(row: &Row) -> Option<f64> {
    row.runs
        .iter()
        .flatten()
        .map(|run| run.peak_mb())
        .reduce(f64::max)
}

fn ratio_of_medians(row: &Row, base: &Row) -> Option<f64> {
    Some(median(millis(row))? / median(millis(base))?)
}

fn millis(row: &Row) -> Vec<f64> {
    row.runs.iter().flatten().map(|run| run.millis()).collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}

fn line(row: &Row, base: Option<&Row>) -> String {
    if let Some(failure) = &row.failure {
        let short: String = failure.chars().take(50).collect();
        return format!("  {:<18}  failed: {short}\n", row.label);
    }
    let mut text = format!("  {:<18}", row.label);
    let columns = [
        (number(median(millis(row)), 1), 12),
        (number(millis(row).into_iter().reduce(f64::min), 1), 12),
        (number(base.and_then(|base| median_ratio(row, base)), 3), 12),
        (
            number(base.and_then(|base| ratio_of_medians(row, base)), 3),
            12,
        ),
        (number(peak_mb(row), 1), 11),
    ];
    for (figure, width) in columns {
        write!(text, "{figure:>width$}").expect("a String takes everything");
    }
    text + "\n"
}

fn unit_name(target: &Target) -> &'static str {
    match target.work {
        WorkName::Record => "--no-record",
        work => Work(work).baseline(),
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

fn tool_json(tool: &Tool) -> String {
    object(&[
        ("name", quote(tool.kind.name())),
        ("version", quote(&tool.version)),
        ("path", quote(&tool.path.display().to_string())),
        ("origin", quote(tool.origin)),
        ("way", quote(tool.way())),
    ])
}

fn row_json(row: &Row, base: Option<&Row>) -> String {
    object(&[
        ("tool", quote(&row.label)),
        ("median_ms", json_number(median(millis(row)))),
        (
            "min_ms",
            json_number(millis(row).into_iter().reduce(f64::min)),
        ),
        (
            "median_ratio",
            json_number(base.and_then(|base| median_ratio(row, base))),
        ),
        (
            "ratio_of_medians",
            json_number(base.and_then(|base| ratio_of_medians(row, base))),
        ),
        ("peak_mb", json_number(peak_mb(row))),
        (
            "samples_ms",
            format!(
                "[{}]",
                join(
                    row.runs
                        .iter()
                        .map(|run| json_number(run.map(|run| run.millis())))
                )
            ),
        ),
        (
            "failure",
            row.failure
                .as_deref()
                .map_or_else(|| "null".to_owned(), quote),
        ),
    ])
}

fn target_json(target: &Target) -> String {
    object(&[
        ("work", quote(target.work.name())),
        (
            "unit",
            quote(if target.unit == Unit::Times {
                "times"
            } else {
                "megabytes"
            }),
        ),
        ("limit", json_number(Some(target.limit))),
        ("figure", json_number(target.figure)),
        ("verdict", quote(target.verdict())),
    ])
}

fn object(members: &[(&str, String)]) -> String {
    format!(
        "{{{}}}",
        join(
            members
                .iter()
                .map(|(name, value)| format!("{}: {value}", quote(name)))
        )
    )
}

fn join(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

fn json_number(value: Option<f64>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| format!("{value:.4}"))
}

fn quote(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => quoted += &format!("\\u{:04x}", u32::from(letter)),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}
