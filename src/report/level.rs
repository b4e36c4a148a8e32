//! How much is said: how grave something has to be.

/// How grave something is that is said; the gravest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something did not work.
    Error,
    /// Somebody should know.
    Warning,
    /// It goes as it should.
    #[default]
    Info,
    /// What is of interest when somebody looks for a reason.
    Debug,
}

impl Level {
    /// As it stands in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }

    /// Whether, where so much is said, something of this level is.
    pub fn says(self, level: Self) -> bool {
        level <= self
    }
}
