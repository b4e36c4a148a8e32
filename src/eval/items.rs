//! What the items of a loop are called, and which of them were asked for.

use std::collections::HashMap;

use super::results::Outputs;
use super::{problem, written};
use crate::expr::{Problem, Value};
use crate::model::listed::listed;

/// The name under which an item knows its number among all items, where only some of them were asked for.
pub(super) const INDEX: &str = "index";

/// The kind of mistake that it is to ask for an item that is not there.
pub const NO_SUCH_ITEM: &str = "no-such-item";

/// Longer names are cut, in characters.
const NAME_LENGTH_MAX: usize = 60;

/// How many of the items there are an error lists.
const LISTED_MAX: usize = 20;

/// What tells an item from the others, whole: its value, or those of a matrix.
pub(super) fn value(item: &Outputs, between: &str) -> String {
    let values = item.iter().filter(|(name, _)| name != INDEX);
    let texts: Vec<String> = values.map(|(_, value)| written(value)).collect();
    texts.join(between)
}

/// What people call the items: their values in one line that is not too long; of those with the same name the second is `a #2`.
pub(super) fn names(items: &[Outputs], hidden: impl Fn(&str) -> String) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let name = |item| {
        let mut name = in_a_line(&hidden(&value(item, ", ")));
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            name.push_str(&format!(" #{count}"));
        }
        name
    };
    items.iter().map(name).collect()
}

fn in_a_line(text: &str) -> String {
    let mut line = String::new();
    for (at, char) in text.chars().enumerate() {
        if at == NAME_LENGTH_MAX {
            line.push('…');
            break;
        }
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

/// The items that have these values, each with its number among all.
pub(super) fn only(
    items: Vec<Outputs>,
    asked: &[(String, String)],
) -> Result<Vec<Outputs>, Problem> {
    if asked.is_empty() {
        return Ok(items);
    }
    let has = |item: &Outputs, name: &str, text: &str| {
        item.iter()
            .any(|(known, value)| known == name && written(value) == text)
    };
    let is_asked = |item: &Outputs| asked.iter().all(|(name, text)| has(item, name, text));
    let names = names(&items, str::to_owned);
    let numbered = (0_i64..).zip(items);
    let some: Vec<Outputs> = numbered
        .filter(|(_, item)| is_asked(item))
        .map(|(number, mut item)| {
            item.push((INDEX.to_owned(), Value::Int(number)));
            item
        })
        .collect();
    if !some.is_empty() {
        return Ok(some);
    }
    let asked: Vec<String> = asked
        .iter()
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    let count = names.len();
    let shown = names.into_iter().take(LISTED_MAX).map(bracketed);
    let more = (count > LISTED_MAX).then(|| format!("{} more", count - LISTED_MAX));
    Err(problem(
        NO_SUCH_ITEM,
        format!("no item has {}", asked.join(" ")),
        Some(match count {
            0 => "there are no items".to_owned(),
            _ => format!("there are: {}", listed(shown.chain(more))),
        }),
    ))
}

/// A name of several values does not run into the next.
fn bracketed(name: String) -> String {
    if name.contains(", ") {
        format!("({name})")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(values: &[&str]) -> Outputs {
        let named = |value: &&str| ("item".to_owned(), Value::code(*value));
        values.iter().map(named).collect()
    }

    #[test]
    fn names_are_one_line_and_tell_the_items_apart() {
        let long = "x".repeat(100);
        let items = [&["a"][..], &["b\nc"], &["a"], &["linux", "x64"], &[&long]].map(item);
        let names = names(&items, str::to_owned);
        assert_eq!(names[..4], ["a", "b\\nc", "a #2", "linux, x64"]);
        assert_eq!(names[4].chars().count(), NAME_LENGTH_MAX + 1);
    }

    #[test]
    fn an_item_that_was_asked_for_keeps_its_number() {
        let items = vec![item(&["a"]), item(&["b"])];
        let asked = |text: &str| vec![("item".to_owned(), text.to_owned())];
        let some = only(items.clone(), &asked("b")).expect("there is such an item");
        assert_eq!(some.len(), 1);
        assert_eq!(some[0][1].0, INDEX);
        assert_eq!(written(&some[0][1].1), "1");
        assert_eq!(names(&some, str::to_owned), ["b"]);
        let wrong = only(items, &asked("c")).expect_err("there is none");
        assert!(wrong.help.is_some_and(|help| help == "there are: a, b"),);
    }
}
