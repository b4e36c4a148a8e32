//! Reading `for`: the items of a loop, the names that it brings into scope, and how its instances run.

use super::keys::Scope;
use super::raw::Owner;
use super::tree::{At, Entry, Resolved, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::{Axis, Data, Items, Loop, Setting, Text};

const FORMS: &str =
    "write a list, or one of {in: …}, {glob: …}, {sh: …}, {range: [1, 10]}, {matrix: {…}}";
const SOURCES: [&str; 5] = ["in", "glob", "sh", "range", "matrix"];

impl Reader<'_, '_> {
    /// `for`
    pub(super) fn each(&mut self, at: At, owner: &Owner) -> Option<Loop> {
        let mut each = Loop {
            place: self.place(at),
            items: Items::List(Vec::new()),
            name: "item".to_owned(),
            parallel_max: Some(Setting::Fixed(1)),
            stop_on_failure: true,
        };
        match self.walk.open(at) {
            Value::Map(entries) => self
                .loop_fields(at, &entries, &mut each, owner)
                .then_some(each),
            Value::List(items) => {
                each.items = Items::List(self.datas(items, owner)?);
                Some(each)
            }
            Value::Scalar(scalar) if scalar.text.trim_start().starts_with("{{") => {
                each.items = Items::In(self.expression(at, owner, "'for' is a list")?);
                Some(each)
            }
            _ => {
                self.wrong_type(at, "'for' has items", FORMS);
                None
            }
        }
    }

    fn datas(&mut self, items: Vec<At>, owner: &Owner) -> Option<Vec<Data>> {
        items
            .into_iter()
            .map(|item| self.data(item, owner))
            .collect()
    }

    /// Whether the map says what the items are.
    fn loop_fields(&mut self, at: At, entries: &[Entry], each: &mut Loop, owner: &Owner) -> bool {
        let before = self.found.len();
        let (mut source, mut stop, mut parallel) = (None, None, false);
        let (mut exclude, mut include) = (Vec::new(), Vec::new());
        for entry in entries {
            let value = entry.value;
            match self.name(entry) {
                name if SOURCES.contains(&name) => {
                    if source.is_some() {
                        self.two(entry.key, "a loop has its items from one place");
                    }
                    source = Some(name.to_owned());
                    if let Some(items) = self.items(name, value, owner) {
                        each.items = items;
                    }
                }
                "as" => {
                    if let Some(name) = self.loop_name(value) {
                        each.name = name;
                    }
                }
                "parallel" => {
                    let one_by_one = Resolved::Bool(false);
                    parallel = self.tree().resolve(self.walk.follow(value).node) != one_by_one;
                    each.parallel_max = self.parallel(value);
                }
                "stop_on_failure" => stop = self.boolean(value, "'stop_on_failure'"),
                "exclude" => exclude = self.combinations(value, owner),
                "include" => include = self.combinations(value, owner),
                _ => {
                    self.unknown_key(Scope::Loop, entry);
                }
            }
        }
        each.stop_on_failure = stop.unwrap_or(!parallel);
        if source.is_none() && self.found.len() == before {
            self.wrong_type(at, "'for' has items", FORMS);
        }
        match &mut each.items {
            Items::Matrix {
                exclude: less,
                include: more,
                ..
            } => (*less, *more) = (exclude, include),
            _ if !(exclude.is_empty() && include.is_empty()) => {
                let message = "'exclude' and 'include' belong to a 'matrix'";
                self.report(
                    at,
                    Diagnostic::error("no-matrix", message).help("remove them"),
                );
            }
            _ => {}
        }
        source.is_some()
    }

    fn items(&mut self, source: &str, at: At, owner: &Owner) -> Option<Items> {
        match source {
            "in" => match self.walk.open(at) {
                Value::List(items) => self.datas(items, owner).map(Items::List),
                _ => self
                    .expression(at, owner, "'in' is an expression")
                    .map(Items::In),
            },
            "glob" => {
                let items = self.one_or_many(at);
                let pattern = |item| {
                    self.template(
                        item,
                        owner,
                        "'glob' is a pattern of files",
                        "write a pattern, such as 'data/*.json'",
                    )
                };
                items
                    .into_iter()
                    .map(pattern)
                    .collect::<Option<_>>()
                    .map(Items::Glob)
            }
            "sh" => self
                .script(
                    at,
                    owner,
                    "'sh' is a command",
                    "write a command whose lines are the items",
                )
                .map(Items::Sh),
            "range" => self.range(at, owner),
            _ => self.matrix(at, owner),
        }
    }

    fn range(&mut self, at: At, owner: &Owner) -> Option<Items> {
        let help = "write the first and the last number: [1, 10]";
        if let Value::List(items) = self.walk.open(at)
            && let [first, last] = items.as_slice()
        {
            return Some(Items::Range(
                self.bound(*first, owner)?,
                self.bound(*last, owner)?,
            ));
        }
        self.wrong_type(at, "'range' has two numbers", help);
        None
    }

    fn bound(&mut self, at: At, owner: &Owner) -> Option<Setting<i64>> {
        let help = "write a whole number";
        if let Resolved::Int(value) = self.tree().resolve(self.walk.follow(at).node) {
            return Some(Setting::Fixed(value));
        }
        let text: Text = self.template(at, owner, "'range' has two numbers", help)?;
        if !text.is_template() {
            self.wrong_type(at, "'range' has two numbers", help);
            return None;
        }
        Some(Setting::Template(text))
    }

    fn matrix(&mut self, at: At, owner: &Owner) -> Option<Items> {
        let help = "write each axis as 'name: [values]'";
        let entries = self.entries(at, "'matrix' is a map of lists", help);
        let mut axes = Vec::new();
        for entry in &entries {
            let name = self.var_name(entry, "an axis")?;
            let values = match self.walk.open(entry.value) {
                Value::List(items) => Axis::List(self.datas(items, owner)?),
                Value::Map(_) | Value::Nothing => {
                    self.wrong_type(entry.value, "an axis is a list", help);
                    return None;
                }
                Value::Scalar(scalar) if scalar.text.trim_start().starts_with("{{") => {
                    Axis::In(self.expression(entry.value, owner, "an axis is a list")?)
                }
                Value::Scalar(_) => Axis::List(vec![self.data(entry.value, owner)?]),
            };
            axes.push((name, values));
        }
        Some(Items::Matrix {
            axes,
            exclude: Vec::new(),
            include: Vec::new(),
        })
    }

    fn combinations(&mut self, at: At, owner: &Owner) -> Vec<Vec<(String, Data)>> {
        let help = "write maps with values of the axes: [{os: windows, arch: arm64}]";
        let items = self.one_or_many(at);
        let mut all = Vec::new();
        for item in items {
            if let Value::Map(entries) = self.walk.open(item) {
                let value = |entry: &Entry| {
                    self.plain_key(entry)?;
                    Some((self.name(entry).to_owned(), self.data(entry.value, owner)?))
                };
                all.extend(entries.iter().map(value).collect::<Option<Vec<_>>>());
            } else {
                self.wrong_type(item, "a combination is a map", help);
            }
        }
        all
    }

    fn loop_name(&mut self, at: At) -> Option<String> {
        let help = "write a name of letters, digits and '_'";
        let name = self.text(at, "'as' is a name", help)?.to_owned();
        if super::vars::is_var_name(&name) {
            return Some(name);
        }
        let message = format!("'{name}' can't be the name of an item");
        self.report(at, Diagnostic::error("var-name", message).help(help));
        None
    }

    /// `true`, `false` or how many at the same time.
    pub(super) fn parallel(&mut self, at: At) -> Option<Setting<u32>> {
        match self.tree().resolve(self.walk.follow(at).node) {
            Resolved::Bool(true) => None,
            Resolved::Bool(false) => Some(Setting::Fixed(1)),
            _ => Some(Setting::Fixed(self.count(at, "'parallel'", 1).unwrap_or(1))),
        }
    }
}
