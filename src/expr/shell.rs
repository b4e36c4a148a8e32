//! Reads a rendered script as a POSIX shell would, as far as is needed to know where a value stands in it.
//!
//! A NUL stands for a value. What it is replaced by is never parsed again, so a mistake made here costs a word that is
//! split or a `${…}` that stays as it is; never a command. Arithmetic is the exception: shells evaluate what is in a
//! variable there, and so a value is refused wherever arithmetic may be. It knows no value, and runs nothing.

use std::cell::OnceCell;
use std::mem;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// A word or a part of one.
    Bare,
    /// In `"…"` or in a here-document.
    Double,
    /// In `'…'`.
    Single,
    /// In a comment.
    Comment,
    /// Where nothing that is put there would be text.
    Refused(Why),
}

/// Why a value can't stand where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    QuotedHere,
    HereWord,
    DollarQuote,
    Arithmetic,
    Backquotes,
    Braces,
    Backslash,
    Subscript,
    Depth,
    Descriptor,
    Continued,
}

/// A value's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) how: How,
    /// A `$` stands right before it, and has to be told that it is one.
    pub(super) dollar: bool,
}

/// A simple command, as far as words tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
    /// Its here-documents, and what it reads from a process (`< <( … )`).
    pub(super) stdin: Vec<Word>,
    /// The files that it writes to.
    pub(super) targets: Vec<Word>,
    /// The files that it reads.
    pub(super) sources: Vec<Word>,
    /// What feeds it by a pipe.
    pub(super) piped: Option<Piped>,
    /// It is within `[[ … ]]`.
    pub(super) condition: bool,
}

/// What stands before a `|`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piped {
    /// The command with this number.
    By(usize),
    /// A group of commands, a loop, or whatever else is more than one.
    ByGroup,
}

/// A word without its quotes; a value is a NUL, and what a substitution gives is missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) text: Vec<u8>,
    /// The values in it, in order.
    pub(super) data: Vec<usize>,
    /// The values in what is substituted in it (`$( … )`, `( … )` of an array), each with its place in the text.
    pub(super) inner: Vec<(usize, usize)>,
    /// The variables that are expanded in it, each with its place in the text.
    pub(super) names: Vec<(usize, Vec<u8>)>,
    /// Words within what is substituted in it, and within `${…}`.
    pub(super) hidden: Vec<Vec<u8>>,
    /// It is fed to the command by `<<<`.
    pub(super) fed: bool,
    /// What it names is the input or the output of a process.
    pub(super) process: bool,
    /// Some of it is quoted.
    pub(super) quoted: bool,
    /// Something is substituted in it: `$( … )`, `${…}`, backquotes.
    pub(super) substituted: bool,
    /// It stands behind `&>file`, where a shell that does not know that operator begins a command.
    pub(super) may_begin: bool,
}

/// What a script is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    /// For each value, in order.
    pub(super) spots: Vec<Spot>,
    pub(super) commands: Vec<Command>,
    /// The names of the functions that it defines.
    pub(super) functions: Vec<Vec<u8>>,
    /// The variables whose value the shell evaluates: in arithmetic, in subscripts, in `${!name}`.
    pub(super) evaluated: Vec<Vec<u8>>,
    /// What is assigned within expansions, `${name:=…}`: names, and the names in what they get.
    pub(super) defaulted: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    /// The scripts within backquotes; there are no values in them.
    pub(super) backquoted: Vec<Vec<u8>>,
    /// What feeds more than one command, once that was asked for.
    pub(super) feeding: OnceCell<super::holders::Feeding>,
}

/// How long the text is that stands before the brace which closes it.
fn braced(text: &[u8]) -> usize {
    let mut depth = 1;
    let end = text.iter().position(|byte| {
        depth += i32::from(*byte == b'{') - i32::from(*byte == b'}');
        depth == 0
    });
    end.unwrap_or(text.len())
}

/// A line that goes on in the next one.
const CONTINUED: &[u8] = b"\\\n";

/// Reads a script. A shell joins lines that end in a backslash before it reads them, but in quotes and comments; so the script is read
/// as it stands and joined, and a value that does not stand the same in both is refused.
pub(super) fn scan(text: &[u8]) -> Scan {
    let mut scan = read(text);
    if !text.windows(2).any(|pair| pair == CONTINUED) {
        return scan;
    }
    let joined = read(&joined(text));
    for (spot, other) in scan.spots.iter_mut().zip(&joined.spots) {
        if spot.how != other.how && !matches!(spot.how, How::Refused(_)) {
            spot.how = match other.how {
                How::Refused(why) => How::Refused(why),
                _ => How::Refused(Why::Continued),
            };
        }
    }
    let before = scan.commands.len();
    scan.commands
        .extend(joined.commands.into_iter().map(|command| {
            let piped = match command.piped {
                Some(Piped::By(number)) => Some(Piped::By(number + before)),
                other => other,
            };
            Command { piped, ..command }
        }));
    scan.functions.extend(joined.functions);
    scan.evaluated.extend(joined.evaluated);
    scan.defaulted.extend(joined.defaulted);
    scan.backquoted.extend(joined.backquoted);
    scan
}

fn joined(text: &[u8]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(CONTINUED) {
            at += CONTINUED.len();
        } else if text[at] == b'\\' && at + 1 < text.len() {
            joined.extend_from_slice(&text[at..at + 2]);
            at += 2;
        } else {
            joined.push(text[at]);
            at += 1;
        }
    }
    joined
}

