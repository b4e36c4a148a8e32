//! What people see of a run.
//!
//! Only this module (and `cli`, through it) writes to the terminal. Data goes to stdout, flow's own words to stderr, and
//! nothing is said by colour alone. Reporters are observers: they see facts and the state, never the engine or the store.

pub mod bash;
pub mod dry;
pub mod exit_code;
pub mod failure;
pub mod frame;
pub mod graph;
pub mod group;
pub mod json;
pub mod level;
pub mod line;
pub mod log;
pub mod prefix;
pub mod screen;
pub mod spool;
pub mod stream;
pub mod style;
pub mod summary;
pub mod table;

use std::borrow::Cow;

use self::level::Level;
use crate::core::observer::{Observer, Stream};
use crate::model::plan::{Kind, Plan};

use self::screen::Screen;
use self::style::Style;

/// How the output of tasks is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As it is for one task; for several by line on a terminal, else grouped.
    #[default]
    Auto,
    /// As it comes, whole lines of one task at a time.
    Stream,
    /// Each line with the name of its task.
    Prefix,
    /// All of a task together when it has ended.
    Group,
    /// The facts, one a line, and nothing else.
    Json,
}

/// What a reporter needs to know beyond the run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How output is shown.
    pub mode: Mode,
    /// How much is said beside the output of tasks.
    pub level: Level,
    /// Colours on stderr.
    pub style: Style,
    /// Whether a person looks at stdout.
    pub terminal: bool,
    /// The command that runs something again.
    pub again: Again,
    /// Where the run's output logs are, for people; empty when they are not kept.
    pub logs: String,
    /// The command that goes on with this run; none when it is not recorded.
    pub resume: Option<String>,
}

/// The reporter for these settings.
pub fn reporter(settings: Settings, plan: &Plan) -> Box<dyn Observer> {
    let mut tasks = plan.tasks();
    let one = tasks.next().map(|(id, _)| &plan.node(id).kind);
    // Items that run at the same time are like tasks that do.
    let side_by_side =
        matches!(one, Some(Kind::Loop { group, .. }) if group.parallel_max != Some(1));
    let several = plan.up_to_date > 0 || tasks.next().is_some() || side_by_side;
    let screen = Screen::standard();
    let output: Box<dyn Output> = match settings.mode {
        Mode::Json => return Box::new(json::Json::new(screen)),
        Mode::Stream => Box::new(stream::Streamed::new(several)),
        Mode::Prefix => Box::new(prefix::Prefixed::new(plan, settings.style)),
        Mode::Group => Box::new(group::Grouped::new()),
        Mode::Auto if !several => Box::new(stream::Streamed::new(several)),
        Mode::Auto if settings.terminal => Box::new(prefix::Prefixed::new(plan, settings.style)),
        Mode::Auto => Box::new(group::Grouped::new()),
    };
    Box::new(line::Lines::new(settings, screen, output, several))
}

/// How the output of tasks reaches the screen.
pub trait Output: Send {
    /// Words of flow about a task, without a line's end.
    fn say(&mut self, screen: &mut Screen, from: &Source<'_>, words: &str);

    /// Words that matter now, whatever else of the task is held back.
    fn announce(&mut self, screen: &mut Screen, from: &Source<'_>, words: &str) {
        self.say(screen, from, words);
    }

    /// Output of a task.
    fn print(&mut self, screen: &mut Screen, from: &Source<'_>, stream: Stream, bytes: &[u8]);

    /// A command has ended: what it left unfinished is a line now.
    fn command_ended(&mut self, screen: &mut Screen, from: &Source<'_>);

    /// A command of a task gets the screen to itself: what there is of the task comes before it, on lines of its own.
    fn make_room(&mut self, screen: &mut Screen, from: &Source<'_>);

    /// A task has ended.
    fn task_ended(&mut self, screen: &mut Screen, from: &Source<'_>);
}

/// Where words or output come from.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The number of the task, or of its item where it is a loop.
    pub task: u32,
    /// The name of the task, with its item where it is a loop.
    pub name: Cow<'a, str>,
    /// The number of the command.
    pub node: u32,
}

/// The command that runs something again.
#[derive(Clone, Debug)]
pub enum Again {
    /// How flow was called, up to the tasks; the name of a task follows, after `run` where it would be taken for a verb.
    Task {
        /// The call, ending with a space.
        call: String,
        /// The verbs that win over a task of their name.
        verbs: Vec<&'static str>,
    },
    /// The whole call.
    All(String),
}
