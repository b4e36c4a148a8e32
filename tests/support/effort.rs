//! How much is tried, and what could not be.

use std::io::Write;

/// How often something random is tried: `usual`, times `FLOW_TEST_EFFORT` where that is set.
pub fn rounds(usual: usize) -> usize {
    let effort = std::env::var("FLOW_TEST_EFFORT").ok();
    let times = effort.and_then(|effort| effort.parse::<usize>().ok());
    usual * times.unwrap_or(1)
}

/// Says that something was not tested, and why, past what captures the output of tests.
pub fn skipped(what: &str) {
    let line = format!("\n!!! skipped: {what}\n");
    // Nothing to do about it when there is no stderr.
    let _ = std::io::stderr().write_all(line.as_bytes());
}