fn read(text: &[u8]) -> Scan {
    let mut lexer = Lexer {
        text,
        at: 0,
        stack: vec![Frame::Shell(Shell::default())],
        here: Vec::new(),
        scan: Scan::default(),
    };
    while lexer.at < text.len() {
        if lexer.stack.len() > FRAMES_MAX {
            lexer.give_up();
            break;
        }
        lexer.step();
    }
    lexer.finish();
    lexer.scan
}

enum Frame {
    Shell(Shell),
    Double,
    Here {
        end: usize,
        command: usize,
        word: Word,
    },
    Brace {
        double: bool,
    },
    Arithmetic {
        open: u32,
        closer: Closer,
    },
    Back,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closer {
    Parentheses,
    Bracket,
}

/// Where commands stand: the script, `( … )`, `$( … )`.
#[derive(Default)]
struct Shell {
    nested: bool,
    command: Option<usize>,
    word: Option<Word>,
    next: Next,
    cases: Vec<Case>,
    condition: bool,
    /// The word after `function` is a name, and what follows it is a command.
    names_function: bool,
    /// What stands before a `|`.
    piped: Option<Piped>,
    /// The items of an array.
    array: bool,
    /// Behind `&>`.
    may_begin: bool,
    /// Behind a word that assigns nothing: `word( … )`, which zsh takes for what its files have to be like.
    qualifier: bool,
}

/// How far something gets that stands within substitutions.
#[derive(Default)]
struct Reach {
    /// The frames of the words that it becomes a part of.
    words: Vec<usize>,
    /// It is evaluated as arithmetic.
    arithmetic: bool,
}

/// What the next word is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Word,
    /// The file of a redirection.
    Target {
        /// A descriptor, after `>&` and `<&`.
        descriptor: bool,
        /// It is read.
        read: bool,
    },
    Fed,
    HereWord {
        tabs: bool,
    },
}

/// Where in `case … in … ) … ;; esac` it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Subject,
    In,
    Pattern,
    Body,
}

/// A here-document whose text is still to come.
struct Pending {
    word: Vec<u8>,
    quoted: bool,
    tabs: bool,
    command: usize,
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    stack: Vec<Frame>,
    here: Vec<Pending>,
    scan: Scan,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn looking_at(&self, what: &[u8]) -> bool {
        self.text[self.at..].starts_with(what)
    }

    fn step(&mut self) {
        self.leave_here_documents();
        match self.stack.last() {
            None | Some(Frame::Shell(_)) => self.in_shell(),
            Some(Frame::Double) => self.in_double(true),
            Some(Frame::Here { .. }) => self.in_double(false),
            Some(Frame::Brace { double }) => self.in_brace(*double),
            Some(Frame::Arithmetic { .. }) => self.in_arithmetic(),
            Some(Frame::Back) => self.in_backquotes(),
        }
    }

    /// The text of a here-document ends where its lines do, whatever was opened in it.
    fn leave_here_documents(&mut self) {
        let over = |frame: &Frame| matches!(frame, Frame::Here { end, .. } if *end <= self.at);
        if let Some(first) = self.stack.iter().position(over) {
            while self.stack.len() > first {
                self.leave();
            }
        }
    }

    /// The innermost thing ends.
    fn leave(&mut self) {
        self.end_word();
        if let Some(Frame::Here { command, word, .. }) = self.stack.pop()
            && let Some(command) = self.scan.commands.get_mut(command)
        {
            command.stdin.push(word);
        }
    }

    /// Nobody writes such a thing, and each step costs its depth.
    fn give_up(&mut self) {
        let left = self.text[self.at..].iter().filter(|byte| **byte == 0);
        let how = How::Refused(Why::Depth);
        let spots = left.map(|_| Spot { how, dollar: false });
        self.scan.spots.extend(spots);
        self.at = self.text.len();
    }

    fn finish(&mut self) {
        while !self.stack.is_empty() {
            self.leave();
        }
    }

    fn shell(&mut self) -> Option<&mut Shell> {
        self.stack.iter_mut().rev().find_map(|frame| match frame {
            Frame::Shell(shell) => Some(shell),
            _ => None,
        })
    }

    /// The word that is being read; a here-document is one.
    fn word(&mut self) -> Option<&mut Word> {
        self.stack.iter_mut().rev().find_map(|frame| match frame {
            Frame::Shell(shell) => Some(shell.word.get_or_insert_default()),
            Frame::Here { word, .. } => Some(word),
            _ => None,
        })
    }

    /// How far what stands here gets, as a part of what is substituted.
    fn reach(&self) -> Reach {
        let mut reach = Reach::default();
        let (mut is_inner, mut from_here) = (true, false);
        for (at, frame) in self.stack.iter().enumerate().rev() {
            match frame {
                Frame::Arithmetic { .. } => reach.arithmetic = true,
                Frame::Here { .. } => {
                    if !mem::take(&mut is_inner) {
                        reach.words.push(at);
                    }
                    from_here = true;
                }
                Frame::Shell(shell) => {
                    if !mem::take(&mut is_inner) && shell.word.is_some() {
                        reach.words.push(at);
                    }
                    if !mem::take(&mut from_here) && !self.passes_on(shell) {
                        break;
                    }
                }
                _ => {}
            }
        }
        reach
    }

    /// Whether a command prints the argument that is being read, as far as that is known.
    fn passes_on(&self, shell: &Shell) -> bool {
        let command = shell
            .command
            .and_then(|number| self.scan.commands.get(number));
        let program = command.and_then(|command| {
            command.words.iter().find(|word| {
                let equals = word.text.iter().position(|byte| *byte == b'=');
                !equals.is_some_and(|equals| is_name(&word.text[..equals]))
            })
        });
        let name = program.filter(|word| word.names.is_empty() && word.hidden.is_empty());
        let is_file = matches!(shell.next, Next::Target { .. });
        let is_group = shell.command.is_none() && shell.word.is_none();
        shell.array
            || is_group
            || !is_file
                && name.is_some_and(|word| {
                    let is_function = self.scan.functions.contains(&word.text);
                    is_function || PRINTS_ARGUMENTS.contains(&word.text.as_slice())
                })
    }

