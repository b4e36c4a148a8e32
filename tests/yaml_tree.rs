//! The spanned tree: shapes, limits, aliases, the way back to bytes of the file, and that nothing makes it panic.

use flow::diagnostic::Found;
use flow::file::locate::locate;
use flow::file::tree::{
    ALIASED_MAX, At, Kind, NodeId, Resolved, Style, Tree, Value, Walk, resolve,
};
use flow::file::yaml::{DEPTH_MAX, parse};

fn codes(found: &Found) -> Vec<&'static str> {
    found.kept().iter().map(|one| one.code).collect()
}

fn tree(text: &str) -> Tree<'_> {
    let (tree, found) = parse(text);
    assert_eq!(codes(&found), Vec::<&str>::new(), "{text}");
    tree
}

/// The whole tree as one line, with aliases and merge keys followed.
fn shape(walk: &mut Walk, at: At) -> String {
    match walk.open(at) {
        Value::Scalar(scalar) => format!("{:?}", scalar.text),
        Value::Nothing => "!".into(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| shape(walk, *item)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(entries) => {
            let entries = entries
                .iter()
                .map(|e| format!("{}={}", shape(walk, e.key), shape(walk, e.value)));
            let entries: Vec<String> = entries.collect();
            format!("{{{}}}", entries.join(" "))
        }
    }
}

fn shown(text: &str) -> String {
    let tree = tree(text);
    let root = tree.root().expect("the text has a document");
    shape(&mut Walk::new(&tree), root)
}

/// What is wrong with a text, and the text under the first label of each.
fn wrong(text: &str) -> Vec<(&'static str, String)> {
    let (_, found) = parse(text);
    let part = |d: &flow::diagnostic::Diagnostic| text[d.labels[0].span.clone()].to_owned();
    found.kept().iter().map(|d| (d.code, part(d))).collect()
}

fn value<'a, 't>(tree: &'a Tree<'t>, key: &str) -> NodeId {
    let root = tree.root().expect("the text has a document");
    let Value::Map(entries) = Walk::new(tree).open(root) else {
        panic!("the root is a map")
    };
    let named = |at: NodeId| tree.scalar(at).is_some_and(|scalar| scalar.text == key);
    entries
        .iter()
        .find(|e| named(e.key.node))
        .expect("the key is there")
        .value
        .node
}

#[test]
fn scalars_lists_and_maps() {
    assert_eq!(
        shown("a: b\nc: [1, 'it''s', \"\\u00e9\"]\n"),
        r#"{"a"="b" "c"=["1" "it's" "é"]}"#
    );
    assert_eq!(shown("a:\nb: ~\nc: ''\n"), r#"{"a"="" "b"="~" "c"=""}"#);
    assert_eq!(
        shown("- a: |\n    x\n    y\n- >-\n  x\n  y\n"),
        r#"[{"a"="x\ny\n"} "x y"]"#
    );
    assert_eq!(
        shown(r#"{"tasks": {"a": ["b", null]}}"#),
        r#"{"tasks"={"a"=["b" "null"]}}"#
    );
}

#[test]
fn a_byte_order_mark_and_crlf_are_tolerated() {
    assert_eq!(
        shown("\u{feff}a: b\r\nc: |\r\n  d\r\n  e\r\n"),
        "{\"a\"=\"b\" \"c\"=\"d\\ne\\n\"}"
    );
}

#[test]
fn spans_are_bytes_of_the_text() {
    let text = "é: \"字\"\nmap: {x: [1,\n  2]}\nblock: |\n  one\n  two\nend: x\n";
    let tree = tree(text);
    let part = |key: &str| &text[tree.span(value(&tree, key))];
    assert_eq!(part("é"), "\"字\"");
    assert_eq!(part("map"), "{x: [1,\n  2]}");
    assert_eq!(part("block"), "one\n  two\n");
    assert_eq!(part("end"), "x");
}

#[test]
fn the_style_is_kept() {
    let text = "a: x\nb: 'x'\nc: \"x\"\nd: |\n  x\ne: >\n  x\n";
    let tree = tree(text);
    let styles = ["a", "b", "c", "d", "e"]
        .map(|key| tree.scalar(value(&tree, key)).expect("a scalar").style);
    assert_eq!(
        styles,
        [
            Style::Plain,
            Style::Single,
            Style::Double,
            Style::Literal,
            Style::Folded
        ]
    );
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    for text in ["", "~", "null", "Null", "NULL"] {
        assert_eq!(resolve(text), Resolved::Null, "{text}");
    }
    for text in [
        "yes", "no", "on", "off", "y", "nUll", "TrUE", "1_000", "0b1", "1:30", "+", ".", "1e",
        "-0x1", "e5", "0o8", "0x", "1.2.3",
    ] {
        assert_eq!(resolve(text), Resolved::Str, "{text}");
    }
    let numbers = [
        ("0", 0),
        ("-12", -12),
        ("+7", 7),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("9223372036854775807", i64::MAX),
    ];
    for (text, number) in numbers {
        assert_eq!(resolve(text), Resolved::Int(number), "{text}");
    }
    let floats = [
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("+.5E-1", 0.05),
        ("9223372036854775808", 9223372036854775808.0),
        ("-.inf", f64::NEG_INFINITY),
    ];
    for (text, number) in floats {
        assert_eq!(resolve(text), Resolved::Float(number), "{text}");
    }
    assert!(matches!(resolve(".nan"), Resolved::Float(n) if n.is_nan()));
    assert_eq!(
        (resolve("true"), resolve("FALSE")),
        (Resolved::Bool(true), Resolved::Bool(false))
    );
}

#[test]
fn quotes_and_tags_decide_what_a_scalar_is() {
    let tree = tree("a: '5'\nb: !!str 5\nc: ! 5\nd: !!int 5\ne: 5\nf: |\n  5\n");
    let resolved = ["a", "b", "c", "d", "e", "f"].map(|key| tree.resolve(value(&tree, key)));
    let text = Resolved::Str;
    assert_eq!(
        resolved,
        [text, text, text, Resolved::Int(5), Resolved::Int(5), text]
    );
}

#[test]
fn aliases_are_references() {
    let text = "a: &x [1, 2]\nb: *x\nc: *x\n";
    let tree = tree(text);
    assert!(
        matches!(tree.node(value(&tree, "b")).kind, Kind::Alias(target) if target == value(&tree, "a"))
    );
    assert_eq!(tree.len(), 9, "an alias is one node");
    assert_eq!(
        shown(text),
        r#"{"a"=["1" "2"] "b"=["1" "2"] "c"=["1" "2"]}"#
    );
    assert_eq!(
        shown("a: &x 1\nb: &x 2\nc: *x\n"),
        r#"{"a"="1" "b"="2" "c"="2"}"#
    );
    assert_eq!(shown("- &k name\n- {*k : v}\n"), r#"["name" {"name"="v"}]"#);
}

#[test]
fn the_first_alias_on_the_way_is_known() {
    let tree = tree("a: &x {k: v}\nb: *x\n");
    let mut walk = Walk::new(&tree);
    let Value::Map(top) = walk.open(tree.root().expect("a document")) else {
        panic!("a map")
    };
    let Value::Map(inner) = walk.open(top[1].value) else {
        panic!("a map")
    };
    assert_eq!(top[1].value.alias, None);
    assert_eq!(inner[0].value.alias, Some(top[1].value.node));
}

#[test]
fn merge_keys_add_what_is_missing() {
    let base = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\n";
    let with = |merge: &str| {
        shown(&format!("{base}z: {merge}\n"))
            .split_once("\"z\"=")
            .expect("z")
            .1
            .to_owned()
    };
    assert_eq!(with("{<<: *x}"), r#"{"a"="1" "b"="2"}}"#);
    assert_eq!(
        with("{<<: *x, b: 9}"),
        r#"{"b"="9" "a"="1"}}"#,
        "explicit keys win"
    );
    assert_eq!(
        with("{<<: [*x, *y]}"),
        r#"{"a"="1" "b"="2" "c"="4"}}"#,
        "the first map wins"
    );
    assert_eq!(with("{<<: [*y, {d: 5}]}"), r#"{"b"="3" "c"="4" "d"="5"}}"#);
    assert_eq!(
        with("{<<: {<<: *x, e: 6}}"),
        r#"{"e"="6" "a"="1" "b"="2"}}"#,
        "merged maps merge too"
    );
    assert_eq!(
        with("{'<<': 1}"),
        r#"{"<<"="1"}}"#,
        "in quotes it is a key like any other"
    );
}

#[test]
fn merge_keys_take_maps_only() {
    assert_eq!(wrong("a: {<<: 5}\n"), [("merge-not-a-map", "5".into())]);
    assert_eq!(
        wrong("a: &a x\nb: {<<: [{k: v}, *a]}\n"),
        [("merge-not-a-map", "*a".into())]
    );
}

#[test]
fn duplicate_keys_name_both_places() {
    let text = "a: 1\nb: 2\n'a': 3\nc: {d: 1, d: 2}\n";
    let (_, found) = parse(text);
    assert_eq!(codes(&found), ["duplicate-key", "duplicate-key"]);
    let spans = |i: usize| {
        found.kept()[i]
            .labels
            .iter()
            .map(|label| label.span.start)
            .collect::<Vec<_>>()
    };
    assert_eq!(spans(1), [text.find("'a'").expect("there"), 0]);
    assert_eq!(
        spans(0),
        [
            text.rfind("d: 2").expect("there"),
            text.find("d: 1").expect("there")
        ]
    );
    assert_eq!(
        wrong("a: {<<: {}, <<: {}}\n"),
        [("duplicate-key", "<<".into())]
    );
}

#[test]
fn keys_are_texts() {
    assert_eq!(wrong("? [a]\n: b\n"), [("complex-key", "[a]".into())]);
    assert_eq!(wrong("&m {a: b}: c\n? *m\n: d\n").len(), 2);
    assert_eq!(
        shown("5: a\nnull: b\n: c\n"),
        r#"{"5"="a" "null"="b" ""="c"}"#
    );
}

#[test]
fn references_that_lead_nowhere_or_in_a_circle() {
    assert_eq!(
        wrong("a: *x\nb: *x\n"),
        [
            ("unknown-anchor", "*x".into()),
            ("unknown-anchor", "*x".into())
        ]
    );
    assert_eq!(wrong("a: &x\n  b: [*x]\n"), [("alias-cycle", "*x".into())]);
    assert_eq!(wrong("a: &x\n  <<: *x\n"), [("alias-cycle", "*x".into())]);
    assert_eq!(
        wrong("a: !x y\nb: !!seq z\n"),
        [
            ("unknown-tag", "!x".into()),
            ("unknown-tag", "!!seq".into())
        ]
    );
}

#[test]
fn one_document_and_no_directives() {
    assert_eq!(shown("---\na: b\n...\n"), r#"{"a"="b"}"#);
    assert_eq!(
        wrong("a: b\n---\nc: d\n"),
        [("several-documents", "---".into())]
    );
    assert_eq!(
        wrong("%YAML 1.1\n---\na: b\n"),
        [("yaml-syntax", "%YAML 1.1".into())]
    );
    assert!(tree("# nothing\n").root().is_none());
}

#[test]
fn depth_is_limited() {
    let nested = |n: usize| format!("{}x{}", "[".repeat(n), "]".repeat(n));
    tree(&nested(DEPTH_MAX));
    for text in [
        nested(DEPTH_MAX + 1),
        nested(100_000),
        "[".repeat(100_000),
        "- ".repeat(10_000),
        "? ".repeat(10_000),
    ] {
        let (tree, found) = parse(&text);
        assert_eq!((codes(&found), tree.root()), (vec!["too-deep"], None));
    }
}

#[test]
fn size_is_limited() {
    assert_eq!(codes(&parse(&"x".repeat(10_000_001)).1), ["too-large"]);
    assert_eq!(
        codes(&parse(&format!("[{}]", "a,".repeat(1_000_001))).1),
        ["too-large"]
    );
}

#[test]
fn what_is_reached_through_aliases_is_limited() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..30 {
        let items = vec![format!("*a{}", i - 1); 9].join(", ");
        bomb += &format!("a{i}: &a{i} [{items}]\n");
    }
    let tree = tree(&bomb);
    let mut walk = Walk::new(&tree);
    let text = shape(
        &mut walk,
        At {
            node: value(&tree, "a29"),
            alias: None,
        },
    );
    assert!(text.len() < 100 * ALIASED_MAX);
    assert!(walk.stopped().is_some());
}

#[test]
fn what_merge_keys_bring_in_is_limited() {
    let mut bomb = String::from("a0: &a0 {x: y}\n");
    for i in 1..30 {
        let items = vec![format!("*a{}", i - 1); 9].join(", ");
        bomb += &format!("a{i}: &a{i} {{<<: [{items}]}}\n");
    }
    let tree = tree(&bomb);
    let mut walk = Walk::new(&tree);
    assert_eq!(
        shape(
            &mut walk,
            At {
                node: value(&tree, "a29"),
                alias: None
            }
        ),
        r#"{"x"="y"}"#
    );
    assert!(walk.stopped().is_some());
}

#[test]
fn a_modest_use_of_aliases_is_no_bomb() {
    let mut text = String::from("base: &b {shell: sh, dir: x}\n");
    (0..1_000).for_each(|i| text += &format!("t{i}: {{<<: *b, run: x}}\n"));
    let tree = tree(&text);
    let mut walk = Walk::new(&tree);
    shape(&mut walk, tree.root().expect("a document"));
    assert_eq!(walk.stopped(), None);
}

#[test]
fn control_characters_are_refused_before_parsing() {
    assert_eq!(wrong("a: \0b"), [("control-character", "\0".into())]);
    assert_eq!(
        wrong("a: \"x\x1b[31m\""),
        [("control-character", "\x1b".into())]
    );
    assert_eq!(wrong("a: x\x7f"), [("control-character", "\x7f".into())]);
    assert_eq!(
        shown("a: \"\\x1b\\0\"\t# tab\r\n"),
        "{\"a\"=\"\\u{1b}\\0\"}"
    );
}

#[test]
fn slips_are_explained() {
    let help = |text: &str| {
        let (tree, found) = parse(text);
        assert!(
            tree.root().is_none() || codes(&found) == ["unquoted-braces"],
            "{text}"
        );
        assert_eq!(found.len(), 1, "{text}");
        let one = &found.kept()[0];
        let part = text[one.labels[0].span.clone()].to_owned();
        (one.code, part, one.help.clone().unwrap_or_default())
    };
    let table = [
        (
            "a:\n\tb: c\n",
            "tab-indentation",
            "\t",
            "indent with spaces, in a block of text too",
        ),
        (
            "a: b\n\tc: d\n",
            "tab-indentation",
            "\t",
            "indent with spaces, in a block of text too",
        ),
        (
            "a: |\n\techo\n",
            "tab-indentation",
            "\t",
            "indent with spaces, in a block of text too",
        ),
        (
            "- echo a: b: c\n",
            "unquoted-colon",
            ":",
            "put quotes around the whole value: \"echo a: b: c\"",
        ),
        (
            "run: echo a: b\n",
            "unquoted-colon",
            ":",
            "put quotes around the whole value: \"echo a: b\"",
        ),
        (
            "run: say \"a\": b\n",
            "unquoted-colon",
            ":",
            "put quotes around the whole value: 'say \"a\": b'",
        ),
        (
            "run: {{ x }}\n",
            "unquoted-braces",
            "{{ x }}",
            "put quotes around the whole value: \"{{ x }}\"",
        ),
        (
            "run: {{ x }}/y\n",
            "unquoted-braces",
            "{{ x }}",
            "put quotes around the whole value: \"{{ x }}/y\"",
        ),
        (
            "- {% if x %}y\n",
            "unquoted-braces",
            "{% if x %}",
            "put quotes around the whole value: \"{% if x %}y\"",
        ),
        (
            "run: [{{ x }}, y]\n",
            "unquoted-braces",
            "{{ x }}",
            "put quotes around the whole value: \"{{ x }}\"",
        ),
        (
            "a: @x y\n",
            "yaml-syntax",
            "@",
            "commands are shown unless the task has 'silent: true'; write \"x y\"",
        ),
        (
            "a: \"b\" c\n",
            "yaml-syntax",
            "c",
            "put quotes around the whole value: '\"b\" c'",
        ),
        (
            "a: \"b\n",
            "yaml-syntax",
            "\"",
            "close it at the end of the text",
        ),
        (
            "a: \"x\\dy\"\n",
            "yaml-syntax",
            "\\d",
            r"write '\\' for a backslash, or use single quotes",
        ),
        ("a: [b, c\n", "yaml-syntax", "[", "add the ']'"),
        (
            "a: [b}\n",
            "yaml-syntax",
            "[",
            "close '[' with ']', not with '}'",
        ),
        (
            "a: x ]\nb: ]\n",
            "yaml-syntax",
            "]",
            "remove it, or quote the value",
        ),
        (
            "a: - b\n",
            "yaml-syntax",
            "-",
            "put each '-' on a line of its own below the key, or write '[a, b]'",
        ),
        (
            "a: b\nc\n",
            "yaml-syntax",
            "c",
            "write 'key: value', or indent it as part of the value above",
        ),
        (
            "a:\n  b: c\n d: e\n",
            "yaml-syntax",
            "d: e",
            "begin the line in the same column as the keys or '-' that it belongs with",
        ),
    ];
    for (text, code, part, wanted) in table {
        assert_eq!(
            help(text),
            (code, part.to_owned(), wanted.to_owned()),
            "{text}"
        );
    }
}

/// A scalar as it is written, its value, and for each byte of the value the byte it was written at.
#[derive(Default)]
struct Written {
    text: String,
    value: String,
    places: Vec<usize>,
}

impl Written {
    /// Writes something that stands for a part of the value.
    fn put(&mut self, written: &str, value: &str) {
        let verbatim = written == value;
        self.places
            .extend((0..value.len()).map(|i| self.text.len() + if verbatim { i } else { 0 }));
        self.text.push_str(written);
        self.value.push_str(value);
    }

    fn skip(&mut self, written: &str) {
        self.text.push_str(written);
    }
}

struct Random {
    rng: fastrand::Rng,
    newline: &'static str,
    indent: String,
}

const WORD: &[&str] = &[
    "a", "b", "Z", "0", "é", "字", "🙂", "-", "/", "{{", "}}", "'", "\"", "\\", "$", "\u{301}",
];

impl Random {
    fn word(&mut self, style: Style) -> Vec<&'static str> {
        let mut word = vec!["w"];
        (0..self.rng.usize(0..6)).for_each(|_| word.push(WORD[self.rng.usize(0..WORD.len())]));
        if style == Style::Plain {
            word
        } else {
            word.split_off(self.rng.usize(0..2).min(word.len() - 1))
        }
    }

    fn line_end(&mut self, out: &mut Written, value: &str) {
        out.put(self.newline, value);
    }

    fn indentation(&mut self, out: &mut Written) {
        let indent = self.indent.clone();
        out.skip(&indent);
    }

    /// Words with spaces and line ends between them, in the given style.
    fn scalar(&mut self, style: Style) -> Written {
        let mut out = Written::default();
        match style {
            Style::Single => out.skip("'"),
            Style::Double => out.skip("\""),
            Style::Plain => {}
            Style::Literal | Style::Folded => return self.block(style),
        }
        for i in 0..self.rng.usize(1..6) {
            if i > 0 {
                self.flow_separator(&mut out, style);
            }
            for part in self.word(style) {
                self.flow_part(&mut out, style, part);
            }
        }
        out.skip(match style {
            Style::Single => "'",
            Style::Double => "\"",
            _ => "",
        });
        out
    }

    fn flow_separator(&mut self, out: &mut Written, style: Style) {
        match self.rng.usize(0..5) {
            0 => out.put(" ", " "),
            1 if style == Style::Double => out.put("\\n", "\n"),
            kind => {
                out.skip(if self.rng.bool() { "  " } else { "" });
                let kept = kind.saturating_sub(2);
                self.line_end(out, if kept == 0 { " " } else { "" });
                for _ in 0..kept {
                    out.skip(if self.rng.bool() { "   " } else { "" });
                    self.line_end(out, "\n");
                }
                self.indentation(out);
            }
        }
    }

    fn flow_part(&mut self, out: &mut Written, style: Style, part: &str) {
        match (style, part) {
            (Style::Single, "'") => out.put("''", "'"),
            (Style::Double, "\"" | "\\") => out.put(&format!("\\{part}"), part),
            (Style::Double, _) => part.chars().for_each(|c| self.escaped(out, c)),
            _ => out.put(part, part),
        }
    }

    fn escaped(&mut self, out: &mut Written, c: char) {
        let (value, n) = (c.to_string(), c as u32);
        match self.rng.usize(0..6) {
            0 if n < 0x100 => out.put(&format!("\\x{n:02x}"), &value),
            1 if n < 0x10000 => out.put(&format!("\\u{n:04X}"), &value),
            2 => out.put(&format!("\\U{n:08x}"), &value),
            3 if n >= 0x10000 => {
                let mut pair = [0; 2];
                c.encode_utf16(&mut pair);
                out.put(&format!("\\u{:04x}\\u{:04x}", pair[0], pair[1]), &value);
            }
            4 => {
                out.skip("\\");
                out.skip(self.newline);
                self.indentation(out);
                out.put(&value, &value);
            }
            _ => out.put(&value, &value),
        }
    }

    fn block(&mut self, style: Style) -> Written {
        let mut out = Written::default();
        let chomp = ["", "-", "+"][self.rng.usize(0..3)];
        out.skip(if style == Style::Literal { "|" } else { ">" });
        out.skip(chomp);
        out.skip(self.newline);
        (0..self.rng.usize(0..3)).for_each(|_| self.line_end(&mut out, "\n"));
        self.indentation(&mut out);
        for i in 0..self.rng.usize(1..6) {
            if i > 0 {
                self.block_separator(&mut out, style);
            }
            self.word(style)
                .into_iter()
                .for_each(|part| out.put(part, part));
        }
        self.line_end(&mut out, if chomp == "-" { "" } else { "\n" });
        (0..self.rng.usize(0..3))
            .for_each(|_| self.line_end(&mut out, if chomp == "+" { "\n" } else { "" }));
        out
    }

    fn block_separator(&mut self, out: &mut Written, style: Style) {
        let kept = self.rng.usize(0..4);
        match (kept, style) {
            (0, Style::Folded) if self.rng.bool() => self.line_end(out, " "),
            (0, _) => return out.put(" ", " "),
            (_, Style::Folded) => {
                self.line_end(out, "");
                (0..kept).for_each(|_| self.line_end(out, "\n"));
            }
            _ => (0..kept).for_each(|_| self.line_end(out, "\n")),
        }
        self.indentation(out);
    }
}

#[test]
fn every_byte_of_a_value_is_found_in_the_file() {
    for seed in 0..4_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let newline = if rng.bool() { "\n" } else { "\r\n" };
        let indent = " ".repeat(rng.usize(2..6));
        let style = [
            Style::Plain,
            Style::Single,
            Style::Double,
            Style::Literal,
            Style::Folded,
        ][rng.usize(0..5)];
        let mut random = Random {
            rng,
            newline,
            indent,
        };
        let scalar = random.scalar(style);
        let before = format!("# ä{newline}key: ");
        let end = if scalar.text.starts_with(['|', '>']) {
            ""
        } else {
            newline
        };
        let text = format!("{before}{}{end}end: x{newline}", scalar.text);
        let tree = tree(&text);
        let node = value(&tree, "key");
        assert_eq!(
            tree.scalar(node).expect("a scalar").text,
            scalar.value,
            "seed {seed}: {text:?}"
        );
        for (byte, place) in scalar.places.iter().enumerate() {
            let found = locate(&tree, node, byte);
            assert_eq!(
                found,
                before.len() + place,
                "seed {seed}, byte {byte} of {:?} in {text:?}",
                scalar.value
            );
        }
    }
}

#[test]
fn a_place_is_found_by_hand_too() {
    let text = "a: >-\n    one {{ x }}\n    two\n\n      more {{ y }}\n    {{ z }}\n";
    let tree = tree(text);
    let node = value(&tree, "a");
    let decoded = tree.scalar(node).expect("a scalar").text.to_string();
    for name in ["{{ x }}", "{{ y }}", "{{ z }}"] {
        let at = decoded.find(name).expect("it is there");
        assert_eq!(
            locate(&tree, node, at),
            text.find(name).expect("it is there")
        );
    }
    assert_eq!(
        locate(&tree, node, 10_000),
        tree.span(node).start,
        "beyond the value it is the scalar"
    );
    assert_eq!(
        locate(&tree, tree.root().expect("a map").node, 3),
        0,
        "of a map it is its start"
    );
}

const SEEDS: [&str; 5] = [
    "version: 1\ntasks:\n  build: cargo build\n  test:\n    depends_on: [build]\n    run:\n      - cargo test\n      - |\n        echo a\n        echo b\n",
    "x-base: &base {dir: sub, env: {A: 1, B: \"t\\u00e9\\n\"}}\ntasks:\n  a:\n    <<: *base\n    run: >-\n      one\n      two {{ x }}\n\n       three\n  b: {<<: [*base], run: 'it''s'}\n",
    "{\"tasks\": {\"ä字🙂\": {\"run\": [\"a\", \"\\ud83d\\ude42\"], \"desc\": \"x\"}}}",
    "\u{feff}tasks:\r\n  a: &a\r\n    run: \"x\\\r\n      y\"\r\n  ? b\r\n  : *a\r\n",
    "tasks:\n  a: {{ x }}/b\n  c: !!str 5\n---\n- a: &x [*x]\n  ? [b]\n  : |2+\n     c\n\n",
];

/// Reads whatever it is, looks at all of it, and renders what is wrong.
fn look_at(text: &str) {
    let (tree, found) = parse(text);
    for one in found.kept() {
        assert!(
            one.labels
                .iter()
                .all(|l| l.span.start <= l.span.end && l.span.end <= text.len()),
            "{one:?}"
        );
    }
    if let Some(root) = tree.root() {
        let mut walk = Walk::new(&tree);
        look_below(&mut walk, root);
    }
    let path = std::path::Path::new("/w/Workflowfile.yml");
    if let Err(wrong) = flow::file::from_bytes("w", text.as_bytes().to_vec(), path) {
        let shown = wrong.render(true) + &wrong.render(false);
        assert!(
            wrong.has_errors() && !shown.contains(['\0', '\u{202e}']),
            "{text:?}"
        );
    }
}

fn look_below(walk: &mut Walk, at: At) {
    match walk.open(at) {
        Value::Scalar(scalar) => {
            (0..=scalar.text.len()).for_each(|byte| {
                assert!(locate(walk.tree(), at.node, byte) <= walk.tree().text().len())
            });
        }
        Value::List(items) => items.into_iter().for_each(|item| look_below(walk, item)),
        Value::Map(entries) => entries.into_iter().for_each(|entry| {
            look_below(walk, entry.key);
            look_below(walk, entry.value);
        }),
        Value::Nothing => {}
    }
}

#[test]
fn no_prefix_makes_it_panic() {
    for text in SEEDS {
        (0..=text.len())
            .filter(|end| text.is_char_boundary(*end))
            .for_each(|end| look_at(&text[..end]));
    }
}

const PIECES: &[&str] = &[
    "\n", "\r", "\t", " ", "  ", ": ", "- ", "? ", "[", "]", "{", "}", "{{", "}}", ",", "\"", "'",
    "\\", "|\n", ">-\n", "|2\n", "&a ", "*a", "<<: ", "!!str ", "!x ", "#", "---\n", "...\n", "%",
    "@", "é", "字", "\u{feff}", "\u{202e}", "\u{85}", "\u{7f}", "\0", "\x1b", "tasks:", "run:",
    "null", "\\u", "\\x", "0x", "é: ", "\u{2028}",
];

#[test]
fn no_change_makes_it_panic() {
    for seed in 0..6_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut text: Vec<char> = SEEDS[rng.usize(0..SEEDS.len())].chars().collect();
        for _ in 0..rng.usize(1..6) {
            let (from, to) = (rng.usize(0..=text.len()), rng.usize(0..=text.len()));
            match rng.usize(0..4) {
                0 => drop(text.drain(from..(from + 3).min(text.len()))),
                1 => drop(text.splice(from..from, text[from.min(to)..to].to_vec())),
                2 => text.truncate(from.max(1)),
                _ => drop(text.splice(from..from, PIECES[rng.usize(0..PIECES.len())].chars())),
            }
        }
        look_at(&text.into_iter().collect::<String>());
    }
}

#[test]
fn no_bytes_make_it_panic() {
    for seed in 0..4_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let pieces = (0..rng.usize(0..40)).map(|_| PIECES[rng.usize(0..PIECES.len())]);
        look_at(&pieces.collect::<String>());
        let bytes: Vec<u8> = (0..rng.usize(0..60)).map(|_| rng.u8(..)).collect();
        let wrong = flow::file::from_bytes("w", bytes, std::path::Path::new("w")).map(|_| ());
        assert!(wrong.is_err_and(|wrong| !wrong.render(false).is_empty()));
    }
}
