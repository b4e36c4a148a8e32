//! What a Workflowfile means, what is wrong with one, and how that is said.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use flow::diagnostic::{
    Diagnostic, Diagnostics, Found, KEPT_MAX, Lines, Severity, Source, visible,
};
use flow::file::keys::{self, FOREIGN, KEYS, Scope};
use flow::file::{find, from_bytes, load};
use flow::model::language::{Action, Place, Task, Workflow};

fn read(text: &str) -> Result<Workflow, Diagnostics> {
    from_bytes(
        "Workflowfile.yml",
        text.into(),
        Path::new("/w/Workflowfile.yml"),
    )
    .map(|loaded| {
        assert!(loaded.warnings.is_empty());
        loaded.workflow
    })
}

fn good(text: &str) -> Workflow {
    read(text).unwrap_or_else(|wrong| panic!("{text}\n{wrong}"))
}

fn bad(text: &str) -> Diagnostics {
    read(text).map(|_| ()).expect_err(text)
}

/// The code of each error, with the text it is about.
fn wrong(text: &str) -> Vec<(&'static str, String)> {
    let all = bad(text);
    all.iter()
        .map(|(source, one)| (one.code, source.text[one.labels[0].span.clone()].to_owned()))
        .collect()
}

/// The only error: its code, the text it is about, and what to write instead.
fn only(text: &str) -> (&'static str, String, String) {
    let all = bad(text);
    assert_eq!(all.len(), 1, "{all}");
    let (source, one) = all.iter().next().expect("there is one");
    let part = source.text[one.labels[0].span.clone()].to_owned();
    (
        one.code,
        part,
        one.help
            .clone()
            .expect("every error says what to write instead"),
    )
}

fn task(text: &str) -> Task {
    good(&format!("tasks:\n  other: x\n  a:\n{text}"))
        .tasks
        .swap_remove(1)
}

fn place(line: u32, column: u32) -> Place {
    Place {
        file: 0,
        line,
        column,
    }
}

/// The tasks that it depends on, by number.
fn needs(task: &Task) -> Vec<usize> {
    task.depends_on.iter().map(|need| need.task).collect()
}

/// Its environment.
fn env(task: &Task) -> Vec<(&str, &str)> {
    let env = task.env.iter();
    env.map(|variable| (variable.name.as_str(), &*variable.value.text))
        .collect()
}

fn dir(task: &Task) -> Option<&str> {
    task.dir.as_ref().map(|dir| &*dir.text)
}

fn commands(task: &Task) -> Vec<&str> {
    task.steps
        .iter()
        .map(|step| match &step.action {
            Action::Run(command) => &*command.text,
            _ => panic!("it is no command"),
        })
        .collect()
}

#[test]
fn the_smallest_file() {
    let workflow = good(
        "tasks:\n  build: cargo build --release\n  test:\n    depends_on: [build]\n    run: cargo test\n",
    );
    assert_eq!(workflow.files[0].path, Path::new("/w/Workflowfile.yml"));
    assert_eq!(workflow.files[0].dir, Path::new("/w"));
    assert_eq!((workflow.name, workflow.desc), (None, None));
    let [build, test] = &workflow.tasks[..] else {
        panic!("two tasks")
    };
    assert_eq!(
        (build.name.as_str(), commands(build)),
        ("build", vec!["cargo build --release"])
    );
    assert_eq!((dir(build), env(build), &build.desc), (None, vec![], &None));
    assert_eq!(build.place, place(2, 3));
    assert_eq!(build.steps[0].place, place(2, 10));
    assert_eq!((needs(test), commands(test)), (vec![0], vec!["cargo test"]));
    assert_eq!(test.steps[0].place, place(5, 10));
}

#[test]
fn all_keys_of_this_version() {
    let text = "version: 1\nname: demo\ndesc: |\n  What it is.\n  More.\nx-mine: [1, {}]\n.base: {a: null}\ntasks:\n  a: x\n";
    let workflow = good(text);
    assert_eq!(workflow.name.as_deref(), Some("demo"));
    assert_eq!(workflow.desc.as_deref(), Some("What it is.\nMore.\n"));
    let task = task(
        "    desc: Does it\n    dir: sub/../deep\n    env: {A: x}\n    depends_on: other\n    run: [one, two]\n",
    );
    assert_eq!(task.desc.as_deref(), Some("Does it"));
    assert_eq!(dir(&task), Some("sub/../deep"));
    assert_eq!(env(&task), [("A", "x")]);
    assert_eq!(
        (needs(&task), commands(&task)),
        (vec![0], vec!["one", "two"])
    );
}

