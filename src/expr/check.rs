//! What can be said about a template without evaluating it: whether it can be read, which names it reads, and what it uses
//! that there is not, or that is better not used.

use std::ops::Range;

use minijinja::machinery::ast::{CallArg, Expr, Filter, Stmt};

use super::eval::{WALK_DEPTH_MAX, place, too_nested};
use super::filter_docs::FILTERS;
use super::jinja::range;
use super::{Problem, filters, jinja, nearest};

/// What is known of a template.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Why it can't be used.
    pub problems: Vec<Problem>,
    /// Each use of `| code`.
    pub warnings: Vec<Problem>,
    /// The names that it reads from outside, in order.
    pub names: Vec<NameUse>,
    /// For a command: each place of a value that may be text.
    pub placed: Vec<Placed>,
}

/// A use of a name from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    /// The name and the members read from it, as far as they are constants: `tasks`, `build`, `outputs`.
    pub path: Vec<String>,
    /// The bytes of the template.
    pub span: Range<usize>,
    /// Whether text of it may become part of what the template makes, and not only be asked or counted.
    pub flows: bool,
}

/// What a `{{ … }}` of a command has to do with the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The bytes of the template.
    pub span: Range<usize>,
    /// The names whose text may stand there.
    pub reads: Vec<NameUse>,
    /// Why no text from outside can stand there.
    pub refused: Option<Problem>,
    /// It is a name alone that stands outside quotes, so that text from outside would be one word.
    pub bare: bool,
}

/// Reads the tree of a template.
pub(super) fn template(tree: &Stmt<'_>) -> Checked {
    let mut walk = Walk::default();
    walk.statement(tree);
    walk.checked
}

/// Reads the tree of an expression.
pub(super) fn expression(tree: &Expr<'_>) -> Checked {
    let mut walk = Walk::default();
    walk.expr(tree, true);
    walk.checked
}

/// That there is no such filter.
pub(super) fn unknown_filter(name: &str) -> Problem {
    let message = format!("there is no filter `{name}`");
    let help = match name {
        "safe" | "e" | "escape" => Some(
            "nothing is escaped here: a value is one word of a command as it is; `| code` makes code of it".to_owned(),
        ),
        _ => {
            let near = nearest(name, FILTERS.iter().map(|doc| doc.name));
            near.map(|near| format!("did you mean `{near}`?"))
        }
    };
    Problem {
        help,
        ..Problem::new("unknown-filter", message)
    }
}

/// That there is no such test.
pub(super) fn unknown_test(name: &str) -> Problem {
    let near = nearest(name, jinja::TESTS.iter().copied());
    Problem {
        help: near.map(|near| format!("did you mean `is {near}`?")),
        ..Problem::new("unknown-test", format!("there is no test `is {name}`"))
    }
}

/// That there is no such function.
pub(super) fn unknown_function(name: &str) -> Problem {
    let problem = Problem::new("unknown-function", format!("there is no function `{name}`"));
    match FILTERS.iter().find(|doc| doc.name == name) {
        Some(_) => problem.help(format!("it is a filter: `x | {name}`")),
        None => problem.help("there is only `range`; everything else is a filter: `x | upper`"),
    }
}

/// That only `range` can be called.
pub(super) fn not_a_function(function: &Expr<'_>) -> Problem {
    let name = match function {
        Expr::GetAttr(get) => get.name,
        _ => "this",
    };
    unknown_function(name).at(place(function))
}

/// Filters whose results have no text of what went in.
const NO_TEXT: [&str; 10] = [
    "abs",
    "bool",
    "code",
    "count",
    "float",
    "int",
    "length",
    "regex_match",
    "round",
    "version_compare",
];

#[derive(Default)]
struct Walk {
    checked: Checked,
    bound: Vec<String>,
    depth: usize,
}

impl Walk {
    fn problem(&mut self, problem: Problem) {
        if !self.checked.problems.contains(&problem) {
            self.checked.problems.push(problem);
        }
    }

    fn too_deep(&mut self) -> bool {
        if self.depth < WALK_DEPTH_MAX {
            return false;
        }
        self.problem(too_nested());
        true
    }

