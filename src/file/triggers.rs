//! `triggers`: what starts runs, at the top of a file or in one of `schedules/`.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use super::includes::Node;
use super::keys::Scope;
use super::names;
use super::raw::{Owner, Raw, RawNeed, RawTrigger};
use super::stdin;
use super::tree::{At, Entry, Value};
use super::values::Reader;
use crate::diagnostic::Diagnostic;
use crate::model::language::{CatchUp, Overlap, Setting, Task, Trigger, When, Workflow};
use crate::suggest::Suggest;
use crate::trigger::cron::{Cron, Wrong};
use crate::trigger::times;

const EXAMPLE: &str =
    "write a trigger, such as\ntriggers:\n  nightly:\n    cron: \"0 2 * * *\"\n    run: backup";
const WHEN: &str = "write one of 'cron', 'every', 'at' and 'watch'";

/// How many triggers a file has at most.
const TRIGGERS_MAX: usize = 100_000;

/// How long files must be quiet before what watches them starts.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// What was read of a trigger so far.
#[derive(Default)]
struct Draft {
    desc: Option<String>,
    /// The key that says when, and what it says.
    when: Vec<(&'static str, At, Option<When>)>,
    zone: Option<(At, String)>,
    run: Option<RawNeed>,
    values: Vec<(String, String)>,
    value_spans: Vec<Range<usize>>,
    overlap: Option<Overlap>,
    catch_up: Option<(At, CatchUp)>,
    jitter: Option<(At, Duration)>,
    debounce: Option<(At, Duration)>,
    enabled: Option<bool>,
}

impl Reader<'_, '_> {
    /// All of a file.
    pub(super) fn triggers(&mut self, at: At) -> Vec<RawTrigger> {
        let entries = self.entries(at, "'triggers' is a map from names to triggers", EXAMPLE);
        if let Some(entry) = entries.get(TRIGGERS_MAX) {
            let message = format!("a file has {TRIGGERS_MAX} triggers at most");
            let diagnostic = Diagnostic::error("too-many-triggers", message);
            self.report(entry.key, diagnostic.help("make one of many"));
        }
        let entries = entries.iter().take(TRIGGERS_MAX);
        entries.filter_map(|entry| self.trigger(entry)).collect()
    }

    fn trigger(&mut self, entry: &Entry) -> Option<RawTrigger> {
        let name = self.name(entry).to_owned();
        self.check_trigger_name(entry.key, &name);
        let what = format!("the trigger '{name}' is a map");
        let Value::Map(entries) = self.walk.open(entry.value) else {
            self.wrong_type(entry.value, &what, EXAMPLE);
            return None;
        };
        let before = self.found.len();
        let mut draft = Draft::default();
        for one in &entries {
            self.trigger_key(one, &mut draft);
        }
        if draft.run.is_none() && self.found.len() == before {
            let message = format!("the trigger '{name}' has no 'run'");
            let diagnostic = Diagnostic::error("no-task", message);
            self.report(entry.key, diagnostic.help("write the name of a task"));
        }
        let when = self.when(entry, &name, &mut draft, before);
        self.fit_together(&draft);
        let (run, when) = (draft.run?, when?);
        let is_watch = matches!(when, When::Watch { .. });
        let catch_up = draft.catch_up.map_or(CatchUp::default(), |(_, one)| one);
        let overlap = draft.overlap.unwrap_or(
            // A change in the midst is not to be lost, nor is a time that is to be made up for.
            if is_watch || catch_up == CatchUp::All {
                Overlap::Queue
            } else {
                Overlap::Skip
            },
        );
        Some(RawTrigger {
            trigger: Trigger {
                name,
                place: self.place(entry.key),
                desc: draft.desc,
                when,
                run: run.name.clone(),
                values: draft.values,
                overlap,
                catch_up,
                jitter: draft.jitter.map_or(Duration::ZERO, |(_, jitter)| jitter),
                enabled: draft.enabled.unwrap_or(true),
            },
            name_span: self.span(entry.key),
            value_spans: draft.value_spans,
            run,
        })
    }

