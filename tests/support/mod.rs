//! What the tests that call the real binary share: a folder of their own, a clean environment, the record of a run.
//!
//! Everything here is `pub` down to the root of each test, so that a test may leave parts of it unused.

pub mod effort;
pub mod every_minute;
pub mod json_schema;
pub mod matching;
pub mod mounts;
pub mod normal;
pub mod processes;
pub mod record;
pub mod script;
pub mod space;
pub mod terminal;

pub use effort::{rounds, skipped};
pub use record::Record;
pub use space::{Ended, Space, wait_for};