    fn statements(&mut self, all: &[Stmt<'_>]) {
        all.iter().for_each(|one| self.statement(one));
    }

    /// A block whose names end with it.
    fn scoped(&mut self, walk: impl FnOnce(&mut Self)) {
        let bound = self.bound.len();
        walk(self);
        self.bound.truncate(bound);
    }

    fn statement(&mut self, one: &Stmt<'_>) {
        if self.too_deep() {
            return;
        }
        self.depth += 1;
        self.one_statement(one);
        self.depth -= 1;
    }

    fn one_statement(&mut self, one: &Stmt<'_>) {
        match one {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emit) => self.expr(&emit.expr, true),
            Stmt::IfCond(cond) => {
                self.expr(&cond.expr, false);
                self.statements(&cond.true_body);
                self.statements(&cond.false_body);
            }
            Stmt::ForLoop(each) => {
                self.expr(&each.iter, true);
                if each.recursive {
                    let problem = Problem::new("forbidden", "a loop can't be `recursive` here");
                    self.problem(problem.at(place(&each.iter)));
                }
                self.scoped(|walk| {
                    walk.bind(&each.target);
                    walk.bound.push("loop".to_owned());
                    if let Some(filter) = &each.filter_expr {
                        walk.expr(filter, false);
                    }
                    walk.statements(&each.body);
                });
                self.statements(&each.else_body);
            }
            Stmt::WithBlock(with) => self.scoped(|walk| {
                for (target, value) in &with.assignments {
                    walk.expr(value, true);
                    walk.bind(target);
                }
                walk.statements(&with.body);
            }),
            Stmt::Set(set) => {
                self.expr(&set.expr, true);
                self.bind(&set.target);
            }
            Stmt::SetBlock(set) => {
                self.scoped(|walk| walk.statements(&set.body));
                if let Some(filter) = &set.filter {
                    self.expr(filter, false);
                }
                self.bind(&set.target);
            }
            Stmt::FilterBlock(block) => {
                self.expr(&block.filter, false);
                self.scoped(|walk| walk.statements(&block.body));
            }
            Stmt::AutoEscape(block) => self.forbidden("autoescape", range(block.span())),
            Stmt::Do(call) => self.forbidden("do", range(call.span())),
            Stmt::EmitRaw(_) | Stmt::Continue(_) | Stmt::Break(_) => {}
        }
    }

    fn forbidden(&mut self, what: &str, at: Range<usize>) {
        let message = format!("`{{% {what} %}}` has no meaning here");
        self.problem(Problem::new("forbidden", message).at(at));
    }

    fn bind(&mut self, target: &Expr<'_>) {
        match target {
            Expr::Var(var) => {
                self.bound.push(var.id.to_owned());
            }
            Expr::List(list) => list.items.iter().for_each(|one| self.bind(one)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|one| self.bind(one)),
            other => {
                let problem = Problem::new("syntax", "only a name can be set");
                self.problem(problem.at(place(other)));
            }
        }
    }

    /// `flows`: whether text of the expression may become part of what is made.
    fn expr(&mut self, expr: &Expr<'_>, flows: bool) {
        if self.too_deep() {
            return;
        }
        self.depth += 1;
        self.one_expr(expr, flows);
        self.depth -= 1;
    }

