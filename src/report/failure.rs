//! What people need to know of a failure: what was run, how it ended, its last words, where it stands, how to run it again.

use std::path::Path;
use std::time::Duration;

use super::style::{cut, visible, visible_lines};
use super::{Again, Settings};
use crate::core::RunState;
use crate::core::fact::{Exit, Outcome};
use crate::model::id::NodeId;
use crate::model::language::Items;
use crate::model::plan::{About, Kind, as_typed_in_line};
use crate::model::time::human_fine;

/// A command that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its node.
    pub node: NodeId,
    /// How it ended.
    pub outcome: Outcome,
    /// What is known of its process.
    pub exit: Exit,
    /// How long it took.
    pub took: Duration,
    /// Its text as it was started, if anything in it was evaluated.
    pub evaluated: Option<Evaluated>,
}

/// A command as it was started.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Its text for people.
    pub command: String,
    /// Values with white space that stood in it as one word each.
    pub several_words: Vec<String>,
}

impl Failure {
    /// `failed: exit code 101 after 0.42s`, where the task is said already.
    pub fn remark(&self, settings: &Settings) -> String {
        let what = settings.style.bad(self.outcome.word()).into_owned();
        format!("{what}: {}", self.how())
    }

    /// `failed (ignored): exit code 3 after 12ms; 2 steps did not run`.
    pub fn ignored(&self, settings: &Settings, left: usize) -> String {
        let left = match left {
            0 => String::new(),
            1 => "; 1 step did not run".to_owned(),
            many => format!("; {many} steps did not run"),
        };
        let what = format!("{} (ignored)", self.outcome.word());
        format!("{}: {}{left}", settings.style.bad(&what), self.how())
    }

    /// `test failed: exit code 101 after 0.42s`.
    fn headline(&self, state: &RunState, settings: &Settings) -> String {
        let address = state.address(self.node);
        let task = format!("{}{}", address.task, address.items);
        let what = settings
            .style
            .bad(&format!("{task} {}", self.outcome.word()))
            .into_owned();
        format!("{what}: {}", self.how())
    }

    fn how(&self) -> String {
        match &self.exit.error {
            Some(error) => cut(error).into_owned(),
            None if self.outcome == Outcome::Lost => how(&self.exit),
            // Of a try that another follows it is not known.
            None if self.took.is_zero() => how(&self.exit),
            None => format!("{} after {}", how(&self.exit), human_fine(self.took)),
        }
    }

    /// The whole story, several lines without the last line's end; `tail` for its last lines too.
    pub fn story(&self, state: &RunState, settings: &Settings, tail: bool) -> String {
        let mut lines = vec![self.headline(state, settings)];
        let mut row = |name: &str, text: &str| {
            let mut parts = text.lines();
            lines.push(format!("  {name:8} {}", parts.next().unwrap_or_default()));
            lines.extend(parts.map(|part| format!("  {:8} {part}", "")));
        };
        let spec = state.spec(self.node);
        // What never began failed by what was asked before.
        let worked = state.node(self.node).worked;
        let asked = spec.ask.as_ref().and_then(|ask| ask.about.place());
        let work = match &spec.kind {
            Kind::Work(work) if worked || asked.is_none() => Some(work),
            _ => None,
        };
        let place = work.map(|work| work.place()).or(asked);
        if let Some(work) = work {
            let evaluated = self.evaluated.as_ref();
            let written = work.written();
            let command = evaluated.map_or(&*written, |evaluated| &evaluated.command);
            row("command", &visible_lines(command.trim_end()));
            if let Some(word) = super::bash::word_in(work, self.exit.exit_code) {
                let words = format!("`{word}` is no word of sh: write `shell: bash`");
                row("help", &words);
            }
            let said = self.exit.log.as_ref().map_or("", |log| &log.tail);
            if settings.terminal && !state.rules(self.node).interactive && wants_terminal(said) {
                let words = "it wants somebody to type, and its stdin is empty: `interactive: true` gives it the terminal";
                row("help", words);
            }
            for value in evaluated
                .into_iter()
                .flat_map(|evaluated| &evaluated.several_words)
            {
                row(
                    "note",
                    &visible(&format!(
                        "{value:?} from outside was one word; `| split` makes several of it"
                    )),
                );
            }
        }
        if let Some(place) = place {
            let files = &state.plan().surroundings.files;
            let file = files
                .get(place.file as usize)
                .map_or(&state.plan().file, |file| &file.path);
            let file = shown_path(file);
            row(
                "at",
                &format!("{}:{}:{}", visible(&file), place.line, place.column),
            );
        }
        let log = self.exit.log.as_ref();
        if let Some(log) = log.filter(|log| tail && !log.tail.is_empty()) {
            let quoted: Vec<String> = visible_lines(&log.tail)
                .lines()
                .map(|line| format!("| {line}"))
                .collect();
            row("output", &quoted.join("\n"));
        }
        if let Some(log) = log.filter(|log| !log.file.is_empty() && !settings.logs.is_empty()) {
            row("log", &visible(&format!("{}/{}", settings.logs, log.file)));
        }
        let again = match &settings.again {
            Again::Task { call, verbs } => {
                let tasks = callable(state, self.node);
                let run = tasks.first().is_some_and(|task| verbs.contains(task));
                let item = item_of(state, self.node).unwrap_or_default();
                let run = if run { "run " } else { "" };
                format!("{call}{run}{}{item}", tasks.join(" "))
            }
            Again::All(call) => call.clone(),
        };
        row("again", &cut(&again));
        lines.join("\n")
    }
}