    fn word_at(&mut self, at: usize) -> Option<&mut Word> {
        match self.stack.get_mut(at) {
            Some(Frame::Shell(shell)) => shell.word.as_mut(),
            Some(Frame::Here { word, .. }) => Some(word),
            _ => None,
        }
    }

    /// A variable is expanded here.
    fn expansion(&mut self, name: &[u8]) {
        // All positional parameters are one.
        let is_positional = name.iter().all(|byte| b"@*0123456789".contains(byte));
        let name = if is_positional { b"@" } else { name };
        if let Some(word) = self.word() {
            word.names.push((word.text.len(), name.to_vec()));
        }
        let reach = self.reach();
        for at in reach.words {
            if let Some(word) = self.word_at(at) {
                word.names.push((word.text.len(), name.to_vec()));
            }
        }
        if reach.arithmetic {
            self.scan.evaluated.push(name.to_vec());
        }
    }

    /// One byte more in the word.
    fn byte(&mut self, byte: u8) {
        if let Some(word) = self.word() {
            word.text.push(byte);
        }
        self.at += 1;
    }

    fn quote_word(&mut self) {
        if let Some(word) = self.word() {
            word.quoted = true;
        }
    }

    /// The value at this place.
    fn datum(&mut self, how: How) {
        let dollar = self.at > 0 && self.text[self.at - 1] == b'$' && !self.escaped(self.at - 1);
        let around = self.stack.iter().rev().find_map(|frame| match frame {
            Frame::Brace { .. } => Some(Why::Braces),
            Frame::Back => Some(Why::Backquotes),
            _ => None,
        });
        let reach = self.reach();
        let around = around.or(reach.arithmetic.then_some(Why::Arithmetic));
        let is_qualifier = |frame: &Frame| matches!(frame, Frame::Shell(shell) if shell.qualifier);
        let around = around.or(self
            .stack
            .iter()
            .any(is_qualifier)
            .then_some(Why::Subscript));
        let how = around.map_or(how, How::Refused);
        let dollar = dollar && matches!(how, How::Bare | How::Double);
        let number = self.scan.spots.len();
        self.scan.spots.push(Spot { how, dollar });
        if how != How::Comment {
            if let Some(word) = self.word() {
                word.data.push(number);
                word.text.push(0);
            }
            for at in reach.words {
                if let Some(word) = self.word_at(at) {
                    word.inner.push((word.text.len(), number));
                }
            }
        }
        self.at += 1;
    }

    /// Whether an odd number of backslashes stands before this place.
    fn escaped(&self, at: usize) -> bool {
        let before = self.text[..at].iter().rev();
        before.take_while(|byte| **byte == b'\\').count() % 2 == 1
    }

    /// A backslash and what it is before.
    fn backslash(&mut self) {
        match self.peek(1) {
            Some(0) => {
                self.at += 1;
                self.datum(How::Refused(Why::Backslash));
            }
            Some(b'\n') => self.at += 2,
            Some(byte) => {
                self.at += 1;
                self.byte(byte);
            }
            None => self.at += 1,
        }
    }

    fn in_shell(&mut self) {
        let byte = self.text[self.at];
        match byte {
            b'\\' => {
                self.quote_word();
                self.backslash();
            }
            b'\'' => self.single(How::Single),
            b'"' => {
                self.quote_word();
                self.open(Frame::Double, 1);
            }
            b'$' => self.dollar(true),
            b'`' => self.open_backquotes(),
            0 => self.bare_datum(),
            b' ' | b'\t' => {
                self.end_word();
                self.at += 1;
            }
            b'\n' => self.newline(),
            b'#' if self.shell().is_some_and(|shell| shell.word.is_none()) => self.comment(),
            b';' => self.semicolon(),
            b'&' | b'|' => self.operator(byte),
            b'(' => self.parenthesis(),
            b')' => self.close(),
            b'<' | b'>' => self.redirect(byte),
            b'[' if self.opens_subscript() => self.open_arithmetic(Closer::Bracket, 1),
            _ => self.byte(byte),
        }
    }

    /// Whether a `[` begins the subscript of an assignment, within which blanks may stand.
    fn opens_subscript(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or(rest);
        let assigns = [&b"]="[..], b"]+="]
            .iter()
            .any(|end| line.windows(end.len()).any(|part| part == *end));
        let Some(Frame::Shell(shell)) = self.stack.last() else {
            return false;
        };
        let is_variable = |word: &Word| !word.quoted && is_name(&word.text);
        assigns && shell.word.as_ref().is_some_and(is_variable)
    }

    /// A value outside quotes; in `name[…` it is a subscript, which is arithmetic, and so it is in `[…]=` of an array.
    fn bare_datum(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|'));
        let rest = &rest[..end.unwrap_or(rest.len())];
        let of_array = || {
            [&b"]="[..], b"]+="]
                .iter()
                .any(|end| rest.windows(end.len()).any(|part| part == *end))
        };
        let subscript = self.word().is_some_and(|word| {
            let name = word.text.iter().position(|byte| *byte == b'[');
            name.is_some_and(|open| {
                (is_name(&word.text[..open]) || open == 0 && of_array())
                    && !word.text[open..].contains(&b']')
            })
        });
        self.datum(match subscript {
            true => How::Refused(Why::Subscript),
            false => How::Bare,
        });
    }