    fn one_expr(&mut self, expr: &Expr<'_>, flows: bool) {
        use minijinja::machinery::ast::BinOpKind::{Add, Concat, Mul, ScAnd, ScOr};
        if let Some((path, rest)) = path(expr) {
            for one in rest {
                self.expr(one, false);
            }
            return self.name(path, place(expr), flows);
        }
        match expr {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.expr(&slice.expr, flows);
                for end in [&slice.start, &slice.stop, &slice.step]
                    .into_iter()
                    .flatten()
                {
                    self.expr(end, false);
                }
            }
            Expr::UnaryOp(unary) => self.expr(&unary.expr, false),
            Expr::BinOp(binary) => {
                let flows = flows && matches!(binary.op, Add | Concat | Mul | ScAnd | ScOr);
                self.expr(&binary.left, flows);
                self.expr(&binary.right, flows);
            }
            Expr::Compare(compare) => {
                self.expr(&compare.expr, false);
                compare.ops.iter().for_each(|op| self.expr(&op.expr, false));
            }
            Expr::IfExpr(cond) => {
                self.expr(&cond.test_expr, false);
                self.expr(&cond.true_expr, flows);
                if let Some(other) = &cond.false_expr {
                    self.expr(other, flows);
                }
            }
            Expr::Filter(filter) => self.filter(filter, range(filter.span()), flows),
            Expr::Test(test) => {
                if !jinja::TESTS.contains(&test.name) {
                    let problem = unknown_test(test.name);
                    self.problem(problem.at(range(test.span())));
                }
                self.expr(&test.expr, false);
                self.arguments(&test.args, false);
            }
            Expr::GetAttr(get) => self.expr(&get.expr, flows),
            Expr::GetItem(get) => {
                self.expr(&get.expr, flows);
                self.expr(&get.subscript_expr, false);
            }
            Expr::Call(call) => {
                match &call.expr {
                    Expr::Var(var) if var.id == "range" => {}
                    Expr::Var(var) => {
                        self.problem(unknown_function(var.id).at(range(var.span())));
                    }
                    other => self.problem(not_a_function(other)),
                }
                self.arguments(&call.args, false);
            }
            Expr::List(list) => list.items.iter().for_each(|one| self.expr(one, flows)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|one| self.expr(one, flows)),
            Expr::Map(map) => {
                for one in map.keys.iter().chain(&map.values) {
                    self.expr(one, flows);
                }
            }
        }
    }

    fn filter(&mut self, filter: &Filter<'_>, at: Range<usize>, flows: bool) {
        if !filters::exists(filter.name) {
            self.problem(unknown_filter(filter.name).at(at.clone()));
        }
        if filter.name == "code" {
            let warning = Problem::new("data-as-code", "the shell parses this value as code");
            let help = "without `| code` it is one word; `| split` makes several of it";
            self.checked.warnings.push(warning.at(at).help(help));
        }
        let flows = flows && !NO_TEXT.contains(&filter.name);
        if let Some(value) = &filter.expr {
            self.expr(value, flows);
        }
        self.mapped(filter);
        self.arguments(&filter.args, flows);
    }

    /// The name in `map('upper')`.
    fn mapped(&mut self, filter: &Filter<'_>) {
        if let ("map", Some(CallArg::Pos(Expr::Const(name)))) = (filter.name, filter.args.first())
            && let Some(mapped) = name.value.as_str()
            && !filters::exists(mapped)
        {
            self.problem(unknown_filter(mapped).at(range(name.span())));
        }
    }

    fn arguments(&mut self, all: &[CallArg<'_>], flows: bool) {
        for one in all {
            match one {
                CallArg::Pos(expr)
                | CallArg::Kwarg(_, expr)
                | CallArg::PosSplat(expr)
                | CallArg::KwargSplat(expr) => self.expr(expr, flows),
            }
        }
    }

    fn name(&mut self, path: Vec<String>, span: Range<usize>, flows: bool) {
        let bound = path.first().is_some_and(|name| self.bound.contains(name));
        if !bound {
            let path_use = NameUse { path, span, flows };
            self.checked.names.push(path_use);
        }
    }
}

/// The name that an expression reads, with its members; and the expressions within brackets that end it.
pub(super) fn path<'e, 's>(expr: &'e Expr<'s>) -> Option<(Vec<String>, Vec<&'e Expr<'s>>)> {
    let mut members = Vec::new();
    let mut computed = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::Var(var) => {
                members.push(var.id.to_owned());
                members.reverse();
                return Some((members, computed));
            }
            Expr::GetAttr(get) => {
                members.push(get.name.to_owned());
                at = &get.expr;
            }
            Expr::GetItem(get) => {
                match &get.subscript_expr {
                    Expr::Const(key) if key.value.as_str().is_some() => {
                        members.extend(key.value.as_str().map(str::to_owned));
                    }
                    other => {
                        members.clear(); // what comes after it is not known
                        computed.push(other);
                    }
                }
                at = &get.expr;
            }
            _ => return None,
        }
    }
}
