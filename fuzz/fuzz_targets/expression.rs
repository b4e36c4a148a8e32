//! Whatever a template holds, it is evaluated or refused; what data it reads is never part of the script.
#![no_main]

use flow::expr::{self, Names, Part, Problem, Text, Use, Value};

/// No shell word and no name has it.
const DATA: &[u8] = b"\x01DATA\x02";

#[derive(Debug)]
struct Scope;

impl Names for Scope {
    fn get(&self, name: &str) -> Result<Option<Value>, Problem> {
        let data = || {
            let (bytes, secret) = (DATA.to_vec(), false);
            Value::Text(Text {
                parts: vec![Part::Data { bytes, secret }],
            })
        };
        Ok(match name {
            "data" => Some(data()),
            "list" => Some(Value::List(vec![data(), Value::Int(1)])),
            "n" => Some(Value::Int(3)),
            "yes" => Some(Value::Bool(true)),
            _ => None,
        })
    }

    fn known(&self) -> Vec<String> {
        ["data", "list", "n", "yes"].map(str::to_owned).to_vec()
    }
}

libfuzzer_sys::fuzz_target!(|source: &str| {
    let checked = expr::check_template(source, Use::Command);
    for found in checked.problems.iter().chain(&checked.warnings) {
        let span = found.span.clone();
        assert!(
            span.is_none_or(|span| source.get(span).is_some()),
            "{found:?}"
        );
    }
    if let Ok(script) = expr::command(source, &Scope)
        && !source.contains("code")
    {
        assert!(
            !script
                .text
                .as_bytes()
                .windows(DATA.len())
                .any(|part| part == DATA),
            "{script:?}"
        );
    }
    let _ = expr::expression(source, &Scope);
    let _ = expr::check_expression(source);
});