#[test]
fn json_is_yaml() {
    let workflow = good(r#"{"tasks": {"a": {"run": ["x", "y\n"], "env": {"N": 1.50}}}}"#);
    assert_eq!(commands(&workflow.tasks[0]), ["x", "y\n"]);
    assert_eq!(env(&workflow.tasks[0])[0].1, "1.50");
    assert_eq!(workflow.tasks[0].place, place(1, 12));
}

#[test]
fn one_value_will_do_for_a_list() {
    assert_eq!(commands(&task("    run: one\n")), ["one"]);
    assert_eq!(
        commands(&task("    run: |\n      one\n      two\n")),
        ["one\ntwo\n"]
    );
    assert_eq!(needs(&task("    depends_on: other\n")), [0]);
    assert_eq!(
        needs(&task("    depends_on: [other, other]\n")),
        [0],
        "each once"
    );
    assert!(task("    depends_on: other\n").steps.is_empty());
    assert!(task("    run: []\n").steps.is_empty());
}

#[test]
fn true_and_false_are_commands() {
    assert_eq!(
        commands(&task("    run: [true, false]\n")),
        ["true", "false"]
    );
    assert_eq!(commands(&good("tasks: {a: true}\n").tasks[0]), ["true"]);
    assert_eq!(
        only("tasks: {a: 5}\n").2,
        "put quotes around it if that is a command: \"5\""
    );
}

#[test]
fn values_of_the_environment_are_taken_as_written() {
    let task = task(
        "    run: x\n    env:\n      A: 0644\n      B: yes\n      C: true\n      D: 1.10\n      E: ''\n      F: |\n        x\n",
    );
    let values: Vec<&str> = env(&task).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["0644", "yes", "true", "1.10", "", "x\n"]);
    let of = |value: &str| only(&format!("tasks: {{a: {{run: x, env: {{N: {value}}}}}}}\n"));
    assert_eq!(
        of("null"),
        (
            "wrong-type",
            "null".into(),
            "write 'N: \"\"' for an empty one".into()
        )
    );
    assert_eq!(of("[1]").0, "wrong-type");
    assert_eq!(of("{sh: date}").0, "wrong-type");
    assert_eq!(
        wrong("tasks: {a: {run: x, env: {A=B: x, '': y}}}\n").len(),
        2
    );
    assert_eq!(
        only("tasks: {a: {run: x, env: [A=b]}}\n").2,
        "write each variable as 'NAME: value'"
    );
}

#[test]
fn anchors_aliases_and_merge_keys_work() {
    let text = "x-base: &base\n  dir: sub\n  env: &env {A: 1}\ntasks:\n  a:\n    <<: *base\n    run: &run [x, y]\n  b: {<<: *base, dir: own, run: *run}\n  c: {run: z, env: *env}\n";
    let workflow = good(text);
    let dirs: Vec<Option<&str>> = workflow.tasks.iter().map(dir).collect();
    assert_eq!(dirs, [Some("sub"), Some("own"), None]);
    let all = workflow.tasks.iter();
    assert!(all.map(env).all(|env| env == [("A", "1")]));
    assert_eq!(commands(&workflow.tasks[1]), ["x", "y"]);
}

#[test]
fn an_error_below_an_alias_shows_both_places() {
    let shown = bad("x-l: &l [a]\ntasks:\n  b: {run: x, desc: *l}\n").render(false);
    let wanted = "\
error[wrong-type]: 'desc' is a text, but this is a list
 --> Workflowfile.yml:1:9
  |
1 | x-l: &l [a]
  |         ^^^
...
3 |   b: {run: x, desc: *l}
  |                     -- used here
  = help: write what it is for, or remove the key
";
    assert_eq!(shown, wanted);
}

#[test]
fn dir_is_not_empty() {
    assert_eq!(only("tasks: {a: {run: x, dir: ''}}\n").0, "empty-dir");
    assert_eq!(only("tasks: {a: {run: x, dir: }}\n").0, "wrong-type");
}

