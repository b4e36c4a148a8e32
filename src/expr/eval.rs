//! Evaluates the tree of a template: a walk that ends, and in which every piece of text knows whether it is code.
//!
//! It knows names only as they are looked up, and not what becomes of the result.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use minijinja::machinery::ast::{
    BinOpKind, CallArg, CompareOpKind, Expr, Filter, ForLoop, Slice, Stmt, UnaryOpKind,
};

use super::fuel::Fuel;
use super::jinja::{Arguments, literal, range};
use super::text::{Origin, Part, Written};
use super::{Names, Problem, Value, filters, jinja, ops};

/// How deep expressions and blocks may stand in each other.
pub(super) const WALK_DEPTH_MAX: usize = 160;

/// What the walk has at hand.
pub(super) struct Evaluator<'s> {
    scope: &'s dyn Names,
    pub(super) fuel: Fuel,
    looked_up: HashMap<String, Value>,
    frames: Vec<Frame>,
    depth: usize,
    /// Secrets that have become code, numbers or names of members, so that they can still be masked.
    pub(super) bared: Vec<Vec<u8>>,
    /// The numbers among them.
    numbers: HashSet<String>,
    /// There are secrets, so it matters what is made from one.
    has_secrets: bool,
}

/// Names that a block binds.
#[derive(Default)]
struct Frame {
    names: Vec<(String, Value)>,
    /// Where a loop is: the index, and how many there are.
    turn: Option<(usize, usize)>,
}

/// What comes after a statement.
#[derive(PartialEq, Eq)]
enum Then {
    Next,
    Continue,
    Break,
}

impl<'s> Evaluator<'s> {
    pub(super) fn new(scope: &'s dyn Names) -> Self {
        Self {
            scope,
            fuel: Fuel::default(),
            looked_up: HashMap::new(),
            frames: vec![Frame::default()],
            depth: 0,
            bared: Vec::new(),
            numbers: HashSet::new(),
            has_secrets: scope.has_secrets(),
        }
    }

