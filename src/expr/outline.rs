//! Where the values of a command stand in its script, as far as that can be said before anything is evaluated.

use std::collections::HashSet;
use std::ops::Range;

use minijinja::machinery::ast::{Expr, Stmt};

use super::check::{Checked, NameUse, Placed, path, template};
use super::eval::place;
use super::placing;

/// Reads the tree of a command: with where its values stand in the script, as far as that can be said beforehand.
pub(super) fn command(tree: &Stmt<'_>) -> Checked {
    let mut checked = template(tree);
    if checked.problems.is_empty() {
        // Values within both branches of an `if` are seen, each with its own side of all others.
        for side in [true, false] {
            let mut outline = Outline {
                side,
                ..Outline::default()
            };
            outline.statement(tree);
            outline.placed_into(&mut checked);
        }
    }
    checked
}

/// A command as the shell would see it, with a NUL for each value: with what is true in it, and with what is false.
pub(super) fn texts(tree: &Stmt<'_>) -> [Vec<u8>; 2] {
    [true, false].map(|side| {
        let mut outline = Outline {
            side,
            ..Outline::default()
        };
        outline.statement(tree);
        outline.text
    })
}

/// A command as the shell would see it, with a NUL for each value.
#[derive(Default)]
struct Outline {
    side: bool,
    text: Vec<u8>,
    values: Vec<Outlined>,
}

struct Outlined {
    span: Range<usize>,
    quoted: bool,
    alone: bool,
}

impl Outline {
    fn statement(&mut self, one: &Stmt<'_>) {
        match one {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitRaw(raw) => self.text.extend_from_slice(raw.raw.as_bytes()),
            Stmt::EmitExpr(emit) => self.value(&emit.expr),
            Stmt::IfCond(cond) => self.statements(match self.side {
                true => &cond.true_body,
                false => &cond.false_body,
            }),
            Stmt::ForLoop(each) => self.statements(&each.body),
            Stmt::WithBlock(with) => self.statements(&with.body),
            _ => {}
        }
    }

    fn statements(&mut self, all: &[Stmt<'_>]) {
        all.iter().for_each(|one| self.statement(one));
    }

    fn value(&mut self, expr: &Expr<'_>) {
        if let Expr::Const(text) = expr
            && let Some(text) = text.value.as_str()
        {
            return self.text.extend_from_slice(text.as_bytes());
        }
        self.text.push(0);
        self.values.push(Outlined {
            span: place(expr),
            quoted: matches!(expr, Expr::Filter(filter) if filter.name == "quote"),
            alone: path(expr).is_some(),
        });
    }

    fn placed_into(self, checked: &mut Checked) {
        let quoted: Vec<bool> = self.values.iter().map(|value| value.quoted).collect();
        let places = placing::places(&self.text, &quoted);
        let mut names: Vec<&NameUse> = checked.names.iter().filter(|read| read.flows).collect();
        names.sort_by_key(|read| read.span.start);
        let known: HashSet<Range<usize>> =
            checked.placed.iter().map(|one| one.span.clone()).collect();
        let mut placed = Vec::new();
        for (value, at) in self.values.into_iter().zip(places) {
            let span = value.span;
            let first = names.partition_point(|read| read.span.start < span.start);
            let within = names[first..]
                .iter()
                .take_while(|read| read.span.end <= span.end);
            let reads: Vec<NameUse> = within.map(|read| (*read).clone()).collect();
            let bare = value.alone && at.bare;
            let refused = at.refused.map(|problem| problem.at(span.clone()));
            if reads.is_empty() || refused.is_none() && !bare || known.contains(&span) {
                continue;
            }
            placed.push(Placed {
                span,
                reads,
                refused,
                bare,
            });
        }
        checked.placed.extend(placed);
    }
}
