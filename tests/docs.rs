//! The docs are true: each example of a Workflowfile in them is a good one, and the reference is what the tables say.
//!
//! `FLOW_CASES=accept` writes the reference down anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flow::expr::FILTERS;
use flow::file::keys::{self, KEYS, Scope, Shape};
use flow::model::language::builtin::{BUILT_IN, RESULT};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The pages whose examples are Workflowfiles.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "docs/reference"] {
        let entries = fs::read_dir(root().join(folder)).expect("the docs are there");
        let entries = entries.map(|entry| entry.expect("an entry").path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|ext| ext == "md")));
    }
    pages
}

/// The blocks of a page that begin with this line.
fn blocks<'p>(page: &'p str, kind: &str) -> Vec<&'p str> {
    let begin = format!("\n```{kind}\n");
    let blocks = page.split(begin.as_str()).skip(1);
    blocks
        .map(|block| block.split("\n```").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_examples_are_good_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let included = "vars: {port: 1, image: x}\ntasks:\n  build: 'true'\n  test: 'true'\n";
    let flattened = "tasks:\n  default: 'true'\n  fmt: 'true'\n  release:tag: 'true'\n";
    for (name, text) in [
        ("web/Workflowfile.yml", included),
        ("services/api/tasks.yml", included),
        ("common/rust.yml", flattened),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder is made");
        fs::write(path, text).expect("a file is written");
    }
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page can be read");
        for block in blocks(&text, "yaml") {
            let whole = if block.contains("tasks:") {
                block.to_owned()
            } else {
                format!("{block}\ntasks:\n  x: 'true'\n")
            };
            let path = folder.path().join("Workflowfile.yml");
            let loaded = flow::file::from_bytes("example", whole.into_bytes(), &path);
            if let Err(errors) = loaded {
                panic!("{}:\n{block}\n{}", page.display(), errors.render(false));
            }
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} examples were found");
}

#[test]
fn links_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page can be read");
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap_or_default();
            let target = page.parent().expect("it has one").join(path);
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
}

#[test]
fn the_reference_is_what_the_tables_say() {
    let pages = [
        ("filters.md", filters()),
        ("keys.md", key_pages()),
        ("names.md", names()),
        ("cli.md", format!("{GENERATED}\n{}", flow::cli::reference())),
    ];
    for (name, page) in pages {
        let path = root().join("docs/reference").join(name);
        if std::env::var_os("FLOW_CASES").is_some_and(|value| value == "accept") {
            fs::write(&path, &page).expect("a page can be written");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "{name} is not what the table says; FLOW_CASES=accept writes it anew"
        );
    }
}

const GENERATED: &str = "<!-- Written by tests/docs.rs from the tables in src. -->\n";

fn filters() -> String {
    let mut page = format!(
        "{GENERATED}\n# Filters\n\n`{{{{ value | filter }}}}`; there are no others. What a filter makes of data is data; only `code` makes \
         code of it.\n\n| filter | meaning | example | gives |\n| --- | --- | --- | --- |\n"
    );
    for doc in FILTERS {
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(
            page,
            "| `{}` | {} | `{}` | `{}` |",
            cell(doc.usage),
            cell(doc.meaning),
            cell(doc.example),
            cell(&doc.result.replace('\n', "⏎"))
        )
        .expect("a String takes all");
    }
    page
}

fn names() -> String {
    let mut page = format!(
        "{GENERATED}\n# Names\n\nWhat every expression can read. A var or a param of the same name wins; `flow.NAME` always means these.\n\n\
         | name | what it is |\n| --- | --- |\n"
    );
    for row in &BUILT_IN {
        let only_in = row.only_in.map(|place| format!("; only {place}"));
        let only_in = only_in.unwrap_or_default();
        writeln!(page, "| `{}` | {}{only_in} |", row.name, row.meaning)
            .expect("a String takes all");
        for (member, meaning) in row.members {
            writeln!(page, "| `{}.{member}` | {meaning} |", row.name).expect("a String takes all");
        }
    }
    page.push_str(
        "\nOf a step or a task that has ended:\n\n| member | what it is |\n| --- | --- |\n",
    );
    for (member, meaning) in RESULT {
        writeln!(page, "| `tasks.NAME.{member}` | {meaning} |").expect("a String takes all");
    }
    page
}