    fn open(&mut self, frame: Frame, bytes: usize) {
        if matches!(frame, Frame::Shell(_) | Frame::Back | Frame::Brace { .. })
            && let Some(shell) = self.shell()
        {
            // A substitution makes a word, if only an empty one.
            shell.word.get_or_insert_default().substituted = true;
        }
        self.stack.push(frame);
        self.at += bytes;
    }

    fn nested(&self, condition: bool) -> Frame {
        Frame::Shell(Shell {
            nested: true,
            condition,
            ..Shell::default()
        })
    }

    /// `'…'`, to its end.
    fn single(&mut self, how: How) {
        self.quote_word();
        self.at += 1;
        let limit = self.limit();
        while self.at < limit {
            match self.text[self.at] {
                b'\'' => {
                    self.at += 1;
                    return;
                }
                0 => self.datum(how),
                byte => self.byte(byte),
            }
        }
    }

    /// Where what is being read has to end.
    fn limit(&self) -> usize {
        let ends = self.stack.iter().filter_map(|frame| match frame {
            Frame::Here { end, .. } => Some(*end),
            _ => None,
        });
        ends.min().unwrap_or(self.text.len())
    }

    /// `$'…'`, to its end.
    fn dollar_single(&mut self) {
        self.quote_word();
        self.at += 2;
        let limit = self.limit();
        while self.at < limit {
            match self.text[self.at] {
                b'\'' => {
                    self.at += 1;
                    return;
                }
                0 => self.datum(How::Refused(Why::DollarQuote)),
                b'\\' if self.peek(1) != Some(0) => self.at += 2,
                byte => self.byte(byte),
            }
        }
        self.at = self.at.min(self.text.len());
    }

    /// A `$` and what it begins; `bare` is outside double quotes.
    fn dollar(&mut self, bare: bool) {
        match self.peek(1) {
            Some(b'\'') if bare => self.dollar_single(),
            Some(b'"') if bare => {
                self.quote_word();
                self.open(Frame::Double, 2);
            }
            Some(b'(') if self.peek(2) == Some(b'(') => {
                self.open_arithmetic(Closer::Parentheses, 3)
            }
            Some(b'[') => self.open_arithmetic(Closer::Bracket, 2),
            Some(b'(') => {
                let frame = self.nested(false);
                self.open(frame, 2);
            }
            Some(b'{') if matches!(self.peek(2), Some(b' ' | b'\t' | b'\n' | b'|')) => {
                self.command_in_braces();
            }
            Some(b'{') => self.brace(!bare),
            Some(first) => {
                let rest = &self.text[self.at + 1..];
                let length = match first {
                    b'0'..=b'9' | b'@' | b'*' => 1,
                    _ => name_length(rest),
                };
                let name = rest[..length].to_vec();
                self.byte(b'$');
                if length > 0 {
                    self.expansion(&name);
                }
                name.into_iter().for_each(|byte| self.byte(byte));
                if length > 0 && self.peek(0) == Some(b'[') {
                    self.bracket();
                }
            }
            None => self.byte(b'$'),
        }
    }

