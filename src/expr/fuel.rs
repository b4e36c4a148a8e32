//! How much work one evaluation may be, so that no template runs for ever or fills the memory.

use super::Problem;

/// What one evaluation may do: steps, values and every 64 bytes of text cost one.
const FUEL: u64 = 4_000_000;
/// The largest text that an expression may make, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 8 << 20;

/// What is left of the limit on work.
#[derive(Debug)]
pub(super) struct Fuel {
    left: u64,
}

impl Default for Fuel {
    fn default() -> Self {
        Self { left: FUEL }
    }
}

impl Fuel {
    /// Takes some; an error when there is no more.
    pub(super) fn take(&mut self, units: usize) -> Result<(), Problem> {
        let left = u64::try_from(units)
            .ok()
            .and_then(|units| self.left.checked_sub(units));
        self.left = left.ok_or_else(|| {
            Problem::new("too-much-work", "this takes too many steps to evaluate")
                .help("compute it in a step, and read what the step puts out")
        })?;
        Ok(())
    }

    /// Takes what a text of so many bytes costs, which also limits it.
    pub(super) fn text(&mut self, bytes: usize) -> Result<(), Problem> {
        if bytes > TEXT_BYTES_MAX {
            let most = TEXT_BYTES_MAX >> 20;
            return Err(Problem::new(
                "too-large",
                format!("this makes a text of more than {most} MiB"),
            )
            .help("write it to a file in a step, and pass on the name of the file"));
        }
        self.take(1 + bytes / 64)
    }
}
