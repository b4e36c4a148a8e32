//! What a process that runs for weeks says of itself, a line each time: for people, or as JSON for what collects logs.

use serde_json::{Map, Value};

use super::level::Level;
use super::screen;
use super::style::{Style, visible};
use crate::model::time::Timestamp;

/// Where it is said.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// As JSON objects.
    pub json: bool,
    /// How much is said.
    pub level: Level,
    /// The colours of stderr.
    pub style: Style,
}

impl Log {
    /// Says something, on stderr. `event` is a word that stays the same over versions; `words` are for people.
    pub fn say(
        &self,
        at: Timestamp,
        level: Level,
        event: &str,
        words: &str,
        fields: &[(&str, String)],
    ) {
        if !self.level.says(level) {
            return;
        }
        let line = if self.json {
            let text = |text: &str| Value::String(text.to_owned());
            let mut object = Map::new();
            object.insert("at".to_owned(), Value::String(at.to_string()));
            object.insert("level".to_owned(), text(level.word()));
            object.insert("event".to_owned(), text(event));
            object.insert("message".to_owned(), text(words));
            for (name, value) in fields {
                object.insert((*name).to_owned(), text(value));
            }
            format!("{}\n", Value::Object(object))
        } else {
            let (day, time) = at.local_precise();
            let words = visible(words).replace('\n', "\n    ");
            let words = match level {
                Level::Info | Level::Debug => words,
                Level::Warning => format!("warning: {words}"),
                Level::Error => self.style.bad(&format!("error: {words}")).into_owned(),
            };
            format!("{} {words}\n", self.style.dim(&format!("{day} {time}")))
        };
        // A log that nobody reads any more does not stop what it tells of.
        let _ = screen::print("", &line);
    }
}
