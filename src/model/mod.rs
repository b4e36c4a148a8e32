//! The nouns that everyone shares: what a file means, what a run will do, ids and times.
//!
//! Nothing here reads a file, a clock or an environment, and nothing here imports from the rest of flow.

pub mod hex;
pub mod id;
pub mod language;
pub mod listed;
pub mod path;
pub mod plan;
pub mod shell;
pub mod stream;
pub mod time;