    /// `[` behind `$name`, which begins a subscript to zsh.
    fn bracket(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| matches!(byte, b']' | b'\n'));
        let Some(end) = end.filter(|end| rest[*end] == b']') else {
            return;
        };
        self.scan.evaluated.extend(variables(&rest[..end]));
        if rest[..end].iter().any(|byte| matches!(byte, 0 | b'$')) {
            self.open_arithmetic(Closer::Bracket, 1);
        }
    }

    /// `${ …; }` and `${| …; }`, whose content ksh, mksh and bash run as commands.
    fn command_in_braces(&mut self) {
        let content = self.at + 2..self.at + 2 + braced(&self.text[self.at + 2..]);
        let content = content.start..content.end.min(self.limit());
        let script = self.text[content.clone()].iter();
        // A value is refused here anyway.
        let script: Vec<u8> = script
            .map(|byte| if *byte == 0 { b'x' } else { *byte })
            .collect();
        if let Some(word) = self.word() {
            word.substituted = true;
        }
        for name in variables(&script) {
            self.expansion(&name);
        }
        self.at = content.start;
        while self.at < content.end {
            match self.text[self.at] {
                0 => self.datum(How::Refused(Why::Braces)),
                _ => self.at += 1,
            }
        }
        self.at = (self.at + 1).min(self.text.len());
        self.scan.backquoted.push(script);
    }

    /// `${`, and what stands in it.
    fn brace(&mut self, double: bool) {
        let rest = &self.text[self.at + 2..];
        let content = rest[..braced(rest)].to_vec();
        self.open(Frame::Brace { double }, 2);
        let length = content
            .strip_prefix(b"#")
            .filter(|name| name_length(name) > 0);
        let mut content = length.unwrap_or(&content);
        let is_length = length.is_some();
        let indirect = content.strip_prefix(b"!");
        let mut is_evaluated = indirect.is_some();
        content = indirect.unwrap_or(content);
        if content.first() == Some(&b'(')
            && let Some(end) = content.iter().position(|byte| *byte == b')')
        {
            // The flags of zsh, some of which evaluate, also what they are given.
            is_evaluated = true;
            self.scan.evaluated.extend(variables(&content[..end]));
            content = &content[end + 1..];
        }
        while let Some(b'^' | b'=' | b'~') = content.first() {
            content = &content[1..];
        }
        let length = match content.first() {
            Some(b'@' | b'*') => 1,
            Some(b'0'..=b'9') => content
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count(),
            _ => name_length(content),
        };
        let (name, mut rest) = content.split_at(length);
        if !name.is_empty() && !is_length {
            self.expansion(name);
        }
        let mut evaluated: Vec<Vec<u8>> = Vec::new();
        if rest.first() == Some(&b'[') {
            let end = rest
                .iter()
                .position(|byte| *byte == b']')
                .unwrap_or(rest.len());
            evaluated.extend(variables(&rest[..end]));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        match rest {
            [b'@', ..] => is_evaluated = true,
            [b':', b'=', value @ ..] | [b'=', value @ ..] => {
                self.scan.defaulted.push((name.to_vec(), variables(value)));
            }
            [b':', b'-' | b'?' | b'+', ..] => {}
            [b':', place @ ..] => evaluated.extend(variables(place)),
            _ => {}
        }
        if is_evaluated {
            evaluated.push(name.to_vec());
        }
        self.scan.evaluated.extend(evaluated);
        let tokens = tokens(rest);
        if let Some(word) = self.word() {
            word.hidden.extend(tokens);
        }
    }

    fn open_arithmetic(&mut self, closer: Closer, bytes: usize) {
        self.open(Frame::Arithmetic { open: 0, closer }, bytes);
    }

    fn in_double(&mut self, quotes: bool) {
        match self.text[self.at] {
            b'"' if quotes => {
                self.stack.pop();
                self.at += 1;
            }
            b'\\' if !self.is_special_in_double(quotes) => {
                self.byte(b'\\');
                if let Some(next) = self.peek(0) {
                    self.byte(next);
                }
            }
            b'\\' => self.backslash(),
            b'$' => self.dollar(false),
            b'`' => self.open_backquotes(),
            0 => self.datum(How::Double),
            byte => self.byte(byte),
        }
    }

    /// Whether a backslash within `"…"`, or in a here-document, is more than itself.
    fn is_special_in_double(&self, quotes: bool) -> bool {
        match self.peek(1) {
            Some(b'$' | b'`' | b'\\' | b'\n' | 0) | None => true,
            Some(b'"') => quotes,
            _ => false,
        }
    }

    fn in_brace(&mut self, double: bool) {
        match self.text[self.at] {
            b'}' => {
                self.stack.pop();
                self.at += 1;
            }
            b'\\' => self.backslash(),
            b'\'' if !double => self.single(How::Refused(Why::Braces)),
            b'"' => self.open(Frame::Double, 1),
            b'$' => self.dollar(!double),
            b'`' => self.open_backquotes(),
            0 => self.datum(How::Refused(Why::Braces)),
            _ => self.at += 1,
        }
    }

    fn in_arithmetic(&mut self) {
        let byte = self.text[self.at];
        let next = self.peek(1);
        let Some(Frame::Arithmetic { open, closer }) = self.stack.last_mut() else {
            return;
        };
        match byte {
            b'(' => *open += 1,
            b'[' if *closer == Closer::Bracket => *open += 1,
            b')' | b']' if *open > 0 && (byte == b']') == (*closer == Closer::Bracket) => {
                *open -= 1
            }
            b']' if *closer == Closer::Bracket => {
                self.stack.pop();
            }
            b')' if *closer == Closer::Parentheses && next == Some(b')') => {
                self.stack.pop();
                self.at += 1;
            }
            b')' if *closer == Closer::Parentheses => {
                // It was a subshell in parentheses after all.
                let frame = self.nested(false);
                self.stack.pop();
                self.stack.push(frame);
            }
            b'$' => return self.dollar(false),
            b'`' => return self.open_backquotes(),
            b'"' => return self.open(Frame::Double, 1),
            b'\\' => return self.backslash(),
            0 => return self.datum(How::Refused(Why::Arithmetic)),
            _ => {
                let before = self.at.checked_sub(1).map(|at| self.text[at]);
                let within =
                    before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let length = name_length(&self.text[self.at..]);
                if length > 0 && !within {
                    let name = self.text[self.at..self.at + length].to_vec();
                    self.scan.evaluated.push(name);
                }
            }
        }
        self.at += 1;
    }

    fn open_backquotes(&mut self) {
        let (mut script, mut rest) = (Vec::new(), self.text[self.at + 1..].iter());
        while let Some(byte) = rest.next().filter(|byte| **byte != b'`') {
            let next = rest.as_slice().first();
            match next.filter(|next| *byte == b'\\' && b"`$\\".contains(next)) {
                Some(next) => {
                    script.push(*next);
                    rest.next();
                }
                // A value there is refused as it is.
                None if *byte == 0 => {}
                None => script.push(*byte),
            }
        }
        let tokens = tokens(&script);
        if let Some(word) = self.word() {
            word.hidden.extend(tokens);
        }
        self.scan.backquoted.push(script);
        self.open(Frame::Back, 1);
    }

    fn in_backquotes(&mut self) {
        match self.text[self.at] {
            b'`' => {
                self.stack.pop();
                self.at += 1;
            }
            b'\\' if self.peek(1) != Some(0) => self.at = (self.at + 2).min(self.text.len()),
            0 => self.datum(How::Refused(Why::Backquotes)),
            _ => self.at += 1,
        }
    }

    fn comment(&mut self) {
        let limit = self.limit();
        while self.at < limit && self.text[self.at] != b'\n' {
            match self.text[self.at] {
                0 => self.datum(How::Comment),
                _ => self.at += 1,
            }
        }
    }

    fn semicolon(&mut self) {
        self.end_command();
        self.at += 1;
        let more = self
            .peek(0)
            .filter(|byte| matches!(byte, b';' | b'&' | b'|'));
        if more.is_none() {
            return;
        }
        while matches!(self.peek(0), Some(b';' | b'&' | b'|')) {
            self.at += 1;
        }
        if let Some(case) = self.shell().and_then(|shell| shell.cases.last_mut()) {
            *case = Case::Pattern;
        }
    }

    fn operator(&mut self, byte: u8) {
        if byte == b'&' && self.peek(1) == Some(b'>') {
            self.end_word();
            self.at += 1;
            if let Some(shell) = self.shell() {
                shell.may_begin = true;
            }
            return self.redirect(b'>');
        }
        let doubled = self.peek(1) == Some(byte);
        self.end_word();
        let piped = self.shell().and_then(|shell| shell.command);
        let ends_group = |number: usize| {
            let first = self.scan.commands[number].words.first();
            first.is_none_or(|word| ENDS_GROUP.contains(&word.text.as_slice()))
        };
        let piped = match piped {
            Some(number) if !ends_group(number) => Piped::By(number),
            _ => Piped::ByGroup,
        };
        self.end_command();
        // `||` and `&&` are read as two.
        let before = self
            .at
            .checked_sub(1)
            .and_then(|before| self.text.get(before));
        if let Some(shell) = self.shell() {
            let is_pipe = byte == b'|' && !doubled && before != Some(&b'|');
            shell.piped = is_pipe.then_some(piped);
        }
        self.at += 1;
        // `|&` takes stderr along.
        if byte == b'|' && !doubled && self.peek(0) == Some(b'&') {
            self.at += 1;
        }
    }

    fn in_pattern(&mut self) -> bool {
        self.shell()
            .is_some_and(|shell| shell.cases.last() == Some(&Case::Pattern))
    }

    fn parenthesis(&mut self) {
        let first = self.shell().is_some_and(|shell| shell.word.is_none());
        if first && self.in_pattern() {
            self.at += 1;
        } else if self.function() {
            // It has gone on behind it.
        } else if self.peek(1) == Some(b'(') {
            self.open_arithmetic(Closer::Parentheses, 2);
        } else {
            let condition = self.shell().is_some_and(|shell| shell.condition);
            let piped = self.shell().and_then(|shell| shell.piped.take());
            let word = self.shell().and_then(|shell| shell.word.as_ref());
            let array = word.is_some_and(|word| word.text.ends_with(b"="));
            let qualifier = word.is_some() && !(array && self.may_assign());
            self.stack.push(Frame::Shell(Shell {
                nested: true,
                condition,
                array,
                qualifier,
                piped,
                ..Shell::default()
            }));
            self.at += 1;
        }
    }

    /// Whether a word of the command that is being read may be an assignment.
    fn may_assign(&mut self) -> bool {
        let command = self.shell().and_then(|shell| shell.command);
        let words = command.map_or(&[][..], |number| &self.scan.commands[number].words[..]);
        let is_assignment = |word: &&Word| word.text.contains(&b'=');
        let mut before = words.iter().filter(|word| !is_assignment(word)).peekable();
        let is_wrapper = |word: &&Word| matches!(word.text.as_slice(), b"command" | b"builtin");
        before.peek().is_none()
            || before
                .find(|word| !is_wrapper(word))
                .is_some_and(|word| DECLARES.contains(&word.text.as_slice()))
    }

    fn close(&mut self) {
        if self.in_pattern() {
            self.end_word();
            if let Some(case) = self.shell().and_then(|shell| shell.cases.last_mut()) {
                *case = Case::Body;
            }
        } else {
            self.end_command();
            if self.stack.len() > 1
                && matches!(self.stack.last(), Some(Frame::Shell(shell)) if shell.nested)
            {
                self.stack.pop();
            }
        }
        self.at += 1;
    }

    fn redirect(&mut self, byte: u8) {
        if matches!(self.peek(1), Some(b'(')) {
            self.at += 1; // `<( … )`
            let mut frame = self.nested(false);
            if let Some(word) = self.word() {
                word.process = true;
            }
            if let Frame::Shell(shell) = &mut frame {
                // What `>( … )` reads is what others write.
                shell.piped = (byte == b'>').then_some(Piped::ByGroup);
            }
            return self.open(frame, 1);
        }
        self.drop_descriptor();
        self.end_word();
        let next = if byte == b'<' && self.looking_at(b"<<<") {
            self.at += 3;
            Next::Fed
        } else if byte == b'<' && self.looking_at(b"<<") {
            let tabs = self.peek(2) == Some(b'-');
            self.at += 2 + usize::from(tabs);
            Next::HereWord { tabs }
        } else {
            self.at += 1;
            let mut descriptor = false;
            while let Some(more @ (b'>' | b'<' | b'&' | b'|')) = self.peek(0) {
                // `< <( … )` without a blank between.
                if more != b'&' && self.peek(1) == Some(b'(') {
                    break;
                }
                descriptor |= more == b'&';
                self.at += 1;
            }
            let read = byte == b'<';
            Next::Target { descriptor, read }
        };
        if let Some(shell) = self.shell() {
            shell.next = next;
        }
    }

    /// `2` in `2>file` and `{fd}` in `{fd}>file` are no words of the command.
    fn drop_descriptor(&mut self) {
        let Some(Frame::Shell(shell)) = self.stack.last_mut() else {
            return;
        };
        let is_descriptor = |word: &Word| {
            let text = word.text.as_slice();
            let name = text
                .strip_prefix(b"{")
                .and_then(|text| text.strip_suffix(b"}"));
            let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
            !word.quoted && word.data.is_empty() && (is_number || name.is_some_and(is_name))
        };
        if shell.next == Next::Word && shell.word.as_ref().is_some_and(is_descriptor) {
            shell.word = None;
        }
    }

    /// `f()`, as one word and what may stand between: what follows is a command of its own.
    fn function(&mut self) -> bool {
        let rest = &self.text[self.at + 1..];
        let blanks = rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if rest.get(blanks) != Some(&b')') {
            return false;
        }
        self.end_word();
        let Some(Frame::Shell(shell)) = self.stack.last_mut() else {
            return false;
        };
        let Some(number) = shell.command else {
            return false;
        };
        let words = &mut self.scan.commands[number].words;
        // zsh takes several names.
        let are_names = words
            .iter()
            .all(|word| word.data.is_empty() && !word.text.ends_with(b"="));
        if words.is_empty() || !are_names {
            return false;
        }
        let names = mem::take(words).into_iter().map(|word| word.text);
        shell.command = None;
        self.scan.functions.extend(names);
        self.at += blanks + 2;
        true
    }

    /// The word that ends here becomes part of its command.
    fn end_word(&mut self) {
        let Some(Frame::Shell(shell)) = self.stack.last_mut() else {
            return;
        };
        let Some(mut word) = shell.word.take() else {
            return;
        };
        let next = mem::take(&mut shell.next);
        let hidden: Vec<Vec<u8>> = word
            .hidden
            .iter()
            .cloned()
            .chain(tokens(&word.text))
            .collect();
        let top = self.stack.len() - 1;
        for at in 0..top {
            if let Some(outer) = self.word_at(at) {
                outer.hidden.extend(hidden.iter().cloned());
            }
        }
        let of_array = matches!(self.stack.last(), Some(Frame::Shell(shell)) if shell.array);
        if of_array && word.text.first() == Some(&b'[') {
            // `[n]=…`, an item by its place.
            let end = word.text.iter().position(|byte| *byte == b']').unwrap_or(0);
            let names = word.names.iter().filter(|(at, _)| *at <= end);
            self.scan
                .evaluated
                .extend(names.map(|(_, name)| name.clone()));
            self.scan.evaluated.extend(variables(&word.text[..end]));
            let within = word.text[..end].iter().filter(|byte| **byte == 0).count();
            for number in &word.data[..within.min(word.data.len())] {
                self.scan.spots[*number].how = How::Refused(Why::Subscript);
            }
            for (_, number) in word.inner.iter().filter(|(at, _)| *at <= end) {
                self.scan.spots[*number].how = How::Refused(Why::Subscript);
            }
        }
        match next {
            Next::Target { descriptor, read } => self.target(word, descriptor, read),
            Next::HereWord { tabs } => self.here_word(word, tabs),
            Next::Fed | Next::Word => {
                word.fed = next == Next::Fed;
                let Some(Frame::Shell(shell)) = self.stack.last_mut() else {
                    return;
                };
                let names_function = shell.names_function;
                if !shell.takes(&word) {
                    self.argument(word);
                } else if names_function {
                    self.scan.functions.push(word.text);
                }
            }
        }
    }

    fn target(&mut self, word: Word, descriptor: bool, read: bool) {
        let command = self.command();
        if descriptor {
            // bash expands it twice.
            let inner = word.inner.iter().map(|(_, number)| number);
            for number in word.data.iter().chain(inner) {
                self.scan.spots[*number].how = How::Refused(Why::Descriptor);
            }
            let names = word.names.into_iter().map(|(_, name)| name);
            self.scan.evaluated.extend(names);
        } else if !read {
            self.scan.commands[command].targets.push(word);
        } else if word.process {
            let inner = word.inner;
            self.scan.commands[command].stdin.push(Word {
                inner,
                ..Word::default()
            });
        } else {
            self.scan.commands[command].sources.push(word);
        }
    }

    fn here_word(&mut self, word: Word, tabs: bool) {
        if word.substituted {
            // Its end is not what it says: the word is taken as it is written.
            return self.give_up();
        }
        for number in &word.data {
            self.scan.spots[*number].how = How::Refused(Why::HereWord);
        }
        let command = self.command();
        self.here.push(Pending {
            word: word.text,
            quoted: word.quoted,
            tabs,
            command,
        });
    }

    fn command(&mut self) -> usize {
        let number = self.scan.commands.len();
        let Some(Frame::Shell(shell)) = self.stack.last_mut() else {
            return number;
        };
        if let Some(command) = shell.command {
            return command;
        }
        shell.command = Some(number);
        let condition = shell.condition;
        let piped = shell.piped.take();
        self.scan.commands.push(Command {
            condition,
            piped,
            ..Command::default()
        });
        number
    }

    fn argument(&mut self, word: Word) {
        let command = self.command();
        let begun = &self.scan.commands[command].words;
        let loops = begun
            .first()
            .is_some_and(|first| LOOPS.contains(&first.text.as_slice()));
        let begins_body = loops && (begun.len() == 2 && word.text == b"do" || word.text == b"{");
        let is_coproc = word.text == b"{"
            && begun.len() <= 2
            && begun.first().is_some_and(|first| first.text == b"coproc");
        let is_body = word.text == b"{" && begun.last().is_some_and(|last| last.text == b"]]");
        let is_always = word.text == b"always" && begun.len() == 1 && begun[0].text == b"}";
        if (begins_body || is_always || is_coproc || is_body) && !word.quoted {
            // What follows is a command of its own: `for n do`, and zsh's `for n (…) {` and `always {`.
            return self.end_command();
        }
        let (unquoted, mut word) = (!word.quoted, word);
        if let Some(Frame::Shell(shell)) = self.stack.last_mut() {
            word.may_begin = mem::take(&mut shell.may_begin);
            match word.text.as_slice() {
                b"[[" if unquoted => shell.condition = true,
                b"]]" if unquoted => shell.condition = false,
                _ => {}
            }
            self.scan.commands[command].condition |= shell.condition;
        }
        self.scan.commands[command].words.push(word);
    }

    fn end_command(&mut self) {
        self.end_word();
        if let Some(Frame::Shell(shell)) = self.stack.last_mut() {
            shell.command = None;
            shell.names_function = false;
            shell.next = Next::Word;
        }
    }

    fn newline(&mut self) {
        self.end_command();
        self.at += 1;
        for pending in mem::take(&mut self.here) {
            self.here_document(&pending);
        }
    }

    /// The text of a here-document begins here. A quoted one is read at once; in the others there are substitutions, so
    /// they are read as quotes are, up to their end.
    fn here_document(&mut self, pending: &Pending) {
        let (end, after) = self.end_of_here(pending);
        if pending.quoted {
            while self.at < end {
                match self.text[self.at] {
                    0 => self.datum(How::Refused(Why::QuotedHere)),
                    _ => self.at += 1,
                }
            }
        } else {
            let (command, word) = (pending.command, Word::default());
            self.stack.push(Frame::Here { end, command, word });
            self.read_to_end_of_here();
        }
        self.at = after.max(self.at);
    }

    fn read_to_end_of_here(&mut self) {
        while let Some(Frame::Here { end, .. }) = self.here_frame() {
            if self.at >= *end {
                self.leave_here_documents();
                return;
            }
            // Here-documents within here-documents are read when the inner lines come.
            if self.stack.len() > FRAMES_MAX {
                return;
            }
            self.step_within();
        }
    }

    fn here_frame(&self) -> Option<&Frame> {
        let is_here = |frame: &&Frame| matches!(frame, Frame::Here { .. });
        self.stack
            .last()
            .filter(is_here)
            .or_else(|| self.stack.iter().rev().find(is_here))
    }

    fn step_within(&mut self) {
        self.step();
    }

    /// Where the text of a here-document ends, and where the line after its end word begins.
    fn end_of_here(&self, pending: &Pending) -> (usize, usize) {
        let limit = self.limit();
        let mut line = self.at;
        let mut joined = false;
        while line < limit {
            let rest = &self.text[line..limit];
            let end = rest
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(limit, |n| line + n);
            let mut text = &self.text[line..end];
            while pending.tabs && text.first() == Some(&b'\t') {
                text = &text[1..];
            }
            if !joined && text == pending.word {
                return (line, (end + 1).min(limit));
            }
            joined = !pending.quoted && self.escaped(end);
            line = end + 1;
        }
        (limit, limit)
    }
}

