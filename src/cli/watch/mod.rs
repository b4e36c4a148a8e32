//! `flow watch TASK`: a run each time a file changes that the task, or what it depends on, is made of.

mod keys;
mod mail;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use self::keys::{Key, Keys};
use self::mail::{DuringRun, Letters, Mail};
use clap::Args;

use super::args::duration;
use super::context::{self, Context};
use super::needed::{self, Work};
use super::run;
use super::run::RunArgs;
use super::running;
use super::verb::Verb;
use super::{Exit, Trouble};
use crate::engine::clock::Clock;
use crate::engine::inbox::Inbox;
use crate::engine::watched::{self, Watched};
use crate::engine::{Ending, signals};
use crate::exec::runner::Runner;
use crate::incremental::Print;
use crate::model::id::NodeId;
use crate::model::language::{Text, Workflow};
use crate::model::listed::listed;
use crate::model::plan::{Node, Plan};
use crate::model::time::human;
use crate::plan::Request;
use crate::report::level::Level;
use crate::report::style::visible;
use crate::report::{Mode, screen, summary};
use crate::watch::{Change, POLLED_EVERY, Wanted, Watch};

/// Run tasks, and run them again when their files change
#[derive(Debug, Args)]
pub(in crate::cli) struct WatchArgs {
    #[command(flatten)]
    pub(in crate::cli) run: RunArgs,
    /// Poll the files at this interval, e.g. on network drives [default: 500ms]
    #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, value_parser = duration)]
    pub(in crate::cli) poll: Option<Option<Duration>>,
}

impl Verb for WatchArgs {
    const NAME: &'static str = "watch";

    fn call(&self, context: &Context) -> Result<Exit, Trouble> {
        watch_args(context, self)
    }
}

/// After so many runs in a row that were caused by nothing but what the run before has written, it is the run that writes there;
/// from then on there are pauses between them.
const ROUNDS_MAX: u32 = 10;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long after the end of a run a change may be seen that it has made.
const SEEN_WITHIN: Duration = Duration::from_millis(5);

/// Runs tasks, and again whenever what they are made of changes, until somebody ends it.
pub(super) fn watch_args(context: &Context, args: &WatchArgs) -> Result<Exit, Trouble> {
    let poll = args.poll.map(|every| every.unwrap_or(POLLED_EVERY));
    watch(context, &args.run, poll)
}

/// The same, with how often files are looked at where the system is not to tell of them.
pub(super) fn watch(
    context: &Context,
    args: &RunArgs,
    poll: Option<Duration>,
) -> Result<Exit, Trouble> {
    if args.dry_run {
        let what = "--dry-run runs nothing, so there is nothing to watch";
        return Err(Trouble::call(what, "leave one of them out"));
    }
    let mut inbox = running::inbox()?;
    let bell = inbox
        .bell()
        .map_err(|error| Trouble::call(format!("can't watch: {error}"), ""))?;
    let mail = Mail::new(bell);
    let mut session = Session {
        args,
        poll,
        inbox,
        keys: None,
        mail,
        own_writes: HashMap::new(),
        ended_at: None,
        runner: Runner::new(
            crate::exec::shell::Programs::new(Vec::new()),
            crate::exec::mask::Secrets::default(),
        ),
        polls: false,
    };
    // The first time what is wrong is an error of the call; later it is mended under our eyes.
    let mut subject = Subject::of(context, args, &[context.path()?])?;
    session.keys = if subject.is_interactive() || session.is_json() {
        None
    } else {
        Keys::read(session.mail.clone())
    };
    let mut cause: Option<String> = None;
    loop {
        let end = session.look_after(&mut subject, cause.take())?;
        let path = match end {
            End::Exit(exit) => return Ok(exit),
            End::Definition(what) => what,
        };
        match session.read_again(context, &subject.definition, path)? {
            Ok((again, what)) => (subject, cause) = (again, Some(what)),
            Err(exit) => return Ok(exit),
        }
    }
}

/// What is watched: a file as it was read, and what of it is asked for.
struct Subject {
    context: Context,
    request: Request,
    plan: Arc<Plan>,
    watched: Vec<Watched>,
    definition: Vec<PathBuf>,
    /// What of the definition held when it was about to be read.
    before: HashMap<PathBuf, Print>,
}

