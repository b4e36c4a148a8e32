//! The page docs/reference/cli.md, from what clap knows of the verbs.

use std::fmt::Write as _;

use clap::{Arg, Args, Command};

use super::args::PlaceArgs;
use super::verb::VERBS;

/// All verbs with their arguments, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Command line\n\n`flow TASK` is `flow run TASK`. The section of each verb says whether a task of the same name wins over it. `flow @VERB` is \
         always the verb.\n\nEvery verb takes these options:\n",
    );
    let everywhere = PlaceArgs::augment_args(Command::new("flow"));
    table(&mut page, everywhere.get_arguments());
    for verb in &VERBS {
        let mut command = (verb.command)();
        command.build();
        let of_all = |arg: &&Arg| {
            let known = everywhere
                .get_arguments()
                .any(|one| one.get_id() == arg.get_id());
            known || matches!(arg.get_id().as_str(), "help" | "version") || arg.is_hide_set()
        };
        let text = command.get_long_about().or(command.get_about());
        let text = text.map(ToString::to_string).unwrap_or_default();
        let wins = match verb.yields {
            true => "A task of this name wins over the verb.",
            false => "The verb wins over a task of this name.",
        };
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ");
        let _ = write!(
            page,
            "\n## flow {}\n\n{text}\n\n```text\n{usage}\n```\n\n{wins}\n",
            verb.name
        );
        table(
            &mut page,
            command.get_arguments().filter(|arg| !of_all(arg)),
        );
    }
    page
}

fn table<'a>(page: &mut String, args: impl Iterator<Item = &'a Arg>) {
    for (number, arg) in args.enumerate() {
        if number == 0 {
            page.push_str("\n| argument | meaning |\n| --- | --- |\n");
        }
        let help = arg.get_help().map(ToString::to_string);
        let help = help.unwrap_or_default() + &values(arg);
        let cell = |text: &str| text.replace('|', "\\|");
        let _ = writeln!(page, "| `{}` | {} |", cell(&spelled(arg)), cell(&help));
    }
}

/// The ways to write it: `-j, --jobs <N>`.
fn spelled(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    let value = value.join(" ");
    if arg.is_positional() {
        return value;
    }
    let short = arg.get_short().map(|letter| format!("-{letter}"));
    let longs = arg.get_long_and_visible_aliases().unwrap_or_default();
    let longs = longs.into_iter().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(longs).collect();
    let takes = arg.get_action().takes_values();
    let names = names.join(", ");
    match (takes, arg.is_require_equals_set()) {
        (false, _) => names,
        (true, false) => format!("{names} {value}"),
        (true, true) => format!("{names}[={value}]"),
    }
}

/// The values that it takes, where they are a few words, and the one that it has by itself.
fn values(arg: &Arg) -> String {
    let mut text = String::new();
    let takes = arg.get_action().takes_values();
    let all = if takes {
        arg.get_possible_values()
    } else {
        Vec::new()
    };
    let words: Vec<String> = all
        .iter()
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !words.is_empty() {
        let _ = write!(text, ". One of {}", words.join(", "));
    }
    let default = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy());
    let default: Vec<_> = default.collect();
    if takes && !default.is_empty() {
        let _ = write!(text, " [default: {}]", default.join(" "));
    }
    text
}
