//! The schema of the file both ways: every good file fits it, and what a schema can say of a bad one, it says.

pub mod support;

use std::fs;
use std::path::{Path, PathBuf};

use flow::file::keys::{self, KEYS};
use flow::file::schema::schema;
use serde_json::Value as Json;
use support::json_schema::wrong;

/// Mistakes that a schema can see; all others need names, expressions, other files or places.
const SEEN: [&str; 24] = [
    "duration",
    "two-actions",
    "no-attempts",
    "backoff",
    "no-condition",
    "unknown-key",
    "wrong-type",
    "no-tasks",
    "no-work",
    "task-name",
    "unquoted-colon",
    "param-type",
    "version",
    "var-name",
    "env-name",
    "two-values",
    "plain-secret",
    "no-secret",
    "empty-command",
    "include-name",
    "no-file",
    "not-in-this-version",
    "empty-file",
    "template-in-name",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(schema: &Json, value: &Json) -> Result<(), String> {
    wrong(schema, schema, value)
}

/// The document, as programs see it that know YAML and nothing of flow.
fn parse(text: &str) -> Option<Json> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    value.apply_merge().ok()?;
    serde_json::to_value(value).ok()
}

fn workflowfiles(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            workflowfiles(&path, found);
        } else if path
            .file_name()
            .is_some_and(|name| name == "Workflowfile.yml")
        {
            found.push(path);
        }
    }
}

#[test]
fn good_files_fit() {
    let schema = schema();
    let mut files = vec![
        root().join("Workflowfile.yml"),
        root().join("templates/starter.yml"),
    ];
    workflowfiles(&root().join("tests/cases"), &mut files);
    let mut count = 0;
    for path in files {
        let text = fs::read_to_string(&path).unwrap_or_default();
        if flow::file::load(&path).is_err() {
            continue;
        }
        let value = parse(&text).unwrap_or_else(|| panic!("{} can be read", path.display()));
        check(&schema, &value).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
        count += 1;
    }
    assert!(count > 50, "only {count} good files were found");
}

#[test]
fn mistakes_that_a_schema_can_see_do_not_fit() {
    let schema = schema();
    let (mut seen, mut unseen) = (0, 0);
    for page in fs::read_dir(root().join("tests/mistakes"))
        .expect("the pages")
        .flatten()
    {
        let text = fs::read_to_string(page.path()).expect("a page");
        for section in text.split("\n## ").skip(1) {
            let mut blocks = section.split("```").skip(1).step_by(2);
            let block = |block: Option<&str>| {
                block
                    .and_then(|b| b.split_once('\n'))
                    .map_or("", |(_, text)| text)
                    .to_owned()
            };
            let (file, said) = (block(blocks.next()), block(blocks.next()));
            let name = section.lines().next().unwrap_or_default();
            let codes = said
                .split("error[")
                .skip(1)
                .filter_map(|rest| rest.split(']').next());
            if !codes.clone().any(|code| SEEN.contains(&code)) {
                unseen += 1;
                continue;
            }
            // What is not YAML never comes to a schema.
            let Some(value) = parse(&file) else {
                continue;
            };
            assert!(
                check(&schema, &value).is_err(),
                "{name} fits:\n{file}\n{said}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50 && unseen > 30, "{seen} seen, {unseen} not");
}

/// The table of keys is whole: each key that is built has a shape, and an example that fits it.
#[test]
fn examples_of_keys_fit() {
    let schema = schema();
    for key in KEYS.iter().filter(|key| keys::is_built(key)) {
        assert!(key.shape.is_some() && !key.example.is_empty(), "{key:?}");
        let example = parse(key.example).unwrap_or_else(|| panic!("{key:?}"));
        let definition = match key.scope {
            keys::Scope::File => &schema["properties"][key.name],
            keys::Scope::Value => continue,
            keys::Scope::Step => &schema["$defs"]["stepMap"]["properties"][key.name],
            keys::Scope::Condition => &schema["$defs"]["check"]["properties"][key.name],
            scope => &schema["$defs"][format!("{scope:?}").to_lowercase()]["properties"][key.name],
        };
        assert!(definition.is_object(), "{key:?} has no definition");
        wrong(&schema, definition, &example).unwrap_or_else(|what| panic!("{key:?}: {what}"));
    }
}