impl Subject {
    /// Reads the file; `definition` is what is known to say what there is to do.
    fn of(context: &Context, args: &RunArgs, definition: &[PathBuf]) -> Result<Self, Trouble> {
        let before = prints(definition);
        let context = context.anew();
        let workflow = context.workflow()?;
        let Some(mut request) = run::request(&context, workflow, args)? else {
            let what = "say what to watch: the file has no task 'default'";
            return Err(Trouble::call(
                what,
                "flow watch TASK; `flow list` shows all tasks",
            ));
        };
        request.watch = true;
        let plan = run::plan(workflow, &request)?;
        if let Some(confirm) = plan.confirms.first() {
            let what = format!("the task {:?} asks to be confirmed", confirm.task);
            let help = "what asks each time can't be watched; run it by itself";
            return Err(Trouble::call(what, help));
        }
        if args.exit_code {
            let help = "what is watched goes on until it is stopped, and fails in between";
            return Err(Trouble::call("--exit-code can't be used with watch", help));
        }
        if plan.nodes.iter().any(|node| node.rules().stdin) {
            let help = "stdin can be read once: run it by itself, or let it read a file";
            return Err(Trouble::call("what reads stdin can't be watched", help));
        }
        let plan = Arc::new(plan);
        let watched = files_of(&context, &plan)?;
        if watched.iter().all(|one| one.interest.reads.is_empty()) {
            let names: Vec<&str> = plan.asked_names().into_iter().collect();
            let what = format!("there is nothing to watch for {}", names.join(", "));
            let help =
                "say what the task is made of: 'sources', or 'watch' for files that only start it";
            return Err(Trouble::call(what, help));
        }
        let definition = self::definition(workflow);
        Ok(Self {
            before,
            request,
            plan,
            watched,
            definition,
            context,
        })
    }

    /// The same with what the commands of its tasks have named in the last run; `None` where that is watched already.
    fn named_since(&self) -> Result<Option<Vec<Watched>>, Trouble> {
        let names = |node: &Node| {
            let incremental = node.incremental.as_ref();
            incremental.is_some_and(|one| one.depfile.is_some())
        };
        if !self.plan.nodes.iter().any(names) {
            return Ok(None);
        }
        let now = files_of(&self.context, &self.plan)?;
        let own = self.watched.iter().map(|one| &one.interest);
        Ok((!own.eq(now.iter().map(|one| &one.interest))).then_some(now))
    }

    fn is_interactive(&self) -> bool {
        self.plan.nodes.iter().any(|node| node.rules().interactive)
    }

    fn root(&self) -> Result<PathBuf, Trouble> {
        let path = self.context.path()?;
        Ok(path.parent().map_or_else(PathBuf::new, PathBuf::from))
    }
}

/// For which files the tasks of a plan are watched.
fn files_of(context: &Context, plan: &Arc<Plan>) -> Result<Vec<Watched>, Trouble> {
    let work = Work::taken_up(context, Arc::clone(plan))?;
    let known = needed::known(context)?;
    watched::watched(plan, &work.values.evaluator, Some(&known))
        .map_err(|why| Trouble::call(why, "what is watched has to be known before it runs"))
}

/// What files hold now.
pub(super) fn prints(paths: &[PathBuf]) -> HashMap<PathBuf, Print> {
    let print = |path: &PathBuf| Some((path.clone(), Print::of(path, None, Clock::of_files())?));
    paths.iter().filter_map(print).collect()
}

/// The files that say what there is to do: the Workflowfile, what it includes, and dotenv files whose names are known.
pub(super) fn definition(workflow: &Workflow) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = workflow
        .files
        .iter()
        .map(|file| file.path.clone())
        .collect();
    let known = |dir: &PathBuf, text: &Text| (!text.is_template()).then(|| dir.join(&*text.text));
    for file in &workflow.files {
        paths.extend(file.dotenv.iter().filter_map(|text| known(&file.dir, text)));
    }
    for task in &workflow.tasks {
        let dir = &workflow.file_of(task).dir;
        paths.extend(task.dotenv.iter().filter_map(|text| known(dir, text)));
    }
    paths
}

