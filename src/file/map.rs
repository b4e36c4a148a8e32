//! What is wrong with the keys of a map, whatever the map is for: keys that stand twice, keys that are no text, merge
//! keys without a map.
//!
//! It sees one map of the tree at a time and refuses to know which keys mean something.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::syntax;
use super::tree::{Kind, NodeId, Tree};
use crate::diagnostic::Diagnostic;

/// What a look at a map found.
#[derive(Default)]
pub(super) struct Wrong {
    pub(super) found: Vec<Diagnostic>,
    /// Whether the map as a whole is not what its author meant.
    pub(super) senseless: bool,
}

/// Looks at the keys of a map whose keys and values are complete.
pub(super) fn check(tree: &Tree, id: NodeId) -> Wrong {
    let Kind::Map(pairs) = &tree.node(id).kind else {
        return Wrong::default();
    };
    if is_template(tree, id, pairs) {
        return Wrong {
            found: vec![syntax::unquoted_braces(tree.text(), tree.span(id))],
            senseless: true,
        };
    }
    let mut found: Vec<Diagnostic> = pairs
        .iter()
        .filter_map(|(key, value)| {
            wrong_key(tree, *key).or_else(|| wrong_merge(tree, *key, *value))
        })
        .collect();
    // Nothing more is said about a map whose keys can't be read.
    let senseless = pairs.iter().any(|(key, _)| tree.scalar(*key).is_none());
    duplicates(tree, pairs, &mut found);
    Wrong { found, senseless }
}

/// `{{ x }}` without quotes is a map whose key is a map.
fn is_template(tree: &Tree, id: NodeId, pairs: &[(NodeId, NodeId)]) -> bool {
    let start = tree.span(id).start;
    let braces = tree
        .text()
        .get(start..)
        .is_some_and(|rest| rest.starts_with("{{"));
    braces
        && pairs
            .iter()
            .any(|(key, _)| tree.span(*key).start == start + 1 && tree.scalar(*key).is_none())
}

fn wrong_key(tree: &Tree, key: NodeId) -> Option<Diagnostic> {
    let kind = &tree.node(tree.target(key)).kind;
    let what = match kind {
        Kind::List(_) => "a list",
        Kind::Map(_) => "a map",
        _ => return None,
    };
    let message = format!("a key is a text, but this one is {what}");
    Some(
        Diagnostic::error("complex-key", message)
            .at(tree.span(key), "")
            .help("quote it if it is meant as text"),
    )
}

fn wrong_merge(tree: &Tree, key: NodeId, value: NodeId) -> Option<Diagnostic> {
    if !tree.is_merge(key) {
        return None;
    }
    let is_map =
        |id: NodeId| matches!(tree.node(tree.target(id)).kind, Kind::Map(_) | Kind::Broken);
    let wrong = match &tree.node(tree.target(value)).kind {
        Kind::List(items) => *items.iter().find(|item| !is_map(**item))?,
        _ if is_map(value) => return None,
        _ => value,
    };
    let message = "the merge key '<<' takes a map, or a list of maps";
    let help = "write '<<: *name', with '&name' at the map that is to be merged";
    Some(
        Diagnostic::error("merge-not-a-map", message)
            .at(tree.span(wrong), "this is neither")
            .help(help),
    )
}

fn duplicates(tree: &Tree, pairs: &[(NodeId, NodeId)], found: &mut Vec<Diagnostic>) {
    let mut first: HashMap<&str, NodeId> = HashMap::with_capacity(pairs.len());
    for (key, _) in pairs {
        let Some(scalar) = tree.scalar(*key) else {
            continue;
        };
        match first.entry(&scalar.text) {
            Entry::Vacant(place) => drop(place.insert(*key)),
            Entry::Occupied(place) => found.push(duplicate(tree, &scalar.text, *place.get(), *key)),
        }
    }
}

fn duplicate(tree: &Tree, name: &str, first: NodeId, again: NodeId) -> Diagnostic {
    let help = if name == "<<" {
        "write one '<<' with a list: '<<: [*a, *b]'"
    } else {
        "remove or rename one of them"
    };
    Diagnostic::error(
        "duplicate-key",
        format!("the key '{name}' stands twice in this map"),
    )
    .at(tree.span(again), "again here")
    .at(tree.span(first), "first here")
    .help(help)
}