    /// Whether a value is a secret or was made from one.
    fn is_secret(&mut self, value: &Value) -> Result<bool, Problem> {
        if let Some(number) = value.number() {
            return Ok(self.numbers.contains(&number) || self.scope.is_secret(&number));
        }
        let members: Vec<Value> = match value {
            Value::List(items) => items.iter().cloned().collect(),
            Value::Map(members) => members.iter().map(|(_, member)| member.clone()).collect(),
            _ => return Ok(value.origin(&mut self.fuel)?.secret),
        };
        for member in members {
            if self.is_secret(&member)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What was made from these values is as secret as they are. A text says so itself; numbers are remembered, and so are names of
    /// members where they become texts.
    fn made_from(&mut self, values: &[Value], made: &Value) -> Result<(), Problem> {
        if !self.has_secrets || matches!(made, Value::Bool(_) | Value::None) {
            return Ok(());
        }
        for value in values {
            if !self.is_secret(value)? {
                continue;
            }
            self.remember(made);
            if let (Value::Map(members), false) = (value, matches!(made, Value::Map(_))) {
                let names = members.iter().map(|(name, _)| name.clone().into_bytes());
                self.bared.extend(names);
            }
        }
        Ok(())
    }

    /// The numbers in a value that was made from a secret.
    fn remember(&mut self, value: &Value) {
        if let Some(number) = value.number() {
            self.bared.push(number.clone().into_bytes());
            self.numbers.insert(number);
        }
        match value {
            Value::List(items) => items.iter().for_each(|item| self.remember(item)),
            Value::Map(members) => members.iter().for_each(|(_, member)| self.remember(member)),
            _ => {}
        }
    }

    /// The folder that `glob` looks in.
    pub(super) fn folder(&self) -> Option<std::path::PathBuf> {
        self.scope.folder()
    }

    /// Tells the scope of each secret that has become code.
    pub(super) fn told(&self) {
        self.bared
            .iter()
            .for_each(|secret| self.scope.bared(secret));
    }

    /// Writes out a template.
    pub(super) fn template(&mut self, tree: &Stmt<'_>) -> Result<Written, Problem> {
        let mut out = Written::default();
        self.statement(tree, &mut out)?;
        Ok(out)
    }

    fn deeper<T>(
        &mut self,
        walk: impl FnOnce(&mut Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.fuel.take(1)?;
        self.depth += 1;
        if self.depth > WALK_DEPTH_MAX {
            return Err(too_nested());
        }
        let made = walk(self);
        self.depth -= 1;
        made
    }

    fn statements(&mut self, all: &[Stmt<'_>], out: &mut Written) -> Result<Then, Problem> {
        for one in all {
            let then = self.statement(one, out)?;
            if then != Then::Next {
                return Ok(then);
            }
        }
        Ok(Then::Next)
    }

    fn statement(&mut self, one: &Stmt<'_>, out: &mut Written) -> Result<Then, Problem> {
        self.deeper(|walk| walk.one_statement(one, out))
    }

    fn one_statement(&mut self, one: &Stmt<'_>, out: &mut Written) -> Result<Then, Problem> {
        match one {
            Stmt::Template(template) => return self.statements(&template.children, out),
            Stmt::EmitRaw(raw) => {
                out.push(Part::Code(raw.raw.to_owned()), &mut self.fuel)?;
            }
            Stmt::EmitExpr(emit) => {
                let value = self.expr(&emit.expr)?;
                out.place = place(&emit.expr);
                let written = value.print_into(out, &mut self.fuel);
                written.map_err(|problem| problem.or_at(place(&emit.expr)))?;
            }
            Stmt::IfCond(cond) => {
                let body = match self.truth(&cond.expr)? {
                    true => &cond.true_body,
                    false => &cond.false_body,
                };
                return self.statements(body, out);
            }
            Stmt::ForLoop(each) => self.for_loop(each, out)?,
            Stmt::WithBlock(with) => {
                self.frames.push(Frame::default());
                let then = self.with(&with.assignments, &with.body, out);
                self.frames.pop();
                return then;
            }
            Stmt::Set(set) => {
                let value = self.value(&set.expr)?;
                self.bind(&set.target, value)?;
            }
            Stmt::SetBlock(set) => {
                let captured = self.captured(&set.body)?;
                let value = match &set.filter {
                    Some(filter) => self.filter_block(filter, captured)?,
                    None => captured,
                };
                self.bind(&set.target, value)?;
            }
            Stmt::FilterBlock(block) => {
                let captured = self.captured(&block.body)?;
                let value = self.filter_block(&block.filter, captured)?;
                value.print_into(out, &mut self.fuel)?;
            }
            Stmt::Continue(_) => return Ok(Then::Continue),
            Stmt::Break(_) => return Ok(Then::Break),
            Stmt::AutoEscape(block) => {
                let problem = Problem::new("forbidden", "`{% autoescape %}` has no meaning here");
                return Err(problem.at(range(block.span())));
            }
            Stmt::Do(call) => {
                let problem = Problem::new("forbidden", "`{% do %}` has no meaning here");
                return Err(problem.at(range(call.span())));
            }
        }
        Ok(Then::Next)
    }

    fn with(
        &mut self,
        assignments: &[(Expr<'_>, Expr<'_>)],
        body: &[Stmt<'_>],
        out: &mut Written,
    ) -> Result<Then, Problem> {
        for (target, value) in assignments {
            let value = self.value(value)?;
            self.bind(target, value)?;
        }
        self.statements(body, out)
    }

    /// A block as a text of its own, with its parts.
    fn captured(&mut self, body: &[Stmt<'_>]) -> Result<Value, Problem> {
        let mut out = Written::default();
        self.frames.push(Frame::default());
        let then = self.statements(body, &mut out);
        self.frames.pop();
        then?;
        Ok(Value::Text(out.text()))
    }

    fn filter_block(&mut self, filter: &Expr<'_>, captured: Value) -> Result<Value, Problem> {
        match filter {
            Expr::Filter(filter) => {
                let before = match &filter.expr {
                    Some(inner) => self.filter_block(inner, captured)?,
                    None => captured,
                };
                self.filter(filter, before, range(filter.span()))
            }
            other => Err(Problem::new("syntax", "this is no filter").at(place(other))),
        }
    }

    fn for_loop(&mut self, each: &ForLoop<'_>, out: &mut Written) -> Result<(), Problem> {
        if each.recursive {
            return Err(Problem::new(
                "forbidden",
                "a loop can't be `recursive` here",
            ));
        }
        let list = self.expr(&each.iter)?;
        let from = list.clone();
        let items = ops::items(list).map_err(|problem| problem.or_at(place(&each.iter)))?;
        self.made_from(&[from], &Value::list(items.clone()))?;
        self.fuel.take(items.len())?;
        let items = self.kept(each, items)?;
        if items.is_empty() {
            return self.statements(&each.else_body, out).map(|_| ());
        }
        let many = items.len();
        for (at, item) in items.into_iter().enumerate() {
            self.frames.push(Frame {
                turn: Some((at, many)),
                ..Frame::default()
            });
            let bound = self.bind(&each.target, item);
            let then = bound.and_then(|()| self.statements(&each.body, out));
            self.frames.pop();
            if then? == Then::Break {
                break;
            }
        }
        Ok(())
    }

    /// The items that the `if` of a loop keeps.
    fn kept(&mut self, each: &ForLoop<'_>, items: Vec<Value>) -> Result<Vec<Value>, Problem> {
        let Some(filter) = &each.filter_expr else {
            return Ok(items);
        };
        let mut kept = Vec::new();
        for item in items {
            self.frames.push(Frame::default());
            let keep = self
                .bind(&each.target, item.clone())
                .and_then(|()| self.truth(filter));
            self.frames.pop();
            if keep? {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    fn bind(&mut self, target: &Expr<'_>, value: Value) -> Result<(), Problem> {
        match target {
            Expr::Var(var) => self.bind_name(var.id, value),
            Expr::List(list) => self.bind_all(&list.items, value, place(target)),
            Expr::Tuple(tuple) => self.bind_all(&tuple.items, value, place(target)),
            other => Err(Problem::new("syntax", "only a name can be set").at(place(other))),
        }
    }

    fn bind_name(&mut self, name: &str, value: Value) -> Result<(), Problem> {
        if let Some(frame) = self.frames.last_mut() {
            frame.names.retain(|(known, _)| known != name);
            self.fuel.take(1 + frame.names.len())?;
            frame.names.push((name.to_owned(), value));
        }
        Ok(())
    }

    fn bind_all(
        &mut self,
        targets: &[Expr<'_>],
        value: Value,
        at: Range<usize>,
    ) -> Result<(), Problem> {
        let items = ops::items(value).map_err(|problem| problem.or_at(at.clone()))?;
        if items.len() != targets.len() {
            let (have, want) = (items.len(), targets.len());
            let message = format!("there are {want} names for a list of {have}");
            return Err(Problem::new("types", message).at(at));
        }
        for (target, item) in targets.iter().zip(items) {
            self.bind(target, item)?;
        }
        Ok(())
    }

    /// The value of an expression, which may be undefined.
    pub(super) fn expr(&mut self, expr: &Expr<'_>) -> Result<Value, Problem> {
        let made = self.deeper(|walk| walk.one_expr(expr));
        made.map_err(|problem| problem.or_at(place(expr)))
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, expr: &Expr<'_>) -> Result<Value, Problem> {
        let value = self.expr(expr)?.defined();
        value.map_err(|problem| problem.or_at(place(expr)))
    }

    fn truth(&mut self, expr: &Expr<'_>) -> Result<bool, Problem> {
        let truth = self.expr(expr)?.is_true();
        truth.map_err(|problem| problem.or_at(place(expr)))
    }

    fn one_expr(&mut self, expr: &Expr<'_>) -> Result<Value, Problem> {
        match expr {
            Expr::Var(var) => self.name(var.id),
            Expr::Const(value) => literal(&value.value, &mut self.fuel),
            Expr::UnaryOp(unary) => match unary.op {
                UnaryOpKind::Not => self.truth(&unary.expr).map(|yes| Value::Bool(!yes)),
                UnaryOpKind::Neg => {
                    let value = self.value(&unary.expr)?;
                    let made = ops::negative(&value)?;
                    self.made_from(&[value], &made)?;
                    Ok(made)
                }
            },
            Expr::BinOp(binary) => self.binary(binary.op, &binary.left, &binary.right),
            Expr::Compare(compare) => {
                let mut left = self.value(&compare.expr)?;
                for op in &compare.ops {
                    let right = self.value(&op.expr)?;
                    if !self.compare(op.op, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Ok(Value::Bool(true))
            }
            Expr::IfExpr(cond) => match (self.truth(&cond.test_expr)?, &cond.false_expr) {
                (true, _) => self.expr(&cond.true_expr),
                (false, Some(other)) => self.expr(other),
                (false, None) => Ok(Value::code("")),
            },
            Expr::Filter(filter) => {
                let value = match &filter.expr {
                    Some(value) => self.expr(value)?,
                    None => return Err(Problem::new("syntax", "a filter needs a value")),
                };
                self.filter(filter, value, range(filter.span()))
            }
            Expr::Test(test) => self.test(test.name, &test.expr, &test.args),
            Expr::GetAttr(get) => self.attribute(&get.expr, get.name),
            Expr::GetItem(get) => {
                let value = self.expr(&get.expr)?;
                let key = self.value(&get.subscript_expr)?;
                item(&value, &key, &mut self.fuel)
            }
            Expr::Slice(slice) => self.slice(slice),
            Expr::Call(call) => self.call(&call.expr, &call.args),
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => {
                let (mut members, mut names) = (Vec::new(), Origin::default());
                for (key, value) in map.keys.iter().zip(&map.values) {
                    let name = self.value(key)?;
                    names = names.and(name.origin(&mut self.fuel)?);
                    let Some(name) = name.text_bytes().and_then(|b| String::from_utf8(b).ok())
                    else {
                        let problem =
                            Problem::new("types", "the name of a member has to be a text");
                        return Err(problem.at(place(key)));
                    };
                    let value = self.value(value)?;
                    members.retain(|(known, _)| *known != name);
                    self.fuel.take(members.len())?;
                    members.push((name, value));
                }
                self.shallow(Value::map_named(members, names))
            }
        }
    }

    fn binary(
        &mut self,
        op: BinOpKind,
        left: &Expr<'_>,
        right: &Expr<'_>,
    ) -> Result<Value, Problem> {
        let first = self.value(left)?;
        match op {
            BinOpKind::ScAnd if !first.is_true()? => Ok(first),
            BinOpKind::ScOr if first.is_true()? => Ok(first),
            BinOpKind::ScAnd | BinOpKind::ScOr => self.value(right),
            _ => {
                let second = self.value(right)?;
                let made = ops::binary(op, &first, &second, &mut self.fuel)?;
                self.made_from(&[first, second], &made)?;
                Ok(made)
            }
        }
    }

    fn compare(&mut self, op: CompareOpKind, left: &Value, right: &Value) -> Result<bool, Problem> {
        let (op, negated) = match op {
            CompareOpKind::Eq => (BinOpKind::Eq, false),
            CompareOpKind::Ne => (BinOpKind::Ne, false),
            CompareOpKind::Lt => (BinOpKind::Lt, false),
            CompareOpKind::Lte => (BinOpKind::Lte, false),
            CompareOpKind::Gt => (BinOpKind::Gt, false),
            CompareOpKind::Gte => (BinOpKind::Gte, false),
            CompareOpKind::In => (BinOpKind::In, false),
            CompareOpKind::NotIn => (BinOpKind::In, true),
        };
        let made = ops::binary(op, left, right, &mut self.fuel)?;
        Ok(made.is_true()? != negated)
    }

    /// A list of the template, which can't make a value deeper than values may be.
    fn list(&mut self, items: &[Expr<'_>]) -> Result<Value, Problem> {
        let mut list = Vec::new();
        for one in items {
            list.push(self.value(one)?);
        }
        self.shallow(Value::list(list))
    }

    fn shallow(&mut self, value: Value) -> Result<Value, Problem> {
        value.origin(&mut self.fuel)?;
        Ok(value)
    }

    fn name(&mut self, name: &str) -> Result<Value, Problem> {
        let mut bound = self.frames.iter().rev().flat_map(|frame| &frame.names);
        if let Some((_, value)) = bound.find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.looked_up.get(name) {
            return Ok(value.clone());
        }
        let value = member(self.scope, name, None, &mut self.fuel)?;
        self.looked_up.insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn attribute(&mut self, of: &Expr<'_>, name: &str) -> Result<Value, Problem> {
        if let Expr::Var(var) = of
            && var.id == "loop"
        {
            return self.turn(name);
        }
        let value = self.expr(of)?;
        let whole = place(of);
        let known = attribute(&value, name, &mut self.fuel)?;
        Ok(match known {
            Value::Undefined(mut problem) => {
                if problem.span.is_none() {
                    let start = whole.end + 1; // after the point, unless there are spaces around it
                    problem.span = Some(start..start + name.len());
                }
                Value::Undefined(problem)
            }
            other => other,
        })
    }

    /// `loop.NAME`.
    fn turn(&self, name: &str) -> Result<Value, Problem> {
        let turn = self.frames.iter().rev().find_map(|frame| frame.turn);
        let Some((at, many)) = turn else {
            return Err(Problem::new(
                "unknown-name",
                "`loop` is only known within `{% for %}`",
            ));
        };
        let number = |number: usize| i64::try_from(number).map_or(Value::None, Value::Int);
        Ok(match name {
            "index" => number(at + 1),
            "index0" => number(at),
            "revindex" => number(many - at),
            "revindex0" => number(many - at - 1),
            "length" => number(many),
            "first" => Value::Bool(at == 0),
            "last" => Value::Bool(at + 1 == many),
            _ => {
                let message = format!("there is no `loop.{name}`");
                let help = "there are index, index0, revindex, revindex0, length, first and last";
                return Err(Problem::new("unknown-name", message).help(help));
            }
        })
    }

    fn slice(&mut self, slice: &Slice<'_>) -> Result<Value, Problem> {
        let value = self.value(&slice.expr)?;
        let mut ends = [None, None, None];
        for (end, expr) in ends
            .iter_mut()
            .zip([&slice.start, &slice.stop, &slice.step])
        {
            if let Some(expr) = expr {
                *end = Some(self.whole(expr)?);
            }
        }
        let [start, stop, step] = ends;
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(0);
        if step == 0 {
            let problem = Problem::new("types", "the step has to be 1 or more");
            return Err(problem.help("turn it around with `| reverse`"));
        }
        sliced(&value, start, stop, step, &mut self.fuel)
    }

    fn whole(&mut self, expr: &Expr<'_>) -> Result<i64, Problem> {
        match self.value(expr)?.counted()? {
            Value::Int(number) => Ok(number),
            other => {
                let message = format!("this needs a whole number, and is {}", other.kind());
                Err(Problem::new("types", message).at(place(expr)))
            }
        }
    }

    fn call(&mut self, function: &Expr<'_>, arguments: &[CallArg<'_>]) -> Result<Value, Problem> {
        let Expr::Var(var) = function else {
            return Err(super::check::not_a_function(function));
        };
        if var.id != "range" {
            return Err(super::check::unknown_function(var.id).at(range(var.span())));
        }
        let given = self.arguments(None, arguments)?;
        let mut numbers = Vec::new();
        for value in &given.by_place {
            match value.counted()? {
                Value::Int(number) => numbers.push(number),
                other => {
                    let message = format!("`range` needs whole numbers, and got {}", other.kind());
                    return Err(Problem::new("types", message));
                }
            }
        }
        counted(&numbers, &mut self.fuel)
    }

    fn test(
        &mut self,
        name: &str,
        value: &Expr<'_>,
        arguments: &[CallArg<'_>],
    ) -> Result<Value, Problem> {
        let value = self.expr(value)?;
        let undefined = matches!(value, Value::Undefined(_));
        match name {
            "defined" => return Ok(Value::Bool(!undefined)),
            "undefined" => return Ok(Value::Bool(undefined)),
            _ => {}
        }
        if !jinja::TESTS.contains(&name) {
            return Err(super::check::unknown_test(name));
        }
        let value = value.defined()?;
        let given = self.arguments(Some(value), arguments)?;
        if let ("mapping", [Value::Names(_)]) = (name, given.by_place.as_slice()) {
            return Ok(Value::Bool(true));
        }
        jinja::test(name, &given, &mut self.fuel).map(Value::Bool)
    }

    fn filter(
        &mut self,
        filter: &Filter<'_>,
        value: Value,
        at: Range<usize>,
    ) -> Result<Value, Problem> {
        let value = match filter.name {
            "default" | "d" => value,
            _ => value.defined()?,
        };
        let given = self.arguments(Some(value), &filter.args)?;
        let from: Vec<Value> = match self.has_secrets {
            true => given.by_place.clone(),
            false => Vec::new(),
        };
        let made = filters::apply(filter.name, given, self);
        let made = made.map_err(|problem| problem.or_at(at))?;
        // How long a secret is says too little of it, and is asked to see whether there is one.
        if !matches!(filter.name, "length" | "count") {
            self.made_from(&from, &made)?;
        }
        Ok(made)
    }

    fn arguments(
        &mut self,
        first: Option<Value>,
        all: &[CallArg<'_>],
    ) -> Result<Arguments, Problem> {
        let mut given = Arguments::default();
        given.by_place.extend(first);
        for one in all {
            match one {
                CallArg::Pos(expr) => given.by_place.push(self.value(expr)?),
                CallArg::Kwarg(name, expr) => {
                    let value = self.value(expr)?;
                    given.by_name.push(((*name).to_owned(), value));
                }
                CallArg::PosSplat(expr) => {
                    let items = self.value(expr).and_then(ops::items)?;
                    self.fuel.take(items.len())?;
                    given.by_place.extend(items);
                }
                CallArg::KwargSplat(expr) => match self.value(expr)? {
                    Value::Map(members) => given.by_name.extend(members.iter().cloned()),
                    _ => return Err(Problem::new("types", "`**` needs a map").at(place(expr))),
                },
            }
        }
        Ok(given)
    }
}

/// The numbers of `range`.
fn counted(numbers: &[i64], fuel: &mut Fuel) -> Result<Value, Problem> {
    let (from, to, step) = match *numbers {
        [to] => (0, to, 1),
        [from, to] => (from, to, 1),
        [from, to, step] if step != 0 => (from, to, step),
        _ => {
            let problem = Problem::new(
                "types",
                "`range` takes an end, or a start and an end, and a step",
            );
            return Err(problem.help("write `range(3)`, `range(1, 4)` or `range(10, 0, -2)`"));
        }
    };
    let mut all = Vec::new();
    let mut at = from;
    while (step > 0 && at < to) || (step < 0 && at > to) {
        fuel.take(1)?;
        all.push(Value::Int(at));
        match at.checked_add(step) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(Value::list(all))
}

pub(super) fn too_nested() -> Problem {
    Problem::new("too-large", "this expression is nested too deep")
        .help("use a var for a part of it")
}

/// A member of names, or that there is none.
fn member(
    names: &dyn Names,
    name: &str,
    of: Option<&str>,
    fuel: &mut Fuel,
) -> Result<Value, Problem> {
    fuel.take(1)?;
    match names.get(name)? {
        Some(value) => Ok(value),
        None => Ok(undefined(name, of, &names.known())),
    }
}

fn undefined(name: &str, of: Option<&str>, known: &[String]) -> Value {
    let message = match of {
        None => format!("there is no `{name}` here"),
        Some(of) => format!("{of} has no `{name}`"),
    };
    let mut problem = Problem::new("unknown-name", message);
    let nearest = super::nearest(name, known.iter().map(String::as_str));
    problem.help = nearest.map(|near| format!("did you mean `{near}`?"));
    Value::Undefined(Box::new(problem))
}

/// A member of a value, by its name.
pub(super) fn attribute(value: &Value, name: &str, fuel: &mut Fuel) -> Result<Value, Problem> {
    Ok(match value {
        Value::Undefined(_) => value.clone(),
        Value::Names(names) => return member(names.as_ref(), name, Some("this"), fuel),
        Value::Map(members) => {
            fuel.take(1 + members.len() / 16)?;
            let found = members.iter().find(|(known, _)| known == name);
            found.map_or_else(
                || {
                    let known: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
                    undefined(name, Some("this map"), &known)
                },
                |(_, value)| value.clone(),
            )
        }
        other => undefined(name, Some(other.kind()), &[]),
    })
}

fn item(value: &Value, key: &Value, fuel: &mut Fuel) -> Result<Value, Problem> {
    let key = &key.counted()?;
    match (value, key) {
        (Value::Undefined(_), _) => Ok(value.clone()),
        (Value::List(items), Value::Int(at)) => {
            let at = usize::try_from(*at).ok().or_else(|| {
                let back = usize::try_from(at.unsigned_abs()).ok()?;
                items.len().checked_sub(back)
            });
            let many = items.len();
            let missing = || {
                let message = format!("the list has no such item, it has {many}");
                Value::Undefined(Box::new(Problem::new("unknown-name", message)))
            };
            Ok(at
                .and_then(|at| items.get(at))
                .cloned()
                .unwrap_or_else(missing))
        }
        (Value::Text(_), Value::Int(at)) => {
            let end = if *at == -1 {
                None
            } else {
                Some(at.saturating_add(1))
            };
            sliced(value, Some(*at), end, 1, fuel)
        }
        (_, Value::Text(_)) => {
            let name = String::from_utf8(key.text_bytes().unwrap_or_default());
            let name = name.map_err(|_| Problem::new("types", "a name has to be UTF-8"))?;
            attribute(value, &name, fuel)
        }
        _ => {
            let message = format!("{} has no items by {}", value.kind(), key.kind());
            Err(Problem::new("types", message))
        }
    }
}

/// A part of a list or a text; ends count from the end when they are negative, and may lie outside.
fn sliced(
    value: &Value,
    start: Option<i64>,
    stop: Option<i64>,
    step: usize,
    fuel: &mut Fuel,
) -> Result<Value, Problem> {
    let bounds = |many: usize| {
        let place = |end: i64| match usize::try_from(end) {
            Ok(end) => end.min(many),
            Err(_) => many.saturating_sub(usize::try_from(end.unsigned_abs()).unwrap_or(many)),
        };
        let start = start.map_or(0, place);
        start..stop.map_or(many, place).max(start)
    };
    match value {
        Value::List(items) => {
            fuel.take(items.len())?;
            let part = items[bounds(items.len())].iter().step_by(step).cloned();
            Ok(Value::list(part.collect()))
        }
        Value::Text(_) => {
            let text = value.text_bytes().unwrap_or_default();
            fuel.text(text.len())?;
            let text = String::from_utf8(text)
                .map_err(|_| Problem::new("types", "only UTF-8 text can be cut"))?;
            let all: Vec<char> = text.chars().collect();
            let part: String = all[bounds(all.len())].iter().step_by(step).collect();
            Ok(Value::made(part.into_bytes(), value.origin(fuel)?))
        }
        other => Err(Problem::new(
            "types",
            format!("{} can't be cut", other.kind()),
        )),
    }
}

/// The bytes of an expression. minijinja's own spans of operators begin one word too early.
pub(super) fn place(expr: &Expr<'_>) -> Range<usize> {
    place_within(expr, WALK_DEPTH_MAX)
}

fn place_within(expr: &Expr<'_>, depth: usize) -> Range<usize> {
    let whole = range(expr.span());
    let Some(depth) = depth.checked_sub(1) else {
        return whole;
    };
    let start = |first: &Expr<'_>| place_within(first, depth).start;
    match expr {
        Expr::BinOp(binary) => start(&binary.left)..whole.end,
        Expr::Compare(compare) => start(&compare.expr)..whole.end,
        Expr::IfExpr(cond) => start(&cond.true_expr)..whole.end,
        Expr::GetAttr(get) => start(&get.expr)..whole.end,
        Expr::GetItem(get) => start(&get.expr)..whole.end,
        Expr::Slice(slice) => start(&slice.expr)..whole.end,
        Expr::Call(call) => start(&call.expr)..whole.end,
        Expr::Test(test) => start(&test.expr)..whole.end,
        Expr::Filter(filter) => match &filter.expr {
            Some(inner) => start(inner)..whole.end,
            None => whole,
        },
        _ => whole,
    }
}