    fn trigger_key(&mut self, entry: &Entry, draft: &mut Draft) {
        let value = entry.value;
        match self.name(entry) {
            "desc" => draft.desc = self.desc(value),
            "cron" => {
                let cron = self.cron(value);
                draft.when.push(("cron", value, cron));
            }
            "every" => {
                let every = self.every(value);
                draft.when.push(("every", value, every));
            }
            "at" => {
                let help = "write 2026-12-24 18:00, or with an offset 2026-12-24T18:00:00+01:00";
                let time = self.text(value, "'at' is a time", help);
                let at = time.map(|time| When::At {
                    time: time.trim().to_owned(),
                    zone: None,
                });
                draft.when.push(("at", value, at));
            }
            "watch" => {
                let watch = self.watched(value);
                draft.when.push(("watch", value, watch));
            }
            "timezone" => {
                let help = "write a name of the tz database, such as Europe/Berlin";
                let zone = self.text(value, "'timezone' is the name of a time zone", help);
                let zone = zone.map(str::to_owned);
                if let Some(wrong) = zone.as_ref().and_then(|zone| times::zone(zone).err()) {
                    self.wrong_time(value, "time-zone", &wrong);
                }
                draft.zone = zone.map(|zone| (value, zone));
            }
            "run" => {
                let wanted = "'run' is the name of one task";
                draft.run = self.task_name(value, wanted);
            }
            "vars" => self.trigger_values(value, draft),
            "overlap" => {
                let words = [
                    ("skip", Overlap::Skip),
                    ("queue", Overlap::Queue),
                    ("cancel", Overlap::Cancel),
                    ("allow", Overlap::Allow),
                ];
                draft.overlap = self.one_of(value, "'overlap'", &words);
            }
            "catch_up" => {
                let words = [
                    ("none", CatchUp::None),
                    ("last", CatchUp::Last),
                    ("all", CatchUp::All),
                ];
                let catch_up = self.one_of(value, "'catch_up'", &words);
                draft.catch_up = catch_up.map(|one| (value, one));
            }
            "jitter" => {
                let jitter = self.fixed(value, "'jitter'");
                draft.jitter = jitter.map(|jitter| (value, jitter));
            }
            "debounce" => {
                let debounce = self.fixed(value, "'debounce'");
                draft.debounce = debounce.map(|debounce| (value, debounce));
            }
            "enabled" => draft.enabled = self.boolean(value, "'enabled'"),
            _ => {
                self.unknown_key(Scope::Trigger, entry);
            }
        }
    }

    /// What starts it: exactly one thing.
    fn when(
        &mut self,
        entry: &Entry,
        name: &str,
        draft: &mut Draft,
        before: usize,
    ) -> Option<When> {
        let mut whens = std::mem::take(&mut draft.when).into_iter();
        let Some((key, at, when)) = whens.next() else {
            if self.found.len() == before {
                let message = format!("nothing starts the trigger '{name}'");
                self.report(entry.key, Diagnostic::error("no-time", message).help(WHEN));
            }
            return None;
        };
        if let Some((other, at, _)) = whens.next() {
            let message = format!("the trigger '{name}' has both '{key}' and '{other}'");
            let help = "make two triggers of it";
            self.report(at, Diagnostic::error("two-times", message).help(help));
        }
        let mut when = when?;
        let zone = draft.zone.as_ref().map(|(_, zone)| zone.clone());
        match &mut when {
            When::Cron { zone: own, .. } => *own = zone,
            When::At { time, zone: own } => {
                *own = zone;
                let known = own.as_ref().and_then(|name| times::zone(name).ok());
                let known = known.unwrap_or(jiff::tz::TimeZone::UTC);
                if let Err(wrong) = times::instant(time, &known) {
                    self.wrong_time(at, "time", &wrong);
                }
            }
            When::Every(_) | When::Watch { .. } => {}
        }
        if let (When::Watch { debounce, .. }, Some((_, written))) = (&mut when, draft.debounce) {
            *debounce = written;
        }
        draft.when.push((key, at, Some(when.clone())));
        Some(when)
    }

    /// Keys that say nothing beside what starts it.
    fn fit_together(&mut self, draft: &Draft) {
        let Some((key, _, Some(when))) = draft.when.first() else {
            return;
        };
        let is_watch = matches!(when, When::Watch { .. });
        let has_zone = matches!(when, When::Cron { .. } | When::At { .. });
        let zone = draft.zone.as_ref().map(|(at, _)| *at);
        let catch_up = draft.catch_up.map(|(at, _)| at);
        let jitter = draft.jitter.map(|(at, _)| at);
        let debounce = draft.debounce.map(|(at, _)| at);
        let wrong = [
            ("timezone", zone.filter(|_| !has_zone)),
            ("catch_up", catch_up.filter(|_| is_watch)),
            ("jitter", jitter.filter(|_| is_watch)),
            ("debounce", debounce.filter(|_| !is_watch)),
        ];
        for (name, at) in wrong {
            if let Some(at) = at {
                let message = format!("'{name}' has no meaning beside '{key}'");
                self.report(
                    at,
                    Diagnostic::error("no-meaning", message).help("remove it"),
                );
            }
        }
    }

    fn cron(&mut self, at: At) -> Option<When> {
        let help = "write \"0 2 * * *\": minute, hour, day of the month, month, day of the week";
        let text = self.text(at, "'cron' is a text of five fields", help)?;
        match text.parse::<Cron>() {
            Ok(_) => Some(When::Cron {
                expression: text.trim().to_owned(),
                zone: None,
            }),
            Err(wrong) => {
                self.wrong_time(at, "cron", &wrong);
                None
            }
        }
    }

