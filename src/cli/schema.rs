//! `flow schema`.

use clap::Args;

use super::context::Context;
use super::verb::Verb;
use super::{Exit, Trouble};

/// Print the JSON Schema of a Workflowfile, for editors
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {}

impl Verb for SchemaArgs {
    const NAME: &'static str = "schema";

    fn call(&self, _: &Context) -> Result<Exit, Trouble> {
        super::show(&format!("{:#}\n", crate::file::schema::schema()))
    }
}