#[test]
fn names_of_tasks() {
    for name in [
        "a",
        "_",
        "9",
        "a-b",
        "a.b/c",
        "web:build",
        "a:b:c",
        "größe",
        "x-y",
        "1.2",
    ] {
        assert_eq!(good(&format!("tasks:\n  {name}: x\n")).tasks[0].name, name);
    }
    let table = [
        ("a=b", "="),
        ("a b", " "),
        ("-a", "-"),
        (".a", "."),
        ("a:-b", "-"),
        ("a:", ":"),
        (":a", ":"),
        ("a::b", ":"),
        ("a*", "*"),
        ("a\u{202e}", "\u{202e}"),
        ("a,b", ","),
    ];
    for (name, part) in table {
        let (code, at, help) = only(&format!("tasks:\n  \"{name}\": x\n"));
        assert_eq!((code, at.as_str()), ("task-name", part), "{name}");
        assert!(help.starts_with("a name has letters, digits, "), "{help}");
    }
    assert_eq!(only("tasks: {'': x}\n").0, "task-name");
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    let of = |key: &str| only(&format!("tasks:\n  a:\n    run: x\n    {key}: y\n"));
    let of_tasks = KEYS
        .iter()
        .filter(|key| key.scope == Scope::Task && keys::is_built(key));
    let names: Vec<&str> = of_tasks.map(|key| key.name).collect();
    let all = format!("the keys that can stand here are: {}", names.join(", "));
    let table = [
        ("dependson", "write 'depends_on'"),
        ("dependsOn", "write 'depends_on'"),
        ("depends-on", "write 'depends_on'"),
        ("dessc", "write 'desc'"),
        ("deps", "write 'depends_on'"),
        ("needs", "write 'depends_on'"),
        ("cmds", "write 'run'"),
        ("workingDirectory", "write 'dir'"),
        ("working-directory", "write 'dir'"),
        ("when", "write 'if'"),
        ("srcs", "write 'sources'"),
        ("loop", "write 'for'"),
        ("timeot", "write 'timeout'"),
        ("zzz", all.as_str()),
    ];
    for (key, help) in table {
        assert_eq!(of(key), ("unknown-key", key.to_owned(), help.to_owned()));
    }
    assert_eq!(
        only("jobs: {a: x}\n"),
        ("unknown-key", "jobs".into(), "write 'tasks'".into())
    );
    assert_eq!(
        wrong("build: cargo build\n")
            .iter()
            .map(|(code, _)| *code)
            .collect::<Vec<_>>(),
        ["unknown-key", "no-tasks"]
    );
}

#[test]
fn what_is_not_built_yet_is_refused_by_name() {
    for key in KEYS.iter().filter(|key| !keys::is_built(key)) {
        let text = match key.scope {
            Scope::File => format!("{}: {{}}\ntasks: {{a: x}}\n", key.name),
            Scope::Task => format!("tasks: {{a: {{run: x, {}: y}}}}\n", key.name),
            Scope::Step => format!("tasks: {{a: {{run: [{{{}: y}}]}}}}\n", key.name),
            _ => continue,
        };
        let (code, part, _) = only(&text);
        assert_eq!((code, part.as_str()), ("not-in-this-version", key.name));
    }
    assert_eq!(
        only("tasks: {a: {service: true}}\n").0,
        "not-in-this-version",
        "and nothing about missing work"
    );
}

#[test]
fn names_in_expressions_are_underlined_where_they_stand() {
    let of = |text: &str| only(&format!("tasks:\n  a:\n    run: x\n{text}"));
    for text in [
        "    dir: \"a/{{ xy }}\"\n",
        "    env: {A: \"a{{ xy }}\"}\n",
        "    vars: {a: ['{{ xy }}']}\n",
        "    vars: {a: {ref: xy}}\n",
        "    vars: {a: {sh: \"echo '{{ xy }}'\"}}\n",
        "    params: {a: {default: \"{{ xy }}\"}}\n",
    ] {
        assert_eq!(
            (of(text).0, of(text).1.as_str()),
            ("unknown-name", "xy"),
            "{text}"
        );
    }
    let run = |text: &str| only(&format!("tasks:\n  a:\n    run:\n{text}"));
    assert_eq!(
        run("      - >-\n        one\n        é {% if xy %} {% endif %}\n").1,
        "xy"
    );
    assert_eq!(run("      - \"\\u00e9 {{ \\\"x\\\" ~ xy }}\"\n").1, "xy");
    assert_eq!(
        commands(&task("    run: 'echo ${#a} {#x#} { { % }'\n")),
        ["echo ${#a} {#x#} { { % }"]
    );
    assert_eq!(only("tasks:\n  a: {{ x }}\n").0, "unquoted-braces");
    assert_eq!(
        task("    desc: a {% raw %}{{ x }}{% endraw %} b\n    run: x\n")
            .desc
            .as_deref(),
        Some("a {{ x }} b")
    );
}

