//! flow runs the tasks of a Workflowfile: as the inner loop of a developer's day, and as runs that are recorded.
//!
//! ```text
//!  Workflowfile.yml ─ file ─► model::workflow ─ plan ─► model::plan (pinned by its hash)
//!                      │ diagnostic                        │
//!                      ▼                                   ▼
//!                 what is wrong, where     ┌── engine: one loop, taking turns ──────────┐
//!                                          │                                            │
//!      exits, signals, timers ── inbox ──► │ core::turn ─► store ─► report ─► exec      │
//!                                 ▲        │  (pure)      (first!)                      │
//!                                 │        └────────────────────────────────┬───────────┘
//!                                 └───────────── processes ◄────────────────┘
//! ```
//!
//! A run is an append-only list of facts ([`core::fact`]). All state is the fold of them ([`core::state`]), and everything
//! that is shown or done follows from that state. `docs/architecture.md` says where things go; what matters most:
//!
//! - [`core`] is pure: no clock, no I/O, no randomness. Time comes with each call.
//! - A fact is written before anything that depends on it happens, and never changed.
//! - The engine keeps no state of the run but the core's. What is to be done is derived ([`core::action`]), never stored.
//! - `exec` knows processes and no plan; `store` knows lines and no engine; `report` sees facts and state and nothing else.
//! - Only `report` writes to the terminal, only `engine::clock` reads the clock.
//! - Modules import in one direction only; `tests/layers.rs` holds them to it.

pub mod cli;
pub mod core;
pub mod diagnostic;
pub mod disk;
pub mod engine;
pub mod eval;
pub mod exec;
pub mod expr;
pub mod file;
pub mod incremental;
pub mod index;
pub mod lock;
pub mod model;
pub mod plan;
pub mod record;
pub mod report;
pub mod serve;
pub mod store;
pub mod suggest;
pub mod trigger;
pub mod watch;