/// The tasks whose call runs a node again: its own, or those that were asked for where its own is internal.
fn callable(state: &RunState, node: NodeId) -> Vec<&str> {
    let (root, name) = state.task_of(node);
    let plan = state.plan();
    let task = plan.node(root).task.as_deref();
    if task.is_some_and(|task| task.internal) {
        plan.asked_names()
    } else {
        vec![name]
    }
}

/// Whether the last words of a command are those of programs that wanted to ask somebody: that there is no terminal, that the input
/// was at its end, or a question that nobody answered.
fn wants_terminal(said: &str) -> bool {
    const SAID: [&str; 8] = [
        "not a tty",
        "not a terminal",
        "no tty present",
        "inappropriate ioctl for device",
        "eof when reading",
        "unexpected end of input",
        "cannot prompt",
        "non-interactive",
    ];
    let said = said.to_lowercase();
    let last = said.lines().next_back().unwrap_or_default().trim_end();
    let asked = !said.ends_with('\n') && last.ends_with(['?', ':']) || last.ends_with("[y/n]");
    asked || SAID.iter().any(|words| said.contains(words))
}

/// What picks the item that a node is of, as the end of a call: ` item=main.c`. None where its task is no loop that can be called, or the
/// names do not say which item it is.
fn item_of(state: &RunState, node: NodeId) -> Option<String> {
    let (root, _) = state.task_of(node);
    let plan = state.plan();
    let spec = plan.node(root);
    if spec.task.as_deref().is_none_or(|task| task.internal) {
        return None;
    }
    let Some(About::Items { items, name, .. }) = spec.ask.as_ref().map(|ask| &ask.about) else {
        return None;
    };
    let item = state.item_name_of(node)?;
    let clear = !item.is_empty() && !item.contains(['\\', '…', '#', '*']);
    let names: Vec<&str> = match items {
        Items::Matrix { axes, include, .. } if include.is_empty() => {
            axes.iter().map(|(name, _)| name.as_str()).collect()
        }
        Items::Matrix { .. } => return None,
        _ => vec![name],
    };
    let values: Vec<&str> = match names[..] {
        [_] => vec![item],
        _ => item.split(", ").collect(),
    };
    let words = names.iter().zip(&values);
    let words = words.map(|(name, value)| format!(" {name}={}", as_typed_in_line(value)));
    (clear && names.len() == values.len()).then(|| words.collect())
}

/// How a process ended, for people.
fn how(exit: &Exit) -> String {
    match exit {
        Exit {
            signal: Some(signal),
            ..
        } => match signal_hook::low_level::signal_name(*signal) {
            Some(name) => format!("killed by {name}"),
            None => format!("killed by signal {signal}"),
        },
        Exit {
            exit_code: Some(code),
            ..
        } => format!("exit code {code}{}", meaning(*code)),
        // Nobody was there to see it.
        _ => "flow was killed while it ran".to_owned(),
    }
}

/// Exit codes that shells give a meaning (POSIX, "Exit Status for Commands").
const fn meaning(code: i32) -> &'static str {
    match code {
        126 => " (it can't be executed)",
        127 => " (command not found)",
        _ => "",
    }
}

/// A folder as it is shown: one above as `..`, else as any path.
pub fn folder_from_here(folder: &std::path::Path) -> String {
    let current = std::env::current_dir().ok();
    let above = current.and_then(|current| {
        let steps = current.ancestors().position(|above| above == folder)?;
        Some(vec![".."; steps].join("/"))
    });
    match above {
        Some(here) if here.is_empty() => ".".to_owned(),
        Some(above) => above,
        None => shown_path(folder),
    }
}

/// A path as people would write it here: relative to the current folder when it is below it.
pub fn shown_path(path: &std::path::Path) -> String {
    let current = std::env::current_dir().ok();
    let below = current.and_then(|folder| {
        path.strip_prefix(folder)
            .ok()
            .map(std::path::Path::to_owned)
    });
    let shown = below.as_deref().unwrap_or(path);
    // The current folder itself.
    let here = shown.as_os_str().is_empty();
    let shown = if here { Path::new(".") } else { shown };
    shown.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::wants_terminal;

    #[test]
    fn who_wanted_to_ask_somebody_is_known_by_its_words() {
        for said in [
            "EOFError: EOF when reading a line\n",
            "the input device is not a TTY\n",
            "Name: ",
            "Overwrite? [y/N]",
            "stty: standard input: Inappropriate ioctl for device\n",
        ] {
            assert!(wants_terminal(said), "{said}");
        }
        for said in ["", "error: no such file\n", "errors:\n", "why?\n"] {
            assert!(!wants_terminal(said), "{said}");
        }
    }
}