#[test]
fn commands_that_are_none() {
    let of = |step: &str| only(&format!("tasks:\n  a:\n    run:\n      - {step}\n"));
    assert_eq!(
        of("echo a: b").2,
        "put quotes around the whole command: \"echo a: b\""
    );
    assert_eq!(of("echo a: b").0, "unquoted-colon");
    assert_eq!(of("cmd: x").2, "write 'run'");
    assert_eq!(
        (of("''").0, of("'  '").0),
        ("empty-command", "empty-command")
    );
    assert_eq!(
        (of("null").0, of("").0, of("[x]").0, of("{}").0),
        ("wrong-type", "wrong-type", "wrong-type", "wrong-type")
    );
    assert_eq!(of("5").0, "wrong-type");
    assert_eq!(of("\"a\\0b\"").0, "nul-character");
    assert_eq!(of("\"a\\0b\"").1, "\\0");
}

#[test]
fn tasks_that_do_nothing() {
    for value in ["", " null", " {}", " {desc: x}", " {env: {A: b}}"] {
        let (code, part, help) = only(&format!("tasks:\n  a:{value}\n"));
        assert_eq!((code, part.as_str()), ("no-work", "a"), "{value}");
        assert_eq!(
            help,
            "write 'run:' with a command, or 'depends_on:' with the tasks that it stands for"
        );
    }
    assert_eq!(only("tasks: {a: []}\n").0, "no-work");
}

#[test]
fn dependencies_that_are_not_there() {
    assert_eq!(
        only("tasks: {build: x, a: {depends_on: [biuld]}}\n"),
        (
            "unknown-task",
            "biuld".into(),
            "did you mean 'build'?".into()
        )
    );
    assert_eq!(
        only("tasks: {a: {depends_on: zzz}}\n").2,
        "write the name of a task of this file"
    );
    assert_eq!(only("tasks: {a: {depends_on: [null]}}\n").0, "wrong-type");
    assert_eq!(only("tasks: {a: {depends_on: a}}\n").0, "task-cycle");
    let text = "tasks: {a: {depends_on: ['b c']}, b c: x}\n";
    assert_eq!(
        only(text).0,
        "task-name",
        "a task with a wrong name is there all the same"
    );
}

#[test]
fn the_nearest_name_is_suggested_and_none_that_is_far() {
    let help = |names: &str, word: &str| {
        let tasks: String = names
            .split(' ')
            .map(|name| format!("{name}: x, "))
            .collect();
        only(&format!("tasks: {{{tasks} a: {{depends_on: {word}}}}}\n")).2
    };
    assert_eq!(
        help("build-alt build-all", "bild-all"),
        "did you mean 'build-all'?"
    );
    assert_eq!(
        help("build-all build-alt", "bild-all"),
        "did you mean 'build-all'?"
    );
    assert_eq!(help("Build_All", "build-all"), "did you mean 'Build_All'?");
    assert_eq!(
        help("deploy", "build"),
        "write the name of a task of this file"
    );
    assert_eq!(
        help("b", "c"),
        "write the name of a task of this file",
        "a letter is like any other"
    );
}

#[test]
fn files_without_tasks_get_an_example() {
    let example = "write tasks, such as\ntasks:\n  build: cargo build\n  test:\n    depends_on: build\n    run: cargo test";
    let table = [
        ("", "empty-file"),
        ("# only this\n", "empty-file"),
        ("null\n", "empty-file"),
        ("- a\n", "wrong-type"),
        ("just text\n", "wrong-type"),
        ("name: x\n", "no-tasks"),
        ("tasks:\n", "no-tasks"),
        ("tasks: {}\n", "no-tasks"),
        ("tasks: [a]\n", "wrong-type"),
    ];
    for (text, code) in table {
        let (found, _, help) = only(text);
        assert_eq!((found, help.as_str()), (code, example), "{text:?}");
    }
    assert!(
        good(example.split_once('\n').expect("two parts").1)
            .tasks
            .len()
            == 2
    );
}

