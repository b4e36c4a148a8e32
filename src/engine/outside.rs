//! The world as values see it: files that are there, commands that are run, secrets that are hidden.

use std::io;
use std::path::Path;

use crate::eval::outside::{Command, NoOutput, Outside};
use crate::exec::helper::Helpers;
use crate::exec::mask::Secrets;

/// The world; one that runs nothing for a dry run.
#[derive(Debug)]
pub struct World {
    helpers: Option<Helpers>,
    secrets: Secrets,
}

impl World {
    /// As it is.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            helpers: Some(Helpers::default()),
            secrets,
        }
    }

    /// Files can be read, nothing is run.
    pub fn at_rest(secrets: Secrets) -> Self {
        Self {
            helpers: None,
            secrets,
        }
    }
}

impl Outside for World {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput> {
        let Some(helpers) = &self.helpers else {
            return Err(NoOutput::NotNow);
        };
        let env = command.env.iter().chain(&command.script.env).cloned();
        helpers
            .output(&command.script.text, command.dir, env)
            .map_err(NoOutput::Failed)
    }

    fn succeeds(&self, command: &Command<'_>) -> Result<bool, NoOutput> {
        let Some(helpers) = &self.helpers else {
            return Err(NoOutput::NotNow);
        };
        let env = command.env.iter().chain(&command.script.env).cloned();
        helpers
            .succeeds(&command.script.text, command.dir, env)
            .map_err(NoOutput::Failed)
    }

    fn rests(&self) -> bool {
        self.helpers.is_none()
    }

    fn cpus(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn hide(&self, secret: &[u8]) {
        self.secrets.add(secret);
    }

    fn hidden(&self, text: &str) -> String {
        self.secrets.masked(text)
    }

    fn stop(&self) {
        if let Some(helpers) = &self.helpers {
            helpers.stop();
        }
    }
}