/// Why it is not watched any longer.
enum End {
    /// flow ends.
    Exit(Exit),
    /// What there is to do is said otherwise now; how that is told.
    Definition(String),
}

/// What stays the same as long as flow watches.
struct Session<'a> {
    args: &'a RunArgs,
    poll: Option<Duration>,
    inbox: Inbox,
    keys: Option<Keys>,
    mail: Mail,
    /// How often in a row a run was caused by nothing but a change of this file in the run before.
    own_writes: HashMap<PathBuf, u32>,
    /// When the last run ended.
    ended_at: Option<Instant>,
    /// Nobody, to wait for.
    runner: Runner,
    /// It was said that files are looked at every so often.
    polls: bool,
}

impl Session<'_> {
    fn is_json(&self) -> bool {
        self.args.show.mode() == Mode::Json
    }

    /// Runs and waits until it ends or something else is to be watched.
    fn look_after(
        &mut self,
        subject: &mut Subject,
        mut cause: Option<String>,
    ) -> Result<End, Trouble> {
        let root = subject.root()?;
        let mut lookout = self.begin(subject, &root)?;
        let interested: Arc<[NodeId]> = subject.watched.iter().map(|one| one.task).collect();
        let mut first = true;
        loop {
            if let Some(what) = cause.take() {
                self.say(&context::style().dim(&visible(&what)));
            }
            let before = std::mem::take(&mut first);
            let begins = self.ended_at.is_none();
            let ending = self.run(subject, &interested, &root, before)?;
            if let Some(Ending::Interrupted(signal)) = ending {
                return Ok(End::Exit(Exit::Signal(signal)));
            }
            self.ended_at = Some(Clock::system().instant());
            if let Some(watched) = subject.named_since()? {
                subject.watched = watched;
                lookout = self.begin(subject, &root)?;
            }
            // Who edits the file meanwhile may be about to make them.
            if begins && lookout.files() == 0 {
                return Err(no_file(subject));
            }
            let mut next = self.mail.take();
            if next.is_empty() {
                self.invite(&lookout);
            }
            let mut later: Option<(Instant, String)> = None;
            cause = loop {
                match self.read(next, &root)? {
                    Read::End(end) => return Ok(end),
                    Read::Run(what) => break what,
                    Read::Later(pause, what) => {
                        later = Some((Clock::system().instant() + pause, what));
                    }
                    Read::Nothing => {}
                }
                next = match self.wait(later.as_ref().map(|(at, _)| *at))? {
                    Waited::Letters(letters) => letters,
                    Waited::Exit(exit) => return Ok(End::Exit(exit)),
                    Waited::Long => break later.map(|(_, what)| what),
                };
            };
        }
    }

    fn begin(&self, subject: &Subject, root: &Path) -> Result<Watch, Trouble> {
        let wanted = Wanted {
            root: root.to_owned(),
            interests: subject
                .watched
                .iter()
                .map(|one| one.interest.clone())
                .collect(),
            definition: subject.definition.clone(),
            poll: self.poll,
        };
        let known = needed::known(&subject.context)?;
        let mail = self.mail.clone();
        Watch::begin(
            wanted,
            |reads| {
                let mut known = known.prints(reads);
                known.extend(
                    subject
                        .before
                        .iter()
                        .map(|(path, print)| (path.clone(), *print)),
                );
                known
            },
            Clock::FOR_FILES,
            move |news| mail.news(news),
        )
        .map_err(|error| {
            let help = "--poll looks at the files every so often instead";
            Trouble::call(error.to_string(), help)
        })
    }

    /// One run; `None` when there is nothing to do.
    fn run(
        &mut self,
        subject: &Subject,
        interested: &Arc<[NodeId]>,
        root: &Path,
        first: bool,
    ) -> Result<Option<Ending>, Trouble> {
        let (context, args) = (&subject.context, self.args);
        let mut request = subject.request.clone();
        // That it was asked for once does not make it run each time.
        request.force &= first;
        request.force_all &= first;
        let same = (request.force, request.force_all)
            == (subject.request.force, subject.request.force_all);
        let plan = if same {
            Arc::clone(&subject.plan)
        } else {
            Arc::new(run::plan(context.workflow()?, &request)?)
        };
        let work = Work::of(context, plan, None, args)?;
        if work.ahead.is_all && !self.is_json() {
            work.keep_fingerprints();
            if args.show.says(Level::Info) {
                let text = summary::nothing_to_do(work.up_to_date(), 0);
                self.say(&text);
            }
            return Ok(None);
        }
        let (running, manner) = run::begin(context, args, &work)?;
        let caller = DuringRun {
            mail: self.mail.clone(),
            plan: Arc::clone(&work.plan),
            interested: Arc::clone(interested),
            root: root.to_owned(),
        };
        let caller = Some(Box::new(caller) as Box<_>);
        let inbox = &mut self.inbox;
        running
            .go_on_hearing(context, &args.show, manner, &work, inbox, caller)
            .map(Some)
    }

    /// What to do about what has come in.
    fn read(&mut self, mut letters: Letters, root: &Path) -> Result<Read, Trouble> {
        if let Some(why) = letters.polls.take().filter(|_| !self.polls) {
            self.polls = true;
            self.say(&polls(&why));
        }
        let mut again = false;
        for key in letters.keys {
            match key {
                Key::Quit => return Ok(Read::End(End::Exit(Exit::Done))),
                Key::Again => again = true,
                // As `clear` does it, with what has scrolled away.
                Key::Clear => self.write("\x1b[H\x1b[2J\x1b[3J"),
                Key::Help => self.say(HELP),
            }
        }
        if again {
            return Ok(Read::Run(None));
        }
        let changes = letters.changes;
        if changes.is_empty() {
            return Ok(Read::Nothing);
        }
        let what = mail::sentence(changes.values(), root);
        let of_definition = changes.values().any(|change| change.interests.is_empty());
        if of_definition {
            return Ok(Read::End(End::Definition(what)));
        }
        Ok(match self.round_and_round(&changes, root) {
            Some(pause) => Read::Later(pause, what),
            None => Read::Run(Some(what)),
        })
    }

    /// How long to wait before the next run, where the last ones were caused by nothing but what the one before has written:
    /// else that would go round and round as fast as it can.
    fn round_and_round(
        &mut self,
        changes: &BTreeMap<PathBuf, Change>,
        root: &Path,
    ) -> Option<Duration> {
        // What is written at the end of a run is seen a moment later.
        let until = self.ended_at.map(|ended| ended + SEEN_WITHIN);
        let of_run = |change: &Change| until.is_some_and(|until| change.at <= until);
        let counts = std::mem::take(&mut self.own_writes);
        if !changes.values().all(of_run) {
            self.mail.suspect(BTreeSet::new());
            return None;
        }
        for path in changes.keys() {
            let count = counts.get(path).copied().unwrap_or(0) + 1;
            self.own_writes.insert(path.clone(), count);
        }
        let rounds = self.own_writes.values().min().copied().unwrap_or(0);
        let beyond = rounds.checked_sub(ROUNDS_MAX)?;
        if beyond == 0 {
            let what = mail::sentence(changes.values(), root);
            self.say(&format!(
                "{} in each of the last {rounds} runs, so the runs restart themselves: add it to 'generates' of the task that writes it",
                visible(&what)
            ));
        }
        self.mail.suspect(changes.keys().cloned().collect());
        Some((FIRST_PAUSE * 2u32.pow(beyond.min(8))).min(LONGEST_PAUSE))
    }

    /// Waits for something to come in.
    fn wait(&mut self, until: Option<Instant>) -> Result<Waited, Trouble> {
        loop {
            let ready = self
                .inbox
                .wait(&self.runner, until)
                .map_err(|error| Trouble::call(format!("can't wait: {error}"), ""))?;
            for signal in ready.signals {
                match Signal::from_named_raw(signal) {
                    Some(Signal::TSTP) => {
                        self.keys.iter().for_each(Keys::unset);
                        signals::suspend();
                        self.keys.iter().for_each(Keys::set);
                    }
                    Some(Signal::CONT) => self.keys.iter().for_each(Keys::set),
                    Some(Signal::CHILD) => {}
                    _ => return Ok(Waited::Exit(Exit::Signal(signal))),
                }
            }
            let letters = self.mail.take();
            if !letters.is_empty() {
                return Ok(Waited::Letters(letters));
            }
            if until.is_some_and(|until| until <= Clock::system().instant()) {
                return Ok(Waited::Long);
            }
        }
    }

    /// Reads the file again, as often as it takes until there is nothing wrong with it.
    fn read_again(
        &mut self,
        context: &Context,
        definition: &[PathBuf],
        mut what: String,
    ) -> Result<Result<(Subject, String), Exit>, Trouble> {
        loop {
            let before = prints(definition);
            let trouble = match Subject::of(context, self.args, definition) {
                Ok(subject) => return Ok(Ok((subject, what))),
                Err(trouble) => trouble,
            };
            self.say(&context::style().dim(&visible(&what)));
            self.write(&trouble.words);
            self.say("waiting for the file to be mended");
            what = match self.wait_for_definition(context, definition, before)? {
                Ok(changed) => changed,
                Err(exit) => return Ok(Err(exit)),
            };
        }
    }

    /// Waits until the file, or one that lies beside it, is written.
    fn wait_for_definition(
        &mut self,
        context: &Context,
        definition: &[PathBuf],
        before: HashMap<PathBuf, Print>,
    ) -> Result<Result<String, Exit>, Trouble> {
        let path = context.path()?;
        let root = path.parent().map_or_else(PathBuf::new, PathBuf::from);
        let mail = self.mail.clone();
        let wanted = Wanted {
            root: root.clone(),
            definition: definition.to_vec(),
            poll: self.poll,
            ..Wanted::default()
        };
        let _lookout = Watch::begin(
            wanted,
            |_| before,
            Clock::FOR_FILES,
            move |news| mail.news(news),
        )
        .map_err(|error| Trouble::call(error.to_string(), ""))?;
        loop {
            let letters = match self.wait(None)? {
                Waited::Letters(letters) => letters,
                Waited::Exit(exit) => return Ok(Err(exit)),
                Waited::Long => continue,
            };
            if letters.keys.contains(&Key::Quit) {
                return Ok(Err(Exit::Done));
            }
            if letters.keys.contains(&Key::Again) {
                return Ok(Ok("once more".to_owned()));
            }
            if !letters.changes.is_empty() {
                return Ok(Ok(mail::sentence(letters.changes.values(), &root)));
            }
        }
    }

    /// That it waits now, and what for.
    fn invite(&self, lookout: &Watch) {
        // Who has been suspended meanwhile may find the terminal set otherwise.
        self.keys.iter().for_each(Keys::set);
        let files = count(lookout.files(), "file");
        let keys = if self.keys.is_some() {
            "; r runs again, q quits, ? says more"
        } else {
            ""
        };
        let text = format!("waiting for changes of {files}{keys}");
        self.say(&context::style().dim(&text));
    }

    fn say(&self, text: &str) {
        if self.args.show.says(Level::Info) && !self.is_json() {
            self.write(&format!("{text}\n"));
        }
    }

    fn write(&self, text: &str) {
        // That there is nobody to read it is no error.
        let _ = screen::print("", text);
    }
}