    fn every(&mut self, at: At) -> Option<When> {
        let every = self.fixed(at, "'every'")?;
        if let Err(wrong) = times::interval(every) {
            self.wrong_time(at, "every", &wrong);
            return None;
        }
        Some(When::Every(every))
    }

    fn wrong_time(&mut self, at: At, code: &'static str, wrong: &Wrong) {
        self.report(
            at,
            Diagnostic::error(code, wrong.what.clone()).help(wrong.help.clone()),
        );
    }

    fn fixed(&mut self, at: At, what: &str) -> Option<Duration> {
        match self.duration(at, what)? {
            Setting::Fixed(span) => Some(span),
            Setting::Template(_) => None,
        }
    }

    fn watched(&mut self, at: At) -> Option<When> {
        let texts = self.patterns(at, &Owner::File, "watch");
        let mut patterns: Vec<String> = Vec::new();
        for text in texts {
            if text.is_template() {
                let message = "a template in 'watch' of a trigger is not in this version of flow";
                let diagnostic = Diagnostic::error("not-in-this-version", message);
                self.report(at, diagnostic.help("write the pattern itself"));
                return None;
            }
            patterns.push(text.text.into());
        }
        if patterns.iter().all(|pattern| pattern.starts_with('!')) {
            let message = "no pattern says which files to watch";
            let help = "write [\"src/**/*.rs\", \"!src/gen/**\"]";
            self.report(at, Diagnostic::error("no-pattern", message).help(help));
            return None;
        }
        Some(When::Watch {
            patterns,
            debounce: DEBOUNCE,
        })
    }

    /// Values are texts: the same that could be typed as NAME=VALUE.
    fn trigger_values(&mut self, at: At, draft: &mut Draft) {
        let wanted = "'vars' is a map of names and values";
        for entry in self.entries(at, wanted, "write each as 'name: value'") {
            let Some(name) = self.var_name(&entry, "a value") else {
                continue;
            };
            let wanted = format!("the value of '{name}' for a trigger is a text or a number");
            let help = "lists and maps are made in the task";
            let Some(text) = self.text(entry.value, &wanted, help) else {
                continue;
            };
            let text = text.to_owned();
            if !self.is_template_here(entry.value, &text, "a trigger") {
                draft.values.push((name, text));
                draft.value_spans.push(self.span(entry.key));
            }
        }
    }

    fn one_of<T: Copy>(&mut self, at: At, what: &str, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        let (wanted, help) = (
            format!("{what} is one of {names}"),
            format!("write one of {names}"),
        );
        let text = self.text(at, &wanted, &help)?;
        let known = words.iter().find(|(name, _)| *name == text);
        if known.is_none() {
            let message = format!("{what} can't be '{text}'");
            self.report(at, Diagnostic::error("unknown-word", message).help(help));
        }
        known.map(|(_, value)| *value)
    }

    /// A trigger's name is a file's name and part of a unit's, so it is one plain word.
    fn check_trigger_name(&mut self, at: At, name: &str) {
        if let Err(wrong) = crate::trigger::check_name(name) {
            self.wrong_time(at, "trigger-name", &wrong);
        }
    }
}

/// The triggers of the files of a workflow, put into it.
pub(super) fn resolve(nodes: &mut [Node], workflow: &mut Workflow) {
    let mut known = Known::default();
    let mut triggers = Vec::new();
    for node in nodes {
        let raws = std::mem::take(&mut node.raw.triggers);
        triggers.extend(known.resolve(raws, workflow, &node.namespace, &mut node.raw));
    }
    workflow.triggers = triggers;
}

/// The names of triggers that are taken, and where.
#[derive(Default)]
pub(super) struct Known {
    taken: HashMap<String, String>,
    suggest: Option<Suggest>,
}

impl Known {
    /// Names that the workflow's own triggers have.
    pub(super) fn of(workflow: &Workflow) -> Self {
        let place = |trigger: &Trigger| {
            let file = &workflow.files[trigger.place.file as usize].path;
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            format!("line {} of {name}", trigger.place.line)
        };
        let taken = workflow.triggers.iter();
        Self {
            taken: taken.map(|one| (one.name.clone(), place(one))).collect(),
            suggest: None,
        }
    }