fn key_pages() -> String {
    let mut page = format!(
        "{GENERATED}\n# Keys\n\nKeys of this version; those of later ones are refused by name. `flow schema` prints them as JSON Schema.\n"
    );
    for (scope, title) in [
        (Scope::File, "The file"),
        (Scope::Defaults, "Defaults"),
        (Scope::Task, "A task"),
        (Scope::Step, "A step"),
        (Scope::Dependency, "A dependency"),
        (Scope::Loop, "A loop"),
        (Scope::Condition, "A check"),
        (Scope::Retry, "A retry"),
        (Scope::Source, "A source"),
        (Scope::Lock, "A lock"),
        (Scope::Wait, "A wait"),
        (Scope::Param, "A param"),
        (Scope::Value, "A var that is not written out"),
        (Scope::Secret, "A secret"),
        (Scope::Profile, "A profile"),
        (Scope::Include, "An include"),
        (Scope::Trigger, "A trigger"),
    ] {
        writeln!(
            page,
            "\n## {title}\n\n| key | value | default | meaning | example |"
        )
        .expect("a String takes all");
        page.push_str("| --- | --- | --- | --- | --- |\n");
        for key in KEYS
            .iter()
            .filter(|key| key.scope == scope && keys::is_built(key))
        {
            let example = key.example.replace('|', "\\|");
            writeln!(
                page,
                "| `{}` | {} | {} | {} | `{}: {example}` |",
                key.name,
                key.shape.map_or(String::new(), shape),
                key.default,
                key.meaning,
                key.name,
            )
            .expect("a String takes all");
        }
    }
    page
}

fn shape(shape: Shape) -> String {
    match shape {
        Shape::Version => "`1`".to_owned(),
        Shape::Text => "text".to_owned(),
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::Word(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Shape::Sources => "text, [source](#a-source), or a list of them".to_owned(),
        Shape::Locks => "name, [lock](#a-lock), or a list of them".to_owned(),
        Shape::Patterns => "pattern of files, or a list of them".to_owned(),
        Shape::Texts => "text, or a list of texts".to_owned(),
        Shape::Names => "name, [dependency](#a-dependency), or a list of them".to_owned(),
        Shape::Steps => "command, [step](#a-step), or a list of them".to_owned(),
        Shape::Vars => "names with values, `{sh: …}` or `{ref: …}`".to_owned(),
        Shape::Env => "names with texts".to_owned(),
        Shape::Meta => "names with texts, as they are".to_owned(),
        Shape::Any => "any value".to_owned(),
        Shape::Words => "list of texts".to_owned(),
        Shape::TaskName => "name of a task".to_owned(),
        Shape::StepList => "list of steps".to_owned(),
        Shape::Condition => "expression, or `{sh: command}`".to_owned(),
        Shape::Expression => "expression".to_owned(),
        Shape::Checks => "expression, [check](#a-check), or a list of them".to_owned(),
        Shape::Duration => "duration".to_owned(),
        Shape::Count(least) => format!("whole number from {least}"),
        Shape::ExitCodes => "exit code, or a list of them".to_owned(),
        Shape::Backoff => "`fixed`, `linear`, `exponential`, or a factor".to_owned(),
        Shape::Parallel => "`true`, `false`, or how many".to_owned(),
        Shape::Retry => "number of tries, or a [retry](#a-retry)".to_owned(),
        Shape::Loop => "list, template that gives one, or a [loop](#a-loop)".to_owned(),
        Shape::Wait => "duration, or a [wait](#a-wait)".to_owned(),
        Shape::Range => "two whole numbers".to_owned(),
        Shape::Axes => "names with lists".to_owned(),
        Shape::Combinations => "list of maps".to_owned(),
        Shape::Outputs => "names with expressions".to_owned(),
        Shape::Datas => "names with values".to_owned(),
        Shape::Object(_) => "map".to_owned(),
        Shape::Map(Scope::Task) => "names with tasks".to_owned(),
        Shape::Map(Scope::Include) => "names with includes".to_owned(),
        Shape::Map(Scope::Profile) => "names with profiles".to_owned(),
        Shape::Map(Scope::Secret) => "names with secrets".to_owned(),
        Shape::Map(Scope::Trigger) => "names with triggers".to_owned(),
        Shape::Map(_) => "names with params".to_owned(),
    }
}
