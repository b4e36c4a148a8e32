//! The world as values see it: files that are there, commands that are run, secrets that are hidden.
//!
//! A command whose output or end is an answer is run as the commands of steps are: in a group of its own, with the same marks in
//! its environment, told to stop and killed by the same book. In a run the loop does that (`super::desk`), before one and without
//! one it is followed here (`super::alone`).

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::alone;
use super::desk::{Desk, Handed, Key, Limit, Reply};
use crate::core::fact::Exit;
use crate::eval::outside::{Command, Holds, NoOutput, Outside};
use crate::exec::mask::Secrets;
use crate::exec::{CommandId, Job, Said, WhichStreams};
use crate::model::plan::{Program, STDOUT_BYTES_MAX};
use crate::model::time::human;

/// How much of what a command said on stderr is told, in characters.
const STDERR_CHARS_MAX: usize = 1000;

/// The signals that end a program against its will. A shell whose last command was ended by one exits with 128 and its number.
const KILLED_BY: [i32; 13] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGILL,
    libc::SIGABRT,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGKILL,
    libc::SIGSEGV,
    libc::SIGPIPE,
    libc::SIGTERM,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    libc::SIGSYS,
];

/// How large a file may be that a value or variables come from, in bytes.
const READ_BYTES_MAX: u64 = 10_000_000;

/// The world; one that runs nothing for what is only shown or looked at.
#[derive(Debug)]
pub struct World {
    commands: Commands,
    secrets: Secrets,
}

/// What becomes of a command whose output or end is an answer.
#[derive(Debug)]
enum Commands {
    /// The loop that serves this desk runs it, as soon as there is one.
    Run(Arc<Desk>),
    /// It is shown in the place of its output.
    Shown,
    /// What needs it is not known.
    Refused,
}

impl World {
    /// As it is; commands are run by the loop that serves this desk, as soon as there is one.
    pub fn new(desk: Arc<Desk>, secrets: Secrets) -> Self {
        Self {
            commands: Commands::Run(desk),
            secrets,
        }
    }

    /// Files can be read, nothing is run.
    pub fn at_rest(secrets: Secrets) -> Self {
        Self {
            commands: Commands::Shown,
            secrets,
        }
    }

    /// Files can be read; what needs a command is an error, so all else is known for sure.
    pub fn without_commands(secrets: Secrets) -> Self {
        Self {
            commands: Commands::Refused,
            secrets,
        }
    }

    /// Runs a command to its end; with a key, once for all who ask for the same.
    fn run(
        &self,
        command: &Command<'_>,
        keeps_stdout: bool,
        key: Option<&Key>,
    ) -> Result<Said, NoOutput> {
        let desk = match &self.commands {
            Commands::Run(desk) => desk,
            Commands::Shown => return Err(NoOutput::NotNow),
            Commands::Refused => {
                let why = "it is only run when the task is".to_owned();
                return Err(NoOutput::Failed(why));
            }
        };
        let said = match desk.hand_in(job(command, keeps_stdout), key) {
            Handed::Known(said) => said,
            Handed::Refused => return Err(NoOutput::Stopped("it was stopped".to_owned())),
            Handed::Back(job) => {
                let said = alone::run(job, self.secrets.clone()).map_err(NoOutput::Stopped)?;
                desk.learn(key.cloned(), &said);
                said
            }
            Handed::In(replies) => match replies.recv() {
                Ok(Reply::Said(said)) => said,
                Ok(Reply::Late(limit)) => return Err(NoOutput::Stopped(late(limit))),
                Ok(Reply::Stopped) | Err(_) => {
                    return Err(NoOutput::Stopped("it was stopped".to_owned()));
                }
            },
        };
        match &said.exit.error {
            Some(error) => Err(NoOutput::Failed(error.clone())),
            None => Ok(said),
        }
    }
}

fn job(command: &Command<'_>, keeps_stdout: bool) -> Job {
    let env = command.env.iter().chain(&command.script.env);
    Job {
        // The desk has the numbers.
        id: CommandId::Question(0),
        attempt: 1,
        program: Program::Script {
            shell: None,
            text: command.script.text.clone(),
            args: command.script.args.clone(),
        },
        dir: command.dir.to_owned(),
        env: env.cloned().collect(),
        logs: None,
        handover: None,
        keeps: WhichStreams {
            stdout: keeps_stdout,
            stderr: true,
        },
        stdin: false,
        without: &[],
        own_streams: None,
    }
}

fn late(limit: Limit) -> String {
    let limit = human(limit.timeout);
    format!("it took longer than {limit}, the timeout")
}

impl Outside for World {
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        let kind = match std::fs::metadata(path) {
            Ok(kind) => kind,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        // Reading a pipe may wait for ever, and a device may have no end.
        if !kind.is_file() {
            return Err("it is no regular file".to_owned());
        }
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(READ_BYTES_MAX + 1).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > READ_BYTES_MAX {
            return Err("it is larger than 10 MB".to_owned());
        }
        Ok(Some(bytes))
    }

    fn output(&self, command: &Command<'_>) -> Result<Vec<u8>, NoOutput> {
        let env = command.env.iter().chain(&command.script.env).cloned();
        let key = (
            command.script.text.clone(),
            command.dir.to_owned(),
            env.collect(),
        );
        let said = self.run(command, true, Some(&key))?;
        value(said).map_err(NoOutput::Failed)
    }