#[test]
fn only_version_one_is_read() {
    for version in ["2", "'1'", "1.0", "", "[1]"] {
        let (code, _, help) = only(&format!("version: {version}\ntasks: {{a: x}}\n"));
        assert_eq!(
            (code, help.as_str()),
            ("version", "write 'version: 1', or remove the key")
        );
    }
}

#[test]
fn everything_is_reported_at_once_and_in_order() {
    let text = "version: 3\nfoo: 1\ntasks:\n  a b: x\n  c: {rum: y, dir: ''}\n  d: {depends_on: [e, 'x*']}\n  c: z\n";
    let found: Vec<&str> = bad(text).iter().map(|(_, one)| one.code).collect();
    let wanted = [
        "version",
        "unknown-key",
        "task-name",
        "unknown-key",
        "empty-dir",
        "unknown-task",
        "no-match",
        "duplicate-key",
    ];
    assert_eq!(found, wanted);
}

#[test]
fn too_many_aliases_are_an_error() {
    let mut text = String::from("x-e: &e {A: 1, B: 2, C: 3}\ntasks:\n");
    (0..5_000).for_each(|i| text += &format!("  t{i}: {{run: x, env: {{<<: *e}}}}\n"));
    let (code, part, _) = only(&text);
    assert_eq!((code, part.as_str()), ("too-many-aliases", "*e"));
}

#[test]
fn a_rendered_error() {
    let wanted = "\
error[unknown-key]: unknown key 'dependson'
 --> Workflowfile.yml:4:5
  |
4 |     dependson: [build]
  |     ^^^^^^^^^
  = help: write 'depends_on'
";
    assert_eq!(
        bad("tasks:\n  build: x\n  a:\n    dependson: [build]\n    run: x\n").render(false),
        wanted
    );
}

#[test]
fn two_places_and_a_summary() {
    let wanted = "\
error[unknown-task]: there is no task 'tset'
 --> Workflowfile.yml:3:19
  |
3 |   b: {depends_on: tset}
  |                   ^^^^
  = help: did you mean 'test'?

error[duplicate-key]: the key 'test' stands twice in this map
 --> Workflowfile.yml:4:3
  |
2 |   test: x
  |   ---- first here
...
4 |   test: y
  |   ^^^^ again here
  = help: remove or rename one of them

2 errors
";
    assert_eq!(
        bad("tasks:\n  test: x\n  b: {depends_on: tset}\n  test: y\n").render(false),
        wanted
    );
}

fn rendered(text: &str, spans: &[(usize, usize)]) -> String {
    let mut one = Diagnostic::error("code", "message");
    for (start, end) in spans {
        one = one.at(*start..*end, "here");
    }
    Diagnostics::one(
        Source {
            name: "f".into(),
            text: text.into(),
        },
        one,
    )
    .render(false)
}

/// The source line and the line below it.
fn underlined(text: &str, part: &str) -> (String, String) {
    let start = text.find(part).expect("it is there");
    let shown = rendered(text, &[(start, start + part.len())]);
    let mut lines = shown.lines().skip(3).map(str::to_owned);
    (
        lines.next().expect("the line"),
        lines.next().expect("the underline"),
    )
}

#[test]
fn tabs_and_wide_characters_stay_aligned() {
    assert_eq!(
        underlined("a\tb:\tc", "c"),
        ("1 | a    b:    c".into(), "  |            ^ here".into())
    );
    assert_eq!(
        underlined("字: é🙂 x", "é🙂"),
        ("1 | 字: é🙂 x".into(), "  |     ^^^ here".into())
    );
    assert_eq!(
        underlined("e\u{301}: x", "x"),
        ("1 | e\u{301}: x".into(), "  |    ^ here".into())
    );
}