/// How many quotes and substitutions may stand in each other.
const FRAMES_MAX: usize = 200;

impl Shell {
    /// Whether this word is part of the language, and not of a command.
    fn takes(&mut self, word: &Word) -> bool {
        if let Some(case) = self.cases.last_mut() {
            match case {
                Case::Subject => {
                    *case = Case::In;
                    return true;
                }
                Case::In => {
                    *case = Case::Pattern;
                    return true;
                }
                Case::Pattern if word.text == b"esac" && !word.quoted => {
                    self.cases.pop();
                    return true;
                }
                Case::Pattern => return true,
                Case::Body => {}
            }
        }
        if self.command.is_some() || word.quoted {
            return false;
        }
        match word.text.as_slice() {
            b"case" => self.cases.push(Case::Subject),
            b"esac" => drop(self.cases.pop()),
            b"function" => self.names_function = true,
            _ if mem::take(&mut self.names_function) => {}
            b"if" | b"then" | b"else" | b"elif" | b"while" | b"until" | b"do" | b"!" | b"{"
            | b"time" => {}
            _ => return false,
        }
        true
    }
}

/// Programs that print their arguments, or run what does.
const PRINTS_ARGUMENTS: [&[u8]; 14] = [
    b"echo",
    b"printf",
    b"print",
    b"basename",
    b"dirname",
    b"realpath",
    b"readlink",
    b"expr",
    b"eval",
    b"command",
    b"builtin",
    b"env",
    b"exec",
    b"cat",
];