    fn holds(&self, command: &Command<'_>) -> Result<Holds, NoOutput> {
        let said = self.run(command, false, None)?;
        let words = words(&said.stderr);
        match could_not_tell(&said.exit) {
            _ if said.exit.is_ok() => Ok(Holds::Yes),
            None => Ok(Holds::No(words)),
            Some(how) => Err(NoOutput::Failed(with_words(how, &words))),
        }
    }

    fn rests(&self) -> bool {
        matches!(self.commands, Commands::Shown)
    }

    fn cpus(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    fn hide(&self, secret: &[u8]) {
        self.secrets.add(secret);
    }

    fn hidden(&self, text: &str) -> String {
        self.secrets.masked(text)
    }

    fn stop(&self) {
        if let Commands::Run(desk) = &self.commands {
            desk.close();
        }
    }
}

/// The value that a command has printed, without the newlines at its end; else why there is none, as a part of a sentence.
fn value(said: Said) -> Result<Vec<u8>, String> {
    let mut bytes = said.stdout;
    if bytes.len() > STDOUT_BYTES_MAX {
        return Err("it printed more than 1 MiB; write it to a file".to_owned());
    }
    if !said.exit.is_ok() {
        let how = could_not_tell(&said.exit).unwrap_or_else(|| how(&said.exit));
        return Err(with_words(how, &words(&said.stderr)));
    }
    while bytes
        .last()
        .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
    {
        bytes.pop();
    }
    if bytes.contains(&0) {
        return Err("it printed a NUL, which no value can hold".to_owned());
    }
    Ok(bytes)
}

fn how(exit: &Exit) -> String {
    match exit.exit_code {
        Some(code) => format!("it failed with exit code {code}"),
        None => "its end was not seen".to_owned(),
    }
}

/// How a command ended that can't have said yes or no: it was not found, could not be executed, or was killed.
fn could_not_tell(exit: &Exit) -> Option<String> {
    let killed = |signal: i32| match signal_hook::low_level::signal_name(signal) {
        Some(name) => format!("it was killed by {name}"),
        None => format!("it was killed by signal {signal}"),
    };
    match exit {
        Exit {
            signal: Some(signal),
            ..
        } => Some(killed(*signal)),
        Exit {
            exit_code: Some(code),
            ..
        } => match code {
            126 => Some("it can't be executed (exit code 126)".to_owned()),
            127 => Some("command not found (exit code 127)".to_owned()),
            code => KILLED_BY
                .contains(&(code - 128))
                .then(|| killed(code - 128)),
        },
        _ => Some(how(exit)),
    }
}

/// The last words of a command.
fn words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    let surplus = text.chars().count().saturating_sub(STDERR_CHARS_MAX);
    text.chars().skip(surplus).collect()
}

fn with_words(how: String, words: &str) -> String {
    if words.is_empty() {
        how
    } else {
        format!("{how}: {words}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::Script;

    fn world() -> World {
        World::new(Arc::default(), Secrets::default())
    }

    fn script(text: &str) -> Script {
        Script {
            text: text.to_owned(),
            env: vec![("NAME".to_owned(), b"a b".to_vec())],
            ..Script::default()
        }
    }

    fn of<'a>(script: &'a Script) -> Command<'a> {
        Command {
            script,
            dir: Path::new("/"),
            env: &[],
        }
    }

    fn output(text: &str) -> Result<String, NoOutput> {
        let bytes = world().output(&of(&script(text)))?;
        Ok(String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn output_is_a_value() {
        assert_eq!(output("echo \"$NAME\"; pwd; echo"), Ok("a b\n/".to_owned()));
    }

    #[test]
    fn a_failure_says_why() {
        let why = output("echo half; echo oh no >&2; exit 3");
        let expected = "it failed with exit code 3: oh no".to_owned();
        assert_eq!(why, Err(NoOutput::Failed(expected)));
        assert!(
            output("false; echo x").is_err(),
            "sh -e ends at the first failure"
        );
        let too_much = output("yes").expect_err("it does not end by itself");
        assert!(format!("{too_much:?}").contains("1 MiB"));
    }

    #[test]
    fn what_can_t_be_asked_is_no_answer() {
        let holds = |text: &str| world().holds(&of(&script(text)));
        assert_eq!(holds("true"), Ok(Holds::Yes));
        assert_eq!(holds("echo no >&2; false"), Ok(Holds::No("no".to_owned())));
        assert_eq!(holds("exit 128"), Ok(Holds::No(String::new())));
        for text in [
            "no-such-program-at-all",
            "exec /dev/null",
            "kill -9 $$",
            "sh -c 'kill -9 $$'",
            "sh -c 'kill -SEGV $$'; true",
        ] {
            let why = holds(text);
            assert!(matches!(why, Err(NoOutput::Failed(_))), "{text}: {why:?}");
        }
    }

    #[test]
    fn nothing_is_started_after_the_end() {
        let world = world();
        world.stop();
        let script = script("echo");
        assert!(matches!(
            world.output(&of(&script)),
            Err(NoOutput::Stopped(_))
        ));
    }
}