#[test]
fn control_and_bidi_characters_are_shown_as_escapes() {
    let (line, below) = underlined("a\u{202e}b\u{1b}[31m: x\u{85}", "b");
    assert_eq!(line, "1 | a\\u{202e}b\\u{1b}[31m: x\\u{85}");
    assert_eq!(below, "  |          ^ here");
    assert_eq!(visible("a\u{2066}\t\n\u{7f}"), "a\\u{2066}\\t\\n\\u{7f}");
    let shown = bad("tasks:\n  \"\\x1b[2J\\u202e\": x\n").render(false);
    assert!(
        shown.starts_with("error[task-name]: '\\u{1b}[2J\\u{202e}' can't be the name of a task"),
        "{shown}"
    );
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let text = format!("{} {{here}} {}", "x".repeat(500), "y".repeat(500));
    let (line, below) = underlined(&text, "{here}");
    assert_eq!(
        line,
        format!("1 | …{} {{here}} {}…", "x".repeat(29), "y".repeat(63))
    );
    assert_eq!(below, format!("  | {}^^^^^^ here", " ".repeat(31)));
    let (line, below) = underlined(&"z".repeat(100_000), &"z".repeat(90_000));
    assert_eq!(line, format!("1 | {}…", "z".repeat(100)));
    assert_eq!(below, format!("  | {} here", "^".repeat(100)));
}

#[test]
fn places_of_all_kinds_can_be_shown() {
    assert_eq!(
        underlined("a: |\n  b\nc: d\n", "|\n  b\nc"),
        ("1 | a: |".into(), "  |    ^ here".into()),
        "only its first line"
    );
    assert!(rendered("", &[(0, 0)]).contains(" --> f:1:1\n  |\n1 |\n  | ^ here\n"));
    assert!(rendered("ab\n", &[(3, 3)]).contains(" --> f:2:1\n"));
    assert!(
        rendered("a\rb\r\nc", &[(5, 6)]).contains("f:3:1\n  |\n3 | c\n"),
        "CR and CR LF end lines too"
    );
    assert_eq!(
        rendered("a b c", &[(0, 1), (4, 5)])
            .lines()
            .skip(3)
            .collect::<Vec<_>>(),
        ["1 | a b c", "  | ^ here", "  |     - here"]
    );
    assert!(
        rendered("a\nb\n", &[(0, 1), (2, 3)]).contains("1 | a\n  | ^ here\n2 | b\n  | - here\n"),
        "no dots between neighbours"
    );
    assert_eq!(rendered("x", &[]), "error[code]: message\n --> f\n");
    let text = "é字🙂\n".repeat(3);
    for start in 0..text.len() + 3 {
        for end in 0..text.len() + 3 {
            rendered(&text, &[(start, end), (end, start)]);
        }
    }
}

#[test]
fn lines_and_columns_count_characters() {
    let text = format!("é{}\n字x", "ä".repeat(5_000));
    let lines = Lines::new(&text);
    assert_eq!(lines.place(0), (1, 1));
    assert_eq!(lines.place(2 * 4_000), (1, 4_001));
    assert_eq!(lines.place(text.len() - 1), (2, 2));
    assert_eq!(lines.place(text.len()), (2, 3));
    assert_eq!(lines.place(usize::MAX), (2, 3));
    let even = "x".repeat(2_048);
    assert_eq!(Lines::new(&even).place(2_048), (1, 2_049));
    assert_eq!(Lines::new("").place(0), (1, 1));
}

#[test]
fn colours_only_when_asked() {
    let wrong = bad("tasks: {a: {rum: x}}\n");
    assert!(!wrong.render(false).contains('\x1b'));
    let shown = wrong.render(true);
    assert!(
        shown.starts_with("\x1b[1;31merror[unknown-key]\x1b[0m\x1b[1m: unknown key 'rum'\x1b[0m\n")
    );
    let mut plain = shown;
    for code in ["1;31", "1;33", "1;34", "1;36", "1", "0"] {
        plain = plain.replace(&format!("\x1b[{code}m"), "");
    }
    assert_eq!(plain, wrong.render(false));
}

