//! A YAML document as a tree whose nodes know their bytes, and the walk over it that can't be made to run for ever.
//!
//! An alias is a reference to its anchored node, never a copy, so a tree is as large as its text. What could still
//! explode is *walking* it; so every step below an alias, and every entry that a merge key brings in, is counted by
//! [`Walk`]. This file knows neither the YAML parser nor what a Workflowfile means.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// How many nodes may be reached through aliases and merge keys in one walk.
pub const ALIASED_MAX: usize = 10_000;

/// The number of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(super) u32);

/// A document.
#[derive(Clone, Debug, Default)]
pub struct Tree<'t> {
    pub(super) text: &'t str,
    pub(super) nodes: Vec<Node<'t>>,
    pub(super) tags: HashMap<NodeId, Tag>,
    pub(super) root: Option<NodeId>,
}

/// A node with the bytes it stands on.
#[derive(Clone, Debug)]
pub struct Node<'t> {
    pub(super) start: u32,
    pub(super) end: u32,
    /// What it is.
    pub kind: Kind<'t>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind<'t> {
    /// A text, number, boolean or null.
    Scalar(Scalar<'t>),
    /// Its items.
    List(Vec<NodeId>),
    /// Its entries as written, merge keys included; a key is a scalar, or an alias of one.
    Map(Vec<(NodeId, NodeId)>),
    /// A reference to an anchored node.
    Alias(NodeId),
    /// Something that was reported and should not be looked at again.
    Broken,
}

/// A scalar: its text after escapes and folding, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar<'t> {
    /// The decoded text; empty for a value that was left out.
    pub text: Cow<'t, str>,
    /// How it was written.
    pub style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`
    Single,
    /// `"…"`
    Double,
    /// A block after `|`.
    Literal,
    /// A block after `>`.
    Folded,
}

/// An explicit tag of the core schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `!!str`, or the bare `!`.
    Str,
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!seq`
    Seq,
    /// `!!map`
    Map,
}

/// What a scalar stands for in the YAML 1.2 core schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved {
    /// Null, or nothing at all.
    Null,
    /// `true` or `false`; `yes`, `no`, `on` and `off` are texts.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str,
}

impl<'t> Tree<'t> {
    /// The top node; none for an empty document, and after a syntax error.
    pub fn root(&self) -> Option<At> {
        self.root.map(|node| At { node, alias: None })
    }

    /// The text it was read from, which all spans refer to.
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// How many nodes it has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it has no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node as it was written: an alias is not followed.
    pub fn node(&self, id: NodeId) -> &Node<'t> {
        &self.nodes[id.0 as usize]
    }

    /// The bytes of a node: quotes included, the header of a block scalar not.
    pub fn span(&self, id: NodeId) -> Range<usize> {
        let node = self.node(id);
        node.start as usize..node.end as usize
    }

    /// The explicit tag of a node.
    pub fn tag(&self, id: NodeId) -> Option<Tag> {
        self.tags.get(&id).copied()
    }

    /// The node itself, or the one that it is an alias of.
    pub fn target(&self, id: NodeId) -> NodeId {
        match self.node(id).kind {
            Kind::Alias(target) => target,
            _ => id,
        }
    }

    /// The scalar that this node is or is an alias of.
    pub fn scalar(&self, id: NodeId) -> Option<&Scalar<'t>> {
        match &self.node(self.target(id)).kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// What a scalar stands for; [`Resolved::Str`] for anything else.
    pub fn resolve(&self, id: NodeId) -> Resolved {
        let id = self.target(id);
        let Some(scalar) = self.scalar(id) else {
            return Resolved::Str;
        };
        match self.tag(id) {
            Some(Tag::Str) => Resolved::Str,
            None if scalar.style != Style::Plain => Resolved::Str,
            _ => resolve(&scalar.text),
        }
    }

    /// Whether this key is the merge key `<<`.
    pub(super) fn is_merge(&self, key: NodeId) -> bool {
        matches!(&self.node(key).kind, Kind::Scalar(s) if s.style == Style::Plain && s.text == "<<")
            && self.tag(key).is_none()
    }
}

/// The core schema of YAML 1.2 for a plain scalar.
pub fn resolve(text: &str) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        _ => number(text).unwrap_or(Resolved::Str),
    }
}

fn number(text: &str) -> Option<Resolved> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        b'.' | b'0'..=b'9' => (1.0, text),
        _ => return None,
    };
    if digits.len() == text.len()
        && let Some(based) = based(text)
    {
        return Some(based);
    }
    match digits {
        ".inf" | ".Inf" | ".INF" => Some(Resolved::Float(sign * f64::INFINITY)),
        _ if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() => {
            // `parse` takes the sign and the leading zeros as the schema does.
            text.parse()
                .map(Resolved::Int)
                .or_else(|_| text.parse().map(Resolved::Float))
                .ok()
        }
        _ if is_float(digits) => text.parse().ok().map(Resolved::Float),
        _ => None,
    }
}

/// `0o17` and `0x1f`.
fn based(text: &str) -> Option<Resolved> {
    let (base, digits) = match text.get(..2)? {
        "0o" => (8, &text[2..]),
        "0x" => (16, &text[2..]),
        _ => return None,
    };
    let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    let large = || {
        digits
            .chars()
            .filter_map(|c| c.to_digit(base))
            .fold(0.0, |n, d| n * f64::from(base) + f64::from(d))
    };
    valid.then(|| {
        i64::from_str_radix(digits, base).map_or_else(|_| Resolved::Float(large()), Resolved::Int)
    })
}

