//! The text of a case: `tests/cases/README.md` explains it. What is read can be printed again, letter by letter.

use super::matching::Expected;

/// Stands after the last line of an output that has no line's end there.
pub const NO_NEWLINE: &str = "\\ no newline at the end";

/// A line of a case, or a section with its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A comment or an empty line.
    Remark(String),
    /// `$ flow build`: what the shell runs.
    Command(String),
    /// `exit 1`
    Exit(i32),
    /// `env NAME=VALUE`
    Env(String, String),
    /// `no file NAME`
    NoFile(String),
    /// A head with the lines below it.
    Section(Head, Vec<Expected>),
}

/// What a section is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A script that runs before the first command.
    Setup,
    /// What a command reads.
    Stdin,
    /// What it prints.
    Stdout,
    /// What it says.
    Stderr,
    /// What is recorded of the runs that it began.
    Facts,
    /// What is in a file afterwards.
    File(String),
}

impl Head {
    fn parse(line: &str) -> Option<Self> {
        Some(match line {
            "setup" => Self::Setup,
            "stdin" => Self::Stdin,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            "facts" => Self::Facts,
            other => Self::File(other.strip_prefix("file ")?.to_owned()),
        })
    }

    /// The head as it is written.
    pub fn text(&self) -> String {
        match self {
            Self::Setup => "setup".to_owned(),
            Self::Stdin => "stdin".to_owned(),
            Self::Stdout => "stdout".to_owned(),
            Self::Stderr => "stderr".to_owned(),
            Self::Facts => "facts".to_owned(),
            Self::File(name) => format!("file {name}"),
        }
    }
}

/// Reads a case; the error names the line that nobody understands.
pub fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match (body(line), items.last_mut()) {
            (Some(part), Some(Item::Section(_, lines))) => lines.push(part),
            (Some(_), _) => return Err(format!("line {number} belongs to no section: {line}")),
            (None, _) => items.push(
                item(line).ok_or_else(|| format!("line {number} can't be understood: {line}"))?,
            ),
        }
    }
    Ok(items)
}

/// A line of a section.
fn body(line: &str) -> Option<Expected> {
    let after = |sign: &str| {
        let rest = line.strip_prefix(sign)?;
        (rest.is_empty() || rest.starts_with(' ')).then(|| rest.get(1..).unwrap_or("").to_owned())
    };
    if line == "..." {
        return Some(Expected::Rest);
    }
    if line == NO_NEWLINE {
        return Some(Expected::Line(line.to_owned()));
    }
    let line = after("|").map(Expected::Line);
    line.or_else(|| after("~").map(Expected::Unordered))
}

fn item(line: &str) -> Option<Item> {
    if line.is_empty() || line.starts_with('#') {
        return Some(Item::Remark(line.to_owned()));
    }
    if let Some(command) = line.strip_prefix("$ ") {
        return Some(Item::Command(command.to_owned()));
    }
    if let Some(code) = line.strip_prefix("exit ") {
        return Some(Item::Exit(code.parse().ok()?));
    }
    if let Some((name, value)) = line
        .strip_prefix("env ")
        .and_then(|rest| rest.split_once('='))
    {
        return Some(Item::Env(name.to_owned(), value.to_owned()));
    }
    if let Some(name) = line.strip_prefix("no file ") {
        return Some(Item::NoFile(name.to_owned()));
    }
    Head::parse(line).map(|head| Item::Section(head, Vec::new()))
}

/// The text of a case.
pub fn print(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(&match item {
            Item::Remark(line) => line.clone(),
            Item::Command(command) => format!("$ {command}"),
            Item::Exit(code) => format!("exit {code}"),
            Item::Env(name, value) => format!("env {name}={value}"),
            Item::NoFile(name) => format!("no file {name}"),
            Item::Section(head, lines) => {
                let lines: String = lines
                    .iter()
                    .map(|line| format!("\n{}", written(line)))
                    .collect();
                head.text() + &lines
            }
        });
        text.push('\n');
    }
    text
}

/// An expected line as it is written.
pub fn written(line: &Expected) -> String {
    match line {
        Expected::Line(text) if text == NO_NEWLINE => text.clone(),
        Expected::Line(text) if text.is_empty() => "|".to_owned(),
        Expected::Line(text) => format!("| {text}"),
        Expected::Unordered(text) => format!("~ {text}"),
        Expected::Rest => "...".to_owned(),
    }
}

/// The lines of a section that is given to a program.
pub fn given(lines: &[Expected]) -> String {
    let mut text = String::new();
    for line in lines {
        match line {
            Expected::Line(line) if line == NO_NEWLINE => drop(text.pop()),
            Expected::Line(line) => text.push_str(&format!("{line}\n")),
            Expected::Unordered(_) | Expected::Rest => {}
        }
    }
    text
}