/// Words that make what stands behind them assignments.
const DECLARES: [&[u8]; 6] = [
    b"declare",
    b"typeset",
    b"local",
    b"export",
    b"readonly",
    b"integer",
];

/// Words that begin a loop over items.
const LOOPS: [&[u8]; 4] = [b"for", b"select", b"foreach", b"repeat"];

/// Words that end a group of commands.
pub(super) const ENDS_GROUP: [&[u8]; 4] = [b"}", b"fi", b"done", b"esac"];

/// How long the name of a variable is that a text begins with; 0 where it begins with none.
fn name_length(text: &[u8]) -> usize {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    if !text.first().is_some_and(letter) {
        return 0;
    }
    let more = |byte: &&u8| letter(byte) || byte.is_ascii_digit();
    text.iter().take_while(more).count()
}

/// The names of variables in a text, with or without a `$`; `@` for a positional parameter.
pub(super) fn variables(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let length = name_length(&text[at..]);
        if length > 0 {
            found.push(text[at..at + length].to_vec());
        } else if text[at] == b'$' && matches!(text.get(at + 1), Some(b'1'..=b'9' | b'@' | b'*')) {
            found.push(b"@".to_vec());
        }
        at += length.max(1);
        // `1e` is no name.
        while length == 0
            && at < text.len()
            && text[at - 1].is_ascii_digit()
            && text[at].is_ascii_alphanumeric()
        {
            at += 1;
        }
    }
    found
}

/// What could be words in a text.
fn tokens(text: &[u8]) -> Vec<Vec<u8>> {
    let parts = text.split(|byte| !(byte.is_ascii_alphanumeric() || b"_./".contains(byte)));
    parts
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Whether this is the name of a variable.
pub(super) fn is_name(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    text.first().is_some_and(letter)
        && text
            .iter()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}