/// `[0-9]*(\.[0-9]*)?([eE][-+]?[0-9]+)?` with at least one digit before the exponent.
fn is_float(digits: &str) -> bool {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let some = !(whole.is_empty() && fraction.is_empty());
    some && all_digits(whole)
        && all_digits(fraction)
        && !exponent.is_empty()
        && all_digits(exponent)
}

/// A node as a walk reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The node, which may be an alias itself.
    pub node: NodeId,
    /// The first alias on the way to it.
    pub alias: Option<NodeId>,
}

/// What a walk finds at a node; aliases are followed and merge keys are resolved.
#[derive(Clone, Debug)]
pub enum Value<'w, 't> {
    /// A scalar.
    Scalar(&'w Scalar<'t>),
    /// The items of a list.
    List(Vec<At>),
    /// The entries of a map: its own in the order written, then the merged ones that it doesn't have.
    Map(Vec<Entry>),
    /// Reported already, or beyond what may be reached through aliases: nothing to say here.
    Nothing,
}

/// A key with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key, a scalar.
    pub key: At,
    /// The value.
    pub value: At,
}

/// A way through a tree that counts what it reaches through aliases.
#[derive(Clone, Debug)]
pub struct Walk<'w, 't> {
    tree: &'w Tree<'t>,
    left: usize,
    stopped: Option<NodeId>,
}

impl<'w, 't> Walk<'w, 't> {
    /// A walk with the whole budget.
    pub fn new(tree: &'w Tree<'t>) -> Self {
        Self {
            tree,
            left: ALIASED_MAX,
            stopped: None,
        }
    }

    /// The tree that is walked.
    pub fn tree(&self) -> &'w Tree<'t> {
        self.tree
    }

    /// The alias below which the budget ran out.
    pub fn stopped(&self) -> Option<NodeId> {
        self.stopped
    }

    /// Looks at a node.
    pub fn open(&mut self, at: At) -> Value<'w, 't> {
        let at = self.follow(at);
        match &self.tree.node(at.node).kind {
            Kind::Scalar(scalar) => Value::Scalar(scalar),
            Kind::List(items) if self.spend(at.alias, items.len()) => {
                Value::List(items.iter().map(|node| At { node: *node, ..at }).collect())
            }
            Kind::Map(pairs) if self.spend(at.alias, pairs.len()) => self.entries(at, pairs),
            _ => Value::Nothing,
        }
    }

    /// The node that this stands for, with the alias noted.
    pub fn follow(&self, at: At) -> At {
        match self.tree.node(at.node).kind {
            Kind::Alias(node) => At {
                node,
                alias: at.alias.or(Some(at.node)),
            },
            _ => at,
        }
    }

    fn spend(&mut self, alias: Option<NodeId>, nodes: usize) -> bool {
        let Some(alias) = alias else { return true };
        if self.stopped.is_none() && nodes <= self.left {
            self.left -= nodes;
            return true;
        }
        self.stopped.get_or_insert(alias);
        false
    }

    fn entries(&mut self, at: At, pairs: &'w [(NodeId, NodeId)]) -> Value<'w, 't> {
        let mut entries: Vec<Entry> = Vec::with_capacity(pairs.len());
        let mut merged = Vec::new();
        self.take_pairs(at, pairs, &mut merged, |entry| entries.push(entry));
        if !merged.is_empty() {
            self.merge(merged, &mut entries);
        }
        Value::Map(entries)
    }

    /// Hands over the plain pairs of a map, and notes the maps that it merges, the first one last.
    fn take_pairs(
        &self,
        at: At,
        pairs: &[(NodeId, NodeId)],
        merged: &mut Vec<At>,
        mut take: impl FnMut(Entry),
    ) {
        for (key, value) in pairs {
            let [key, value] = [*key, *value].map(|node| At { node, ..at });
            match self.tree.is_merge(key.node) {
                true => self.merge_sources(value, merged),
                false => take(Entry { key, value }),
            }
        }
    }

    fn merge_sources(&self, value: At, merged: &mut Vec<At>) {
        let value = self.follow(value);
        match &self.tree.node(value.node).kind {
            Kind::List(items) => merged.extend(items.iter().rev().map(|node| {
                self.follow(At {
                    node: *node,
                    ..value
                })
            })),
            _ => merged.push(value),
        }
    }

    /// Adds what the merged maps have and the map itself doesn't; what comes first wins.
    fn merge(&mut self, mut merged: Vec<At>, entries: &mut Vec<Entry>) {
        let tree = self.tree;
        let name = |entry: &Entry| {
            tree.scalar(entry.key.node)
                .map(|scalar| scalar.text.as_ref())
        };
        let mut names: HashSet<Option<&str>> = entries.iter().map(name).collect();
        while let Some(at) = merged.pop() {
            let Kind::Map(pairs) = &tree.node(at.node).kind else {
                continue;
            };
            // Also counted without an alias in between, for the nodes that a list of merges repeats.
            if !self.spend(at.alias.or(Some(at.node)), 1 + pairs.len()) {
                return;
            }
            self.take_pairs(at, pairs, &mut merged, |entry| {
                if names.insert(name(&entry)) {
                    entries.push(entry);
                }
            });
        }
    }
}
