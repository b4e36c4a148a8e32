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

/// A name that nothing declares; where it is evaluated, that is an error of the file.
const NOWHERE: &str = "{{ nowhere }}";

/// The values like this one, each with a template in another of its places: a key of a map, a text, a number.
fn with_templates(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(items) => {
            let mut all = Vec::new();
            for (index, item) in items.iter().enumerate() {
                for changed in with_templates(item) {
                    let mut items = items.clone();
                    items[index] = changed;
                    all.push(Json::Array(items));
                }
            }
            all
        }
        Json::Object(entries) => {
            let mut all = Vec::new();
            for (name, item) in entries {
                for changed in with_templates(item) {
                    let mut entries = entries.clone();
                    entries.insert(name.clone(), changed);
                    all.push(Json::Object(entries));
                }
                let mut entries = entries.clone();
                entries.remove(name);
                entries.insert(NOWHERE.to_owned(), item.clone());
                all.push(Json::Object(entries));
            }
            all
        }
        _ => vec![Json::String(NOWHERE.to_owned())],
    }
}

/// A file in which a key has this value, and nothing else is remarkable.
fn file_with(key: &keys::Key, value: &Json) -> Json {
    use keys::Scope;
    let tasks = |task: Json| serde_json::json!({"build": "true", "backup": "true", "migrate": "true", "test:all": "true", "task": task});
    let of_task = |name: &str, value: Json| {
        let mut task = serde_json::json!({"run": [{"name": "push", "run": "true"}]});
        task[name] = value;
        serde_json::json!({"tasks": tasks(task)})
    };
    let of_step =
        |step: Json| serde_json::json!({"tasks": tasks(serde_json::json!({"run": [step]}))});
    let with = |mut map: Json| {
        map[key.name] = value.clone();
        map
    };
    match key.scope {
        Scope::File if key.name == "includes" => {
            let mut includes = value.clone();
            for (_, include) in includes.as_object_mut().expect("a map") {
                if include.as_str() == Some("web") {
                    *include = serde_json::json!({"file": "web", "optional": true});
                }
            }
            serde_json::json!({"includes": includes, "tasks": tasks("true".into())})
        }
        Scope::File if key.name == "tasks" => serde_json::json!({"tasks": value}),
        Scope::File => with(serde_json::json!({"tasks": tasks("true".into())})),
        Scope::Defaults => {
            serde_json::json!({"defaults": with(serde_json::json!({})), "tasks": tasks("true".into())})
        }
        Scope::Task => of_task(key.name, value.clone()),
        Scope::Step => of_step(match key.name {
            "run" | "argv" | "task" | "parallel" | "wait" | "set" => with(serde_json::json!({})),
            "then" | "else" => with(serde_json::json!({"if": "true", "then": "true"})),
            "wait_for" | "max_parallel" | "stop_on_failure" => {
                with(serde_json::json!({"parallel": ["true"]}))
            }
            _ => with(serde_json::json!({"run": "true"})),
        }),
        Scope::Dependency => {
            let mut file = of_task(
                "depends_on",
                serde_json::json!([with(serde_json::json!({"task": "build"}))]),
            );
            file["tasks"]["build"] =
                serde_json::json!({"params": {"os": {"default": "x"}}, "run": "true"});
            file
        }
        Scope::Include => {
            let include = with(serde_json::json!({"file": "nowhere", "optional": true}));
            serde_json::json!({"includes": {"other": include}, "tasks": tasks("true".into())})
        }
        Scope::Param => of_task(
            "params",
            serde_json::json!({"given": with(serde_json::json!({}))}),
        ),
        Scope::Value => of_task(
            "vars",
            serde_json::json!({"services": ["a"], "value": with(serde_json::json!({}))}),
        ),
        Scope::Secret => {
            serde_json::json!({"secrets": {"TOKEN": with(serde_json::json!({}))}, "tasks": tasks("true".into())})
        }
        Scope::Profile => {
            serde_json::json!({"profiles": {"p": with(serde_json::json!({}))}, "tasks": tasks("true".into())})
        }
        Scope::Loop => {
            let mut file = of_task(
                "for",
                match key.name {
                    "in" | "glob" | "sh" | "range" | "matrix" => with(serde_json::json!({})),
                    _ => with(
                        serde_json::json!({"matrix": {"os": ["linux", "macos", "windows"], "arch": ["x86_64"]}}),
                    ),
                },
            );
            file["vars"] = serde_json::json!({"services": ["a"]});
            file
        }
        Scope::Condition => {
            let mut check = with(serde_json::json!({}));
            if key.name == "message" {
                check["sh"] = "true".into();
            }
            let mut file = of_task("verify", check);
            file["vars"] = serde_json::json!({"port": 1});
            file
        }
        Scope::Source => of_task("sources", serde_json::json!([with(serde_json::json!({}))])),
        Scope::Retry => of_task("retry", with(serde_json::json!({"attempts": 2}))),
        Scope::Wait => {
            of_step(serde_json::json!({"wait": with(serde_json::json!({"until": "true"}))}))
        }
        Scope::Lock => of_task(
            "locks",
            serde_json::json!([with(serde_json::json!({"name": "db"}))]),
        ),
        Scope::Trigger => {
            let when = match key.name {
                "cron" | "every" | "at" | "watch" => serde_json::json!({}),
                "debounce" => serde_json::json!({"watch": "x"}),
                _ => serde_json::json!({"cron": "0 2 * * *"}),
            };
            let mut trigger = when;
            trigger["run"] = "backup".into();
            trigger[key.name] = value.clone();
            let mut file = serde_json::json!({"triggers": {"nightly": trigger}, "tasks": tasks("true".into())});
            file["vars"] = serde_json::json!({"target": "x"});
            file
        }
        other => panic!("keys of {other:?} have no file here"),
    }
}