#[test]
fn warnings_and_several_sources() {
    let source = |name: &str| Source {
        name: name.into(),
        text: "a: b\n".into(),
    };
    let mut found = Found::default();
    found.push(
        Diagnostic::warning("old", "an old form")
            .at(3..4, "")
            .help("write\nthis"),
    );
    let mut all = Diagnostics::new(source("one"), found);
    assert!(!all.has_errors() && !all.is_empty());
    all.append(Diagnostics::one(
        source("two"),
        Diagnostic::error("new", "a new form").at(0..1, ""),
    ));
    assert!(all.has_errors());
    assert_eq!(
        all.iter()
            .map(|(s, d)| (s.name.as_str(), d.severity))
            .collect::<Vec<_>>(),
        [("one", Severity::Warning), ("two", Severity::Error)]
    );
    let wanted = "\
warning[old]: an old form
 --> one:1:4
  |
1 | a: b
  |    ^
  = help: write
          this

error[new]: a new form
 --> two:1:1
  |
1 | a: b
  | ^

1 error, 1 warning
";
    assert_eq!(all.render(false), wanted);
    assert_eq!(all.to_string(), wanted);
}

#[test]
fn more_errors_than_anybody_reads_are_not_kept() {
    let wrong = bad(&format!(
        "tasks: {{a: {{run: [{}]}}}}\n",
        "5, ".repeat(KEPT_MAX + 5)
    ));
    assert_eq!(wrong.len(), KEPT_MAX);
    let text = wrong.render(false);
    assert!(text.ends_with("\nand 955 more\n\n1,005 errors\n"), "{text}");
    assert_eq!(text.matches("error[").count(), 50);
}

#[test]
fn an_error_behind_many_warnings_is_seen() {
    let mut found = Found::default();
    for _ in 0..KEPT_MAX + 5 {
        found.push(Diagnostic::warning("old", "an old form").at(0..1, ""));
    }
    found.push(Diagnostic::error("new", "a new form").at(2..3, ""));
    let (name, text) = ("one".to_owned(), "a: b\n".to_owned());
    let all = Diagnostics::new(Source { name, text }, found);
    assert!(all.has_errors());
    let text = all.render(false);
    assert!(text.contains("error[new]: a new form"), "{text}");
    assert!(
        text.ends_with("\nand 956 more\n\n1 error, 1,005 warnings\n"),
        "{text}"
    );
}

#[test]
fn a_long_name_does_not_fill_the_screen() {
    let shown = bad(&format!(
        "tasks: {{a: {{depends_on: {}}}}}\n",
        "b".repeat(1_000_000)
    ))
    .render(false);
    assert!(shown.len() < 2_000, "{}", shown.len());
}

#[test]
fn text_that_is_none_is_refused_with_its_place() {
    let of = |bytes: &[u8]| {
        let wrong = from_bytes("f", bytes.into(), Path::new("/w/f"))
            .map(|_| ())
            .expect_err("it is no text");
        wrong.render(false)
    };
    assert!(
        of(b"tasks:\n  a: \xff\n")
            .starts_with("error[not-utf8]: the file is not UTF-8\n --> f:2:6\n")
    );
    assert!(of(b"a: \xc3").contains("f:1:4\n"));
    assert!(of(b"\xff\xfea\0").starts_with("error[not-utf8]: the file is UTF-16, not UTF-8\n"));
    assert!(of(b"tasks:\n  a: x\0\n").contains("a NUL character\n --> f:2:7\n"));
    assert!(
        of(&vec![b'#'; 10_000_001])
            .starts_with("error[too-large]: the file is larger than 10 MB\n --> f\n")
    );
}

#[test]
fn a_byte_order_mark_shifts_no_column() {
    assert!(
        bad("\u{feff}foo: 1\ntasks: {a: x}\n")
            .render(false)
            .contains("Workflowfile.yml:1:1\n")
    );
}

#[test]
fn the_nearest_file_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("it exists");
    let deep = root.join("a/b/c");
    std::fs::create_dir_all(deep.join("Workflowfile.yml")).expect("a folder of that name");
    let write = |path: &str| std::fs::write(root.join(path), "tasks: {a: x}\n").expect("writable");
    write("Workflowfile.json");
    assert_eq!(
        find(&deep),
        Some(root.join("Workflowfile.json")),
        "a folder of that name is none"
    );
    write("a/Workflowfile.yaml");
    assert_eq!(find(&deep), Some(root.join("a/Workflowfile.yaml")));
    write("a/Workflowfile.yml");
    assert_eq!(find(&deep), Some(root.join("a/Workflowfile.yml")));
    assert_eq!(find(&root), Some(root.join("Workflowfile.json")));
}