    /// Triggers whose tasks are those that their names mean. What is wrong is added to what was found in the file.
    pub(super) fn resolve(
        &mut self,
        raws: Vec<RawTrigger>,
        workflow: &Workflow,
        namespace: &str,
        raw: &mut Raw,
    ) -> Vec<Trigger> {
        let mut triggers = Vec::with_capacity(raws.len());
        for one in raws {
            let mut trigger = one.trigger;
            trigger.name = names::whole(namespace, &trigger.name);
            let line = trigger.place.line;
            let here = format!("line {line} of {}", raw.source.name);
            if let Some(other) = self.taken.insert(trigger.name.clone(), here) {
                let message = format!(
                    "the name '{}' is taken by a trigger in {other}",
                    trigger.name
                );
                let found = Diagnostic::error("name-taken", message).help("write another name");
                raw.found.push(found.at(one.name_span, ""));
            }
            let wanted = match one.run.name.strip_prefix(':') {
                Some(name) => name.to_owned(),
                None => names::whole(namespace, &one.run.name),
            };
            let suggest = self.suggest.get_or_insert_with(Suggest::new);
            let found = workflow.find(&wanted);
            let unusable = found.and_then(|task| workflow.tasks[task].unusable.as_deref());
            let absent = workflow.absent(&wanted).filter(|_| found.is_none());
            let why = unusable.map(|unusable| unusable.why.clone());
            let why = why.or_else(|| {
                absent
                    .map(|absent| format!("the file of the include '{}' is not there", absent.name))
            });
            if let Some(why) = why {
                let message = format!("the trigger '{}' starts nothing: {why}", trigger.name);
                let warning = Diagnostic::warning("unusable-task", message)
                    .help("bring that file, or take the trigger out");
                raw.found.push(warning.at(one.run.span.clone(), ""));
                continue;
            }
            match found {
                Some(index) => {
                    let task = &workflow.tasks[index];
                    trigger.run = task.name.clone();
                    if let Some(reader) = stdin::reader(&workflow.tasks, index) {
                        let message = format!(
                            "'{}' reads stdin, and nobody will be there to write it",
                            reader.name
                        );
                        let found = Diagnostic::error("stdin", message);
                        let found = found.help("let the trigger run another task");
                        raw.found.push(found.at(one.run.span.clone(), ""));
                    }
                    let asks = |task: &Task| task.rules().confirm.is_some();
                    if let Some(asks) = names::first_of_run(&workflow.tasks, index, asks) {
                        let found = nobody_answers(&trigger.name, &asks.name);
                        raw.found.push(found.at(one.run.span.clone(), ""));
                    }
                    check_values(
                        &trigger,
                        &one.value_spans,
                        &one.run,
                        workflow,
                        task,
                        raw,
                        suggest,
                    );
                }
                None => {
                    names::unknown(&workflow.tasks, &one.run, &wanted, raw, namespace, suggest);
                }
            }
            triggers.push(trigger);
        }
        triggers
    }
}

fn nobody_answers(trigger: &str, task: &str) -> Diagnostic {
    let message = format!(
        "the trigger '{trigger}' runs the task '{task}', which has 'confirm', and nobody will be there to answer"
    );
    Diagnostic::error("trigger-confirm", message)
        .help("take out 'confirm', or let it run another task")
}

/// The task gets no value that nobody declares, and each that it needs.
fn check_values(
    trigger: &Trigger,
    spans: &[Range<usize>],
    run: &RawNeed,
    workflow: &Workflow,
    task: &Task,
    raw: &mut Raw,
    suggest: &mut Suggest,
) {
    let params = task.params.iter().map(|param| param.name.as_str());
    let of_files = workflow.files.iter().flat_map(|file| &file.vars);
    let vars = task.vars.iter().chain(of_files);
    let known: Vec<&str> = params.chain(vars.map(|var| var.name.as_str())).collect();
    for ((name, _), span) in trigger.values.iter().zip(spans) {
        if !known.contains(&name.as_str()) {
            let message = format!("the task '{}' has no param or var '{name}'", task.name);
            let help = match suggest.nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("declare it there: 'params: {{{name}: string}}'"),
            };
            let found = Diagnostic::error("unknown-name", message).help(help);
            raw.found.push(found.at(span.clone(), ""));
        }
    }
    for ((name, value), span) in trigger.values.iter().zip(spans) {
        let param = task.params.iter().find(|param| param.name == *name);
        if let Some(Err(misfit)) = param.map(|param| param.read_texts(&[value])) {
            let message = format!(
                "the value of '{name}' for the task '{}': {}",
                task.name, misfit.what
            );
            let found = Diagnostic::error("param-value", message).help(misfit.help);
            raw.found.push(found.at(span.clone(), ""));
        }
    }
    for param in task.params.iter().filter(|param| param.required) {
        let given = trigger.values.iter().any(|(name, _)| *name == param.name);
        if !given {
            let message = format!("the task '{}' needs a value for {}", task.name, param.name);
            let help = format!("write it in the trigger: 'vars: {{{}: …}}'", param.name);
            let found = Diagnostic::error("missing-value", message).help(help);
            raw.found.push(found.at(run.span.clone(), ""));
        }
    }
}