/// Who waits for changes of no file waits for ever.
fn no_file(subject: &Subject) -> Trouble {
    let names = listed(subject.plan.asked_names());
    Trouble::call(
        format!("there is nothing to watch: no file is there that {names} is made of"),
        "a pattern of its 'sources' may be misspelt; one file has to be there when the watch begins",
    )
}

const HELP: &str = "\
  r, Enter  run again, whatever runs
  c         clear the screen
  q         quit; what runs is stopped
  ?         this";

fn polls(why: &str) -> String {
    let every = human(POLLED_EVERY);
    let remedy = if why.contains("max_user_watches") {
        "\n  help: sudo sysctl fs.inotify.max_user_watches=524288 (in /etc/sysctl.d to keep it)"
    } else if why.contains("max_user_instances") {
        "\n  help: sudo sysctl fs.inotify.max_user_instances=512 (in /etc/sysctl.d to keep it)"
    } else {
        ""
    };
    format!("{why}: looking at the files every {every} instead{remedy}")
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// What is to be done about what has come in.
enum Read {
    End(End),
    /// A run, for this reason.
    Run(Option<String>),
    /// The same after a pause, unless something else comes in.
    Later(Duration, String),
    Nothing,
}

enum Waited {
    Letters(Letters),
    Exit(Exit),
    /// As long as it was to wait.
    Long,
}
