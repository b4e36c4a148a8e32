//! What flow promises, beside what was measured.

use crate::options::Options;
use crate::report::{baseline_row, median_ratio, peak_mb};
use crate::tools::Kind;
use crate::works::{WorkName, is_wanted};
use crate::{Outcome, Row};

/// How a promise is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Times as long as the baseline of the work.
    Times,
    /// Megabytes at the peak.
    Megabytes,
}

/// One promise and its figure.
pub(crate) struct Target {
    /// The work it is about.
    pub(crate) work: WorkName,
    /// What is compared.
    pub(crate) unit: Unit,
    /// The most it may be.
    pub(crate) limit: f64,
    /// What it is; none when it could not be measured.
    pub(crate) figure: Option<f64>,
}

impl Target {
    /// Whether the promise was kept in this measurement.
    pub(crate) fn is_met(&self) -> bool {
        self.figure.is_some_and(|figure| figure <= self.limit)
    }

    /// `ok`, `missed` or why there is no figure.
    pub(crate) fn verdict(&self) -> &'static str {
        match self.figure {
            None => "not measured",
            Some(_) if self.is_met() => "ok",
            Some(_) => "missed",
        }
    }
}

const PROMISES: [(WorkName, Unit, f64); 15] = [
    (WorkName::Startup, Unit::Times, 1.00),
    (WorkName::Independent, Unit::Times, 0.95),
    (WorkName::Chain, Unit::Times, 1.00),
    (WorkName::Layers, Unit::Times, 1.00),
    (WorkName::Record, Unit::Times, 1.05),
    (WorkName::Memory, Unit::Megabytes, 30.0),
    (WorkName::List, Unit::Times, 0.70),
    (WorkName::Relist, Unit::Times, 1.00),
    (WorkName::Dry, Unit::Times, 1.00),
    (WorkName::Loop, Unit::Times, 1.10),
    (WorkName::Quiet, Unit::Times, 0.90),
    (WorkName::QuietMany, Unit::Times, 0.90),
    (WorkName::QuietGlobs, Unit::Times, 1.00),
    (WorkName::Changed, Unit::Times, 1.00),
    (WorkName::Durable, Unit::Times, 0.30),
];

/// The promises about the works that the options ask for. They are about flow as it comes: with its record.
pub(crate) fn judge(options: &Options, outcomes: &[Outcome]) -> Vec<Target> {
    let wanted = PROMISES
        .into_iter()
        .filter(|(work, ..)| is_wanted(options, *work));
    wanted
        .map(|(work, unit, limit)| Target {
            work,
            unit,
            limit,
            figure: figure(work, unit, outcomes),
        })
        .collect()
}

fn figure(work: WorkName, unit: Unit, outcomes: &[Outcome]) -> Option<f64> {
    let outcome = outcomes
        .iter()
        .find(|outcome| outcome.work.0 == work)
        .or_else(|| stand_in(work, outcomes))?;
    let flow = outcome
        .rows
        .iter()
        .find(|row| row.label == Kind::Flow.name() && row.failure.is_none())?;
    match unit {
        Unit::Times => median_ratio(flow, fit(baseline_row(outcome))?),
        Unit::Megabytes => peak_mb(flow),
    }
}

fn fit(row: Option<&Row>) -> Option<&Row> {
    row.filter(|row| row.failure.is_none())
}

/// The peak is read from the independent tasks when they were measured anyway.
fn stand_in(work: WorkName, outcomes: &[Outcome]) -> Option<&Outcome> {
    outcomes
        .iter()
        .find(|outcome| work == WorkName::Memory && outcome.work.0 == WorkName::Independent)
}