/// A template is evaluated or refused wherever it stands: in no key does it stay a text without a word.
#[test]
fn no_key_keeps_a_template_as_a_text() {
    // The key `root` names the folder of a file that includes this one.
    let folder = tempfile::tempdir().expect("a folder");
    let includes = "includes: {nowhere: nowhere}\n";
    fs::write(folder.path().join("Workflowfile.yml"), includes).expect("a file");
    fs::create_dir(folder.path().join("nowhere")).expect("a folder");
    let included = folder.path().join("nowhere/Workflowfile.yml");
    fs::write(included, "tasks: {a: 'true'}\n").expect("a file");
    let path = folder.path().join("nowhere/Workflowfile.yml");
    let load =
        |file: &Json| flow::file::from_bytes("Workflowfile.yml", file.to_string().into(), &path);
    // What the examples read.
    let declares = |file: &mut Json| {
        for (name, value) in [
            ("services", serde_json::json!(["a"])),
            ("message", serde_json::json!("m")),
        ] {
            if file["vars"].is_null() {
                file["vars"] = serde_json::json!({});
            }
            if file["vars"][name].is_null() {
                file["vars"][name] = value;
            }
        }
    };
    let mut count = 0;
    for key in KEYS.iter().filter(|key| keys::is_built(key)) {
        let example = parse(key.example).unwrap_or_else(|| panic!("{key:?}"));
        let mut good = file_with(key, &example);
        declares(&mut good);
        if let Err(errors) = load(&good) {
            panic!("{key:?}: {good}\n{}", errors.render(false));
        }
        for changed in with_templates(&example) {
            let mut bad = file_with(key, &changed);
            declares(&mut bad);
            assert!(
                load(&bad).is_err(),
                "'{}' in {:?} keeps it: {bad}",
                key.name,
                key.scope
            );
            count += 1;
        }
    }
    assert!(count > 150, "only {count} places were looked at");
}
