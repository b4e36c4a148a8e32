//! The lines of a trigger in a file of `schedules/`. What people wrote around them stays as it is.

use crate::model::language::Trigger;

/// A line of a trigger: a key and its value, as they are written.
pub(super) type Line = (&'static str, String);

/// A file with this trigger alone.
pub(super) fn new(name: &str, lines: &[Line]) -> String {
    let lines = lines.iter();
    let lines: String = lines
        .map(|(key, value)| format!("    {key}: {value}\n"))
        .collect();
    format!("triggers:\n  {name}:\n{lines}")
}

/// The text without a trigger; `None` when its lines can't be told from others.
pub(super) fn remove(text: &str, trigger: &Trigger) -> Option<String> {
    let block = block(text, trigger)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    Some(
        [&lines[..block.start], &lines[block.end..]]
            .concat()
            .concat(),
    )
}

/// A text in double quotes, which YAML reads as JSON does.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.trim().to_owned()).to_string()
}

/// A word without quotes where YAML needs none.
pub(super) fn plain(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(fits);
    let taken = ["true", "false", "null"].contains(&text.to_ascii_lowercase().as_str());
    let span = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
        && !text.contains(['e', 'E', 'x', 'X', 'o']);
    if (word && !taken) || span {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// The lines of a trigger in its file, by their numbers; `None` when they are not lines of its own.
fn block(text: &str, trigger: &Trigger) -> Option<std::ops::Range<usize>> {
    let lines: Vec<&str> = text.lines().collect();
    let start = usize::try_from(trigger.place.line).ok()?.checked_sub(1)?;
    let first = lines.get(start)?;
    let key = first.trim_start().trim_matches(['"', '\'']);
    let own = indent(first) + 1 == usize::try_from(trigger.place.column).ok()?;
    let rest = key
        .strip_prefix(&trigger.name)?
        .trim_start_matches(['"', '\'']);
    let rest = rest.strip_prefix(':')?.trim();
    if !own || !(rest.is_empty() || rest.starts_with('#')) {
        return None;
    }
    let deeper = |line: &&str| indent(line) > indent(first);
    let mut end = start + 1;
    for (number, line) in lines.iter().enumerate().skip(start + 1) {
        if line.trim().is_empty() {
            continue;
        }
        if !deeper(line) {
            break;
        }
        end = number + 1;
    }
    Some(start..end)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The text with other lines for a trigger; comments stay where they are. `None` when its lines can't be told from others.
pub(super) fn edit(text: &str, trigger: &Trigger, lines: &[Line]) -> Option<String> {
    if text.contains('\r') {
        return None;
    }
    let block = block(text, trigger)?;
    let mut all: Vec<String> = text.lines().map(str::to_owned).collect();
    let inner = (block.start + 1..block.end)
        .map(|number| &all[number])
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'))
        .map(|line| indent(line))
        .next()?;
    let is_when = |key: &str| matches!(key, "cron" | "every" | "at" | "watch");
    let mut end = block.end;
    for (key, value) in lines {
        let found = (block.start + 1..end).find(|number| {
            let line = &all[*number];
            let written = line.trim_start().split(':').next().unwrap_or_default();
            indent(line) == inner && (written == *key || is_when(written) && is_when(key))
        });
        match found {
            Some(number) => {
                let line = all[number].clone();
                let comment = comment(&line).unwrap_or_default();
                let (_, written) = line.split_once(':')?;
                if written.trim_start().is_empty() || written == comment {
                    // What it says stands in the lines below.
                    return None;
                }
                all[number] = format!("{}{key}: {value}{comment}", " ".repeat(inner));
            }
            None => {
                all.insert(end, format!("{}{key}: {value}", " ".repeat(inner)));
                end += 1;
            }
        }
    }
    let mut text = all.join("\n");
    text.push('\n');
    Some(text)
}

/// The comment at the end of a line, with the space before it.
fn comment(line: &str) -> Option<&str> {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '#' && before.is_whitespace() => {
                let start = line[..at].trim_end().len();
                return Some(&line[start..]);
            }
            None => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::language::{CatchUp, Overlap, Place, When};
    use std::time::Duration;

    fn at(line: u32, column: u32) -> Trigger {
        Trigger {
            name: "nightly".to_owned(),
            place: Place {
                file: 0,
                line,
                column,
            },
            desc: None,
            when: When::Every(Duration::from_secs(60)),
            run: "backup".to_owned(),
            values: Vec::new(),
            overlap: Overlap::Skip,
            catch_up: CatchUp::Last,
            jitter: Duration::ZERO,
            enabled: true,
        }
    }

    const TEXT: &str = "# ours\ntriggers:\n  other: {every: 1h, run: x} # \"kept\"\n\n  # the night\n  'nightly':   # each\n\n      # when\n      cron: \"0 # 2\"   # two\n      desc: |\n        long\n      run: backup\n  # after\n  last: {every: 1h, run: x}\n";

    #[test]
    fn other_lines_stay() {
        let trigger = at(6, 3);
        let lines = [("every", "5m".to_owned()), ("overlap", "queue".to_owned())];
        let edited = edit(TEXT, &trigger, &lines).expect("it can be");
        let wanted = TEXT
            .replace("cron: \"0 # 2\"   # two", "every: 5m   # two")
            .replace(
                "      run: backup\n",
                "      run: backup\n      overlap: queue\n",
            );
        assert_eq!(edited, wanted);
        let removed = remove(TEXT, &trigger).expect("it can be");
        assert!(
            removed.starts_with("# ours\ntriggers:\n  other:")
                && removed.contains("  # after\n  last:")
        );
        assert!(!removed.contains("backup") && removed.contains("# the night"));
    }

    #[test]
    fn what_is_not_a_key_a_line_is_left_alone() {
        let lines = [("vars", "{a: \"1\"}".to_owned())];
        for (text, trigger) in [
            ("triggers: {nightly: {every: 1h, run: x}}\n", at(1, 12)),
            ("triggers:\n  nightly: {every: 1h, run: x}\n", at(2, 3)),
            ("triggers:\n  nightly: &it\n    every: 1h\n", at(2, 3)),
            ("triggers:\n  nightly:\n    vars:\n      b: 1\n", at(2, 3)),
            (
                "triggers:\n  nightly:\n    vars: # some\n      b: 1\n",
                at(2, 3),
            ),
            ("triggers:\r\n  nightly:\r\n    vars: {b: 1}\r\n", at(2, 3)),
            ("triggers:\n  nightly:\n", at(9, 3)),
            ("triggers:\n  nightlyx:\n    every: 1h\n", at(2, 3)),
        ] {
            assert_eq!(edit(text, &trigger, &lines), None, "{text}");
        }
    }

    #[test]
    fn values_are_quoted_where_they_must_be() {
        for word in ["backup", "10s", "1h30m", "Europe/Berlin", "a_b-c.d"] {
            assert_eq!(plain(word), word);
        }
        for word in [
            "true", "Null", "10", "1e5s", "0x1s", "a b", "a:b", "", "-x", "#x", "é",
        ] {
            assert_eq!(plain(word), format!("{word:?}"));
        }
    }
}