#[test]
fn a_file_is_loaded_from_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("Workflowfile.yml");
    std::fs::write(&path, "tasks: {a: {run: x, dir: sub}}\n").expect("writable");
    let loaded = load(&path).expect("it is right");
    assert_eq!(loaded.workflow.files[0].path, path);
    assert_eq!(dir(&loaded.workflow.tasks[0]), Some("sub"));
    assert_eq!(
        loaded.warnings.sources().next().expect("its source").name,
        path.display().to_string()
    );
}

#[test]
fn what_can_not_be_read_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |path: &Path| {
        load(path)
            .map(|_| ())
            .expect_err("it can't be read")
            .render(false)
    };
    let missing = folder.path().join("nope.yml");
    assert!(of(&missing).starts_with(&format!(
        "error[no-such-file]: there is no file '{}'\n",
        missing.display()
    )));
    assert!(of(folder.path()).contains("is a folder, not a file\n"));
    assert!(
        of(Path::new("/dev/null"))
            .starts_with("error[not-a-file]: '/dev/null' is not a regular file\n")
    );
    assert!(of(&folder.path().join("nope.yml/x")).starts_with("error[no-such-file]"));
}

#[test]
fn a_pipe_is_refused_without_waiting_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("Workflowfile.yml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        assert_eq!(
            find(folder.path()).as_deref(),
            Some(pipe.as_path()),
            "and is not passed over"
        );
        assert!(
            load(&pipe)
                .map(|_| ())
                .expect_err("it is refused")
                .render(false)
                .contains("is not a regular file")
        );
    }
}

#[test]
fn many_tasks_are_read_without_quadratic_steps() {
    // A task needs one that comes later, up to the last one, which needs nothing.
    let many: String = (0..99_999)
        .map(|i| {
            format!(
                "  t{i}: {{depends_on: [t{}], run: echo {i}}}\n",
                (i + 100_001) / 2
            )
        })
        .chain(["  t99999: x\n".to_owned()])
        .collect();
    let wrong: String = (0..20_000)
        .map(|i| format!("  w{i}: {{depends_on: [q{i}], rum: x}}\n"))
        .collect();
    let one_line = format!("tasks: {{{}}}", many.replace('\n', ","));
    let started = Instant::now();
    assert_eq!(good(&format!("tasks:\n{many}")).tasks.len(), 100_000);
    assert_eq!(good(&one_line).tasks.len(), 100_000);
    assert_eq!(bad(&format!("tasks:\n{wrong}")).len(), KEPT_MAX);
    let one_more = bad(&format!("tasks:\n{many}  one_more: x\n"));
    assert_eq!(one_more.len(), 1);
    // A quadratic step would take minutes; this much is left for a slow machine and an unoptimised build.
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn the_table_of_keys_makes_sense() {
    let ours: HashSet<(&str, Scope)> = KEYS.iter().map(|key| (key.name, key.scope)).collect();
    assert_eq!(ours.len(), KEYS.len(), "each key once");
    let theirs: HashSet<(&str, Scope)> =
        FOREIGN.iter().map(|word| (word.word, word.scope)).collect();
    assert_eq!(theirs.len(), FOREIGN.len(), "each word once");
    for word in FOREIGN {
        assert!(
            keys::find(word.scope, word.word).is_none(),
            "'{}' is a key of ours",
            word.word
        );
        let ours = keys::translate(word.scope, word.word).map_or("", |key| key.name);
        assert_eq!(ours, word.ours, "'{}'", word.word);
        assert!(
            !ours.is_empty() || !word.write.is_empty(),
            "nothing is said of '{}'",
            word.word
        );
    }
    assert!(
        KEYS.iter()
            .all(|key| !key.meaning.is_empty() && !key.meaning.ends_with('.'))
    );
    assert_eq!(
        keys::find(Scope::Task, "run").expect("a key").part,
        keys::Part::Core
    );
    assert!(keys::is_free("x-a") && keys::is_free(".a") && !keys::is_free("xa"));
}

/// The files that people are told to start from, and our own.
#[test]
fn the_files_of_this_repository_are_good() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["Workflowfile.yml", "templates/starter.yml"] {
        let loaded =
            load(&root.join(name)).unwrap_or_else(|errors| panic!("{}", errors.render(false)));
        assert!(
            loaded.workflow.find("default").is_some(),
            "{name} has no default task"
        );
    }
}
