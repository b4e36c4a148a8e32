//! Expressions by themselves: what they give, what is code and what is data in it, what they refuse, and where.

pub mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use flow::expr::{self, FILTERS, Names, Part, Problem, Use, Value};

#[derive(Debug, Default)]
struct Scope {
    names: HashMap<String, Value>,
    bared: Mutex<Vec<Vec<u8>>>,
}

impl Scope {
    fn of(names: &[(&str, Value)]) -> Self {
        let names = names.iter().cloned();
        Self {
            names: names
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            ..Self::default()
        }
    }
}

impl Names for Scope {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        Ok(self.names.get(name).cloned())
    }

    fn known(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn folder(&self) -> Option<std::path::PathBuf> {
        Some(env!("CARGO_MANIFEST_DIR").into())
    }

    fn bared(&self, secret: &[u8]) {
        self.bared
            .lock()
            .expect("not poisoned")
            .push(secret.to_vec());
    }
}

fn map(members: &[(&str, Value)]) -> Value {
    let members = members.iter().cloned();
    Value::map(
        members
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

/// A scope with values of all kinds.
fn usual() -> Scope {
    let env = Scope::of(&[
        ("HOME", Value::data("/home/me")),
        ("TAG", Value::data("v 1")),
    ]);
    Scope::of(&[
        ("env", Value::Names(Arc::new(env))),
        ("secret", Value::secret("s3cret")),
        ("code", Value::code("--release --locked")),
        ("data", Value::data("a b")),
        ("empty", Value::data("")),
        ("bytes", Value::data(b"\xff\xfe".to_vec())),
        ("yes", Value::Bool(true)),
        ("n", Value::Int(3)),
        ("f", Value::Float(1.0)),
        ("none", Value::None),
        (
            "list",
            Value::list(vec![Value::code("x"), Value::data("y z"), Value::Int(1)]),
        ),
        (
            "map",
            map(&[("name", Value::data("m")), ("n", Value::Int(2))]),
        ),
        (
            "deep",
            map(&[("a", map(&[("b", Value::list(vec![Value::data("c")]))]))]),
        ),
    ])
}

fn string(source: &str) -> String {
    let value =
        expr::text(source, &usual()).unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"));
    value
        .string()
        .unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"))
}

fn value(source: &str) -> Value {
    expr::expression(source, &usual()).unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"))
}

fn problem(source: &str) -> Problem {
    match expr::text(source, &usual()).and_then(|value| value.string()) {
        Ok(made) => panic!("{source:?} gives {made:?}"),
        Err(problem) => problem,
    }
}

/// The parts of a template, data in angle brackets.
fn parts(source: &str) -> String {
    let value =
        expr::text(source, &usual()).unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"));
    let text = value.print().expect("it can be written");
    let part = |part: &Part| match part {
        Part::Code(text) => text.clone(),
        Part::Data(data) => {
            let mark = if data.secret { "!" } else { "" };
            format!("<{}{mark}>", String::from_utf8_lossy(&data.bytes))
        }
    };
    text.parts.iter().map(part).collect()
}

#[test]
fn every_filter_does_what_its_page_says() {
    for doc in FILTERS {
        assert_eq!(string(doc.example), doc.result, "{}", doc.name);
        assert!(doc.example.contains(doc.name), "{}", doc.name);
        assert!(doc.usage.starts_with(doc.name), "{}", doc.name);
        assert!(doc.meaning.ends_with('.'), "{}", doc.name);
    }
    assert!(FILTERS.is_sorted_by_key(|doc| doc.name), "by name");
}

#[test]
fn values_keep_their_types_when_they_are_all_of_a_text() {
    assert!(matches!(value("{{ n }}"), Value::Int(3)));
    assert!(matches!(value("n + 1"), Value::Int(4)));
    assert!(matches!(value(" {{ yes }} "), Value::Bool(true)));
    assert!(matches!(value("list"), Value::List(items) if items.len() == 3));
    assert!(matches!(expr::text("{{ n }}", &usual()), Ok(Value::Int(3))));
    assert!(matches!(
        expr::text("{{ n }} ", &usual()),
        Ok(Value::Text(_))
    ));
    assert!(matches!(
        expr::text("{{ none }}", &usual()),
        Ok(Value::None)
    ));
}

#[test]
fn values_are_written_as_in_yaml() {
    for (source, written) in [
        ("a {{ yes }} {{ not yes }}", "a true false"),
        (
            "a {{ n }} {{ f }} {{ 2.50 }} {{ 1e30 }}",
            "a 3 1.0 2.5 1e30",
        ),
        ("a {{ list }}", "a x y z 1"),
        ("a {{ [] }}|", "a |"),
        ("{% raw %}{{ n }}{% endraw %}", "{{ n }}"),
        ("{# no comment #} ${#list}", "{# no comment #} ${#list}"),
        ("{{ 'a' if yes }}{{ 'b' if not yes }}", "a"),
        (
            "{% if n > 2 %}big{% elif n > 1 %}small{% else %}none{% endif %}",
            "big",
        ),
        (
            "{% for x in [1, 2] %}{{ x }}{{ ',' if not loop.last }}{% endfor %}",
            "1,2",
        ),
        ("{% for x in [] %}a{% else %}empty{% endfor %}", "empty"),
        ("{% set x = 2 %}{{ x * n }}", "6"),
        ("{% with x = 2 %}{{ x }}{% endwith %}", "2"),
        ("{{ range(3) | join('-') }}", "0-1-2"),
        ("{{ 'ab' ~ 1 ~ true }}", "ab1true"),
        ("{{ n == 3 and 'a' in 'abc' and 2 not in [1] }}", "true"),
        (
            "{{ map.name }}{{ map['n'] }}{{ deep.a.b[0] }}{{ list[-1] }}",
            "m2c1",
        ),
        ("{{ 'HOME' in env }}{{ 'NOPE' in env }}", "truefalse"),
        ("{{ nope is defined }}{{ nope | default('d') }}", "falsed"),
        (
            "{{ map.nope | default('d') }}{{ deep.a.x.y | default('e') }}",
            "de",
        ),
        ("{{ 'héllo'[1:3] }}{{ [1, 2, 3][1:] }}", "él2 3"),
        (
            "{{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 2 }} {{ 2 ** 10 }} {{ -n }}",
            "3 3.5 1 1024 -3",
        ),
    ] {
        assert_eq!(string(source), written, "{source:?}");
    }
}

/// What is written in the file stays code on every way that the language has; whatever touches data is data.
#[test]
fn code_stays_code_and_data_stays_data() {
    for (source, made) in [
        ("cargo build {{ code }}", "cargo build --release --locked"),
        ("x {{ data }} y", "x <a b> y"),
        ("--out {{ env.TAG }}", "--out <v 1>"),
        ("{{ '--flag' if yes else data }}", "--flag"),
        ("{{ data if yes else '--flag' }}", "<a b>"),
        ("{{ empty or '--all --fast' }}", "--all --fast"),
        ("{{ nope | default('--all --fast') }}", "--all --fast"),
        ("{{ empty | default('-v', true) }}", "-v"),
        ("{{ ['-a', data, '-b'] }}", "-a <a b> -b"),
        ("{{ '-o ' ~ data }}", "-o <a b>"),
        ("{{ '-o ' + data }}", "<-o a b>"),
        ("{{ ['a', 'b'] | join(' ') }}", "a b"),
        ("{{ ['a', data] | join(' ') }}", "<a a b>"),
        ("{{ data | replace('a', 'b') }}", "<b b>"),
        ("{{ code | replace('--release', data) }}", "<a b --locked>"),
        ("{{ code | upper }}", "--RELEASE --LOCKED"),
        ("{{ data | upper }}", "<A B>"),
        ("{{ data | split }}", "<a> <b>"),
        ("{{ code | split }}", "--release --locked"),
        ("{{ data | first }}", "<a>"),
        ("{{ list | first }}{{ list[1] }}", "x<y z>"),
        ("{{ data[0] }}{{ data[1:] }}", "<a>< b>"),
        (
            "{{ data | length }} {{ '4' | int }} {{ data == 'a b' }}",
            "3 4 true",
        ),
        ("{{ data | tojson }}", "<\"a b\">"),
        ("{{ '%s' | format(data) }}", "<a b>"),
        ("{{ secret }}", "<s3cret!>"),
        (
            "{{ secret | upper }}{{ secret | sha256 | length }}",
            "<S3CRET!>64",
        ),
        ("{{ 'x' ~ secret ~ data }}", "x<s3cret!><a b>"),
        ("{{ [secret, data] | join('+') }}", "<s3cret+a b!>"),
        ("{{ data | code }}", "a b"),
        ("{{ list | code }}", "x y z 1"),
        (
            "{% set x %}--out {{ data }}{% endset %}{{ x }}",
            "--out <a b>",
        ),
        ("{% filter upper %}a {{ data }}{% endfilter %}", "<A A B>"),
        ("{% for x in list %}{{ x }},{% endfor %}", "x,<y z>,1,"),
        ("{% for k in map %}{{ k }};{% endfor %}", "<name>;<n>;"),
        ("{{ bytes | length }}", "2"),
        ("{{ '*.toml' | glob }}", "<Cargo.toml>"),
        ("{{ '[1, \"x\"]' | from_json }}", "1 x"),
        ("{{ ('[\"' ~ data ~ '\"]') | from_json }}", "<a b>"),
    ] {
        assert_eq!(parts(source), made, "{source:?}");
    }
}

/// A text that became code is still told to whoever masks.
#[test]
fn a_secret_that_becomes_code_is_told() {
    let scope = usual();
    expr::command("x {{ secret | upper | code }}", &scope).expect("a command");
    assert_eq!(
        *scope.bared.lock().expect("not poisoned"),
        [b"S3CRET".to_vec()]
    );
}

/// No filter makes code of data, whichever argument it came by.
#[test]
fn no_filter_but_code_makes_code_of_data() {
    let subjects = [
        "d",
        "l",
        "m",
        "'lit'",
        "['lit']",
        "{'a': 'lit'}",
        "[d]",
        "{'a': d}",
        "n",
        "'MARKER'",
        "nested",
    ];
    let arguments = [
        "",
        "d",
        "d, d",
        "d, d, d",
        "1",
        "1, d",
        "'a', d",
        "'upper', d",
        "attribute=d",
        "d, attribute='a'",
        "attribute='a'",
        "'MARKER', d",
        "d, 'x'",
        "'x', 'MARKER'",
        "l",
        "'=='",
        "'eq', d",
        "'a', 'eq', d",
        "default=d",
        "true, d",
        "'upper'",
        "'replace', 'M', d",
        "'default', d",
        "'join', d",
    ];
    let scope = Scope::of(&[
        ("d", Value::data("MARKER")),
        (
            "l",
            Value::list(vec![Value::data("MARKER"), Value::data("MARKER 2")]),
        ),
        (
            "m",
            map(&[("a", Value::data("MARKER")), ("MARKER", Value::data("b"))]),
        ),
        ("n", Value::Int(0)),
        (
            "nested",
            Value::list(vec![map(&[("a", Value::data("MARKER"))])]),
        ),
    ]);
    let mut tried = HashMap::new();
    for doc in FILTERS.iter().filter(|doc| doc.name != "code") {
        for subject in subjects {
            for argument in arguments {
                let source = format!("{{{{ {subject} | {}({argument}) }}}}", doc.name);
                if subject.contains("MARKER") && !argument.contains('d') && argument != "l" {
                    continue; // the literal is code, and rightly so
                }
                let Ok(made) = expr::text(&source, &scope) else {
                    continue;
                };
                *tried.entry(doc.name).or_insert(0) += 1;
                // A literal that meets no data may be in the result: it is not what is looked for.
                let literal = source.contains("'MARKER'") || source.contains("'lit'");
                no_code(&made, &source, literal);
            }
        }
    }
    let never: Vec<&str> = FILTERS
        .iter()
        .map(|doc| doc.name)
        .filter(|name| *name != "code" && !tried.contains_key(name))
        .collect();
    let by_themselves = [
        "date",
        "duration",
        "from_json",
        "relative_to",
        "version_compare",
    ];
    assert!(
        never.iter().all(|name| by_themselves.contains(name)),
        "never worked: {never:?}"
    );
    for source in [
        "{{ ('\"' ~ d ~ '\"') | from_json }}",
        "{{ d | from_yaml }}",
        "{{ (d ~ ': x') | from_yaml }}",
        "{{ 0 | date('%Y' ~ d) }}",
        "{{ d | relative_to('a') }}",
        "{{ 'a' | relative_to(d) }}",
    ] {
        let made =
            expr::text(source, &scope).unwrap_or_else(|problem| panic!("{source}: {problem:?}"));
        no_code(&made, source, false);
    }
}

fn no_code(value: &Value, source: &str, literal: bool) {
    match value {
        Value::Text(text) => {
            for part in text.parts.iter() {
                if let Part::Code(code) = part {
                    let folded = code.to_lowercase();
                    let data = folded.contains("marker") || folded.contains("rekram");
                    assert!(
                        !data || literal && !source.contains("| replace"),
                        "{source}: {code:?} is code"
                    );
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| no_code(item, source, literal)),
        Value::Map(members) => members
            .iter()
            .for_each(|(_, member)| no_code(member, source, literal)),
        _ => {}
    }
}

/// Each mistake with the part of the text it is about, and a word of the help.
#[test]
fn mistakes_are_shown_where_they_are() {
    for (source, code, about, help) in [
        ("a {{ dta }} b", "unknown-name", "dta", "`data`"),
        ("{{ env.HOMEE }}", "unknown-name", "HOMEE", "`HOME`"),
        ("{{ map.nmae }}", "unknown-name", "nmae", "`name`"),
        ("{{ n.x }}", "unknown-name", "x", ""),
        ("{{ list[9] }}", "unknown-name", "list[9]", ""),
        ("{{ data | upcase }}", "unknown-filter", "", ""),
        ("{{ data | uper }}", "unknown-filter", "", "`upper`"),
        ("{{ data | safe }}", "unknown-filter", "", "| code"),
        ("{{ data is foo }}", "unknown-test", "", ""),
        ("{{ upper(data) }}", "unknown-function", "", "x | upper"),
        ("{{ env('HOME') }}", "unknown-function", "", "range"),
        ("{{ data.split() }}", "unknown-function", "", ""),
        ("a {{ none }}", "not-a-text", "none", "default"),
        ("a {{ map }}", "not-a-text", "map", "tojson"),
        ("{{ data + 1 }}", "types", "data + 1", "~"),
        ("{{ data > 1 }}", "types", "data > 1", "| int"),
        ("{{ n == '3' }}", "types", "n == '3'", "| int"),
        ("{{ n / 0 }}", "number", "n / 0", ""),
        ("{{ 9223372036854775807 + 1 }}", "number", "", ""),
        ("{{ env | items }}", "by-name", "", "env.NAME"),
        (
            "{% for x in env %}{% endfor %}",
            "by-name",
            "env",
            "env.NAME",
        ),
        (
            "{% for x in data %}{% endfor %}",
            "types",
            "data",
            "| split",
        ),
        ("{{ data", "syntax", "", "raw"),
        ("{% if yes %}a", "syntax", "", "raw"),
        ("{{ }}", "syntax", "", "raw"),
        ("{{ a b }}", "syntax", "b", "raw"),
        ("{% include 'x' %}", "syntax", "", "raw"),
        ("{% macro x() %}{% endmacro %}", "syntax", "", "raw"),
        (
            "{% autoescape true %}{% endautoescape %}",
            "forbidden",
            "",
            "",
        ),
        ("{{ 'x' | int }}", "filter", "", ""),
        ("{{ '{' | from_json }}", "filter", "", ""),
        ("{{ 'a' | regex_match('(') }}", "filter", "", ""),
        ("{{ 'x' | date }}", "filter", "", ""),
        ("{{ '5' | duration }}", "filter", "", ""),
        ("{{ '../*' | glob }}", "filter", "", ""),
    ] {
        let problem = problem(source);
        assert_eq!(problem.code, code, "{source:?}: {problem:?}");
        let told = problem.help.as_deref().unwrap_or_default();
        assert!(told.contains(help), "{source:?}: {problem:?}");
        assert!(
            !problem.message.ends_with('.') && !problem.message.is_empty(),
            "{source:?}: {problem:?}"
        );
        let span = problem.span.clone();
        let shown = span.map(|span| {
            source
                .get(span)
                .unwrap_or_else(|| panic!("{source:?}: {problem:?}"))
        });
        assert!(
            about.is_empty() || shown == Some(about),
            "{source:?}: {shown:?} of {problem:?}"
        );
    }
}

/// Nothing that is written in a template can take the machine's time or memory, or its stack.
/// A character that begins no token is no end of an expression: what stands behind it would not be asked.
#[test]
fn an_expression_is_read_to_its_end() {
    for rest in [
        "&& x", "& x", "@", "? x", "; x", "\\ x", "$x", "`x`", "#", "# x", "x", "\u{e9} x", "^ x",
    ] {
        for expression in [
            format!("a == 'b' {rest}"),
            format!("{{{{ a == 'b' {rest} }}}}"),
        ] {
            let checked = flow::expr::check_expression(&expression);
            assert!(!checked.problems.is_empty(), "{expression}");
            assert!(
                flow::expr::expression(&expression, &usual()).is_err(),
                "{expression}"
            );
        }
    }
}

#[test]
fn hostile_templates_end_with_an_error() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{}1{}", open.repeat(times), close.repeat(times))
    };
    for source in [
        "{% for a in range(10000) %}{% for b in range(10000) %}{{ a }}{% endfor %}{% endfor %}".to_owned(),
        "{% for a in range(99999999999) %}{% endfor %}".to_owned(),
        "{{ range(99999999999) | length }}".to_owned(),
        "{{ 'aaaaaaaaaa' * 99999999999 }}".to_owned(),
        "{% set x = 'aaaaaaaaaaaaaaaa' %}{% for i in range(64) %}{% set x = x ~ x %}{% endfor %}{{ x }}".to_owned(),
        "{{ ('a' * 4000000) | replace('a', 'bbbbbbbb' * 100000) }}".to_owned(),
        "{{ '%999999999d' | format(1) }}".to_owned(),
        "{{ 'a' | indent(999999999) }}".to_owned(),
        "{{ [1] | batch(9999999999, 'x') }}".to_owned(),
        "{{ {'a': 1} | tojson(9999999999) }}".to_owned(),
        "{{ 2 ** 99999 }}".to_owned(),
        "{{ ('a' * 100000) | regex_match('(a*)*b{9999}') }}".to_owned(),
        format!("{{{{ {} }}}}", nested("(", ")", 5_000)),
        format!("{{{{ {} }}}}", nested("[", "]", 5_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(5_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(5_000)),
        format!("{{{{ 1{} }}}}", " + 1".repeat(50_000)),
        format!("{{{{ n{} }}}}", ".a".repeat(50_000)),
        format!("{{{{ n{} }}}}", " | string".repeat(50_000)),
        format!("{}{}", "{% if yes %}".repeat(5_000), "{% endif %}".repeat(5_000)),
        format!("{{% if n == 0 %}}{}{{% endif %}}", "{% elif n == 1 %}".repeat(5_000)),
        format!("{}{}", "{% for x in [1] %}".repeat(500), "{% endfor %}".repeat(500)),
        "{{ ".repeat(100_000),
        format!("{{{{ '{}' }}}}", "a".repeat(2 << 20)),
    ] {
        let shown: String = source.chars().take(60).collect();
        match expr::text(&source, &usual()) {
            Ok(made) => assert!(made.bytes().is_ok_and(|bytes| bytes.len() < 9 << 20), "{shown}"),
            Err(problem) => assert!(!problem.message.is_empty(), "{shown}"),
        }
        expr::check_template(&source, Use::Command);
    }
}

/// Random texts: whatever they are, they are read or refused, and what the check accepts can't fail for its form.
#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "{{", "}}", "{%", "%}", "{#", "#}", " ", "x", "data", "list", "map", "1", "1.5", "'a'",
        "\"", "'", "|", "upper", ".", "[", "]", "(", ")", ",", ":", "=", "==", "~", "+", "-", "*",
        "//", "if", "else", "for", "in", "endfor", "endif", "set", "not", "is", "defined", "and",
        "or", "\n", "é", "\\", "\u{0}", "raw", "endraw", "loop", "join", "{", "}",
    ];
    let mut random = fastrand::Rng::with_seed(3);
    let scope = usual();
    for _ in 0..support::rounds(30_000) {
        let source: String = (0..random.usize(1..16))
            .map(|_| pieces[random.usize(..pieces.len())])
            .collect();
        let checked = expr::check_template(&source, Use::Command);
        for found in checked.problems.iter().chain(&checked.warnings) {
            let span = found.span.clone();
            assert!(
                span.is_none_or(|span| source.get(span).is_some()),
                "{source:?}: {found:?}"
            );
        }
        for name in &checked.names {
            assert!(
                source.get(name.span.clone()).is_some(),
                "{source:?}: {name:?}"
            );
        }
        let made = expr::command(&source, &scope);
        if let Err(problem) = made {
            let form = [
                "syntax",
                "unknown-filter",
                "unknown-test",
                "unknown-function",
                "forbidden",
            ];
            assert!(
                !checked.problems.is_empty() || !form.contains(&problem.code),
                "{source:?}: {problem:?}"
            );
        }
        let _ = expr::expression(&source, &scope);
        let _ = expr::check_expression(&source);
    }
}

#[test]
fn the_names_that_a_template_reads_are_known() {
    let names = |source: &str| -> Vec<String> {
        let checked = expr::check_template(source, Use::Command);
        assert!(
            checked.problems.is_empty(),
            "{source:?}: {:?}",
            checked.problems
        );
        let name = |name: &expr::NameUse| {
            let mark = if name.flows { "" } else { "?" };
            assert!(
                source[name.span.clone()].starts_with(&name.path[0]),
                "{source:?}"
            );
            format!("{}{mark}", name.path.join("."))
        };
        checked.names.iter().map(name).collect()
    };
    for (source, read) in [
        ("{{ a.b.c }}", vec!["a.b.c"]),
        ("{{ a['b'].c }}", vec!["a.b.c"]),
        ("{{ a[b].c }}", vec!["b?", "a"]),
        ("{{ a if b else c }}", vec!["b?", "a", "c"]),
        ("{{ a | default(b) }}", vec!["a", "b"]),
        ("{{ a | length }}{{ a == b }}", vec!["a?", "a?", "b?"]),
        (
            "{% for x in a if x > b %}{{ x }}{{ c }}{% endfor %}",
            vec!["a", "b?", "c"],
        ),
        ("{% set x = a %}{{ x }}{{ y }}", vec!["a", "y"]),
        ("{% if a %}{{ b }}{% endif %}", vec!["a?", "b"]),
        ("{{ [a, b ~ c] | join(d) }}", vec!["a", "b", "c", "d"]),
        ("{{ a | code }}", vec!["a?"]),
    ] {
        assert_eq!(names(source), read, "{source:?}");
    }
}
