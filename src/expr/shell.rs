//! Reads a rendered script as a POSIX shell would, as far as is needed to know where a value stands in it.
//!
//! A NUL stands for a value. What it is replaced by is never parsed again, so a mistake made here costs a word that is
//! split or a `${…}` that stays as it is; never a command. Arithmetic is the exception: shells evaluate what is in a
//! variable there, and so a value is refused wherever arithmetic may be. It knows no value, and runs nothing.

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
    /// The values in its here-documents.
    pub(super) stdin: Vec<usize>,
    /// The number of the command whose output it is fed by a pipe.
    pub(super) piped: Option<usize>,
    /// It is within `[[ … ]]`.
    pub(super) condition: bool,
}

/// A word without its quotes; a value is a NUL, and what a substitution gives is missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) text: Vec<u8>,
    /// The values in it, in order.
    pub(super) data: Vec<usize>,
    /// It is fed to the command by `<<<`.
    pub(super) fed: bool,
    quoted: bool,
}

/// What a script is made of.
#[derive(Clone, Debug, Default)]
pub(super) struct Scan {
    /// For each value, in order.
    pub(super) spots: Vec<Spot>,
    pub(super) commands: Vec<Command>,
    /// The names of the functions that it defines.
    pub(super) functions: Vec<Vec<u8>>,
}

/// Reads a script.
pub(super) fn scan(text: &[u8]) -> Scan {
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
    Here { end: usize, command: usize },
    Brace { double: bool },
    Arithmetic { open: u32, closer: Closer },
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
    /// The command before a `|`.
    piped: Option<usize>,
}

/// What the next word is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Word,
    Target,
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
                self.end_word();
                self.stack.pop();
            }
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
            self.end_word();
            self.stack.pop();
        }
    }

    fn shell(&mut self) -> Option<&mut Shell> {
        self.stack.iter_mut().rev().find_map(|frame| match frame {
            Frame::Shell(shell) => Some(shell),
            _ => None,
        })
    }

    fn word(&mut self) -> Option<&mut Word> {
        self.shell().map(|shell| shell.word.get_or_insert_default())
    }

    /// One byte more in the word.
    fn byte(&mut self, byte: u8) {
        let in_here = matches!(self.stack.last(), Some(Frame::Here { .. }));
        if !in_here && let Some(word) = self.word() {
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
            Frame::Arithmetic { .. } => Some(Why::Arithmetic),
            Frame::Back => Some(Why::Backquotes),
            _ => None,
        });
        let how = around.map_or(how, How::Refused);
        let dollar = dollar && matches!(how, How::Bare | How::Double);
        let number = self.scan.spots.len();
        self.scan.spots.push(Spot { how, dollar });
        let here = self.stack.iter().rev().find_map(|frame| match frame {
            Frame::Here { command, .. } => Some(Some(*command)),
            Frame::Shell(_) => Some(None),
            _ => None,
        });
        match here.flatten() {
            Some(command) => {
                if let Some(command) = self.scan.commands.get_mut(command) {
                    command.stdin.push(number);
                }
            }
            None if how == How::Comment => {}
            None => {
                if let Some(word) = self.word() {
                    word.data.push(number);
                    word.text.push(0);
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
            b'`' => self.open(Frame::Back, 1),
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
            _ => self.byte(byte),
        }
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
            shell.word.get_or_insert_default(); // a substitution makes a word, if only an empty one
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
            Some(b'{') => self.open(Frame::Brace { double: !bare }, 2),
            _ => self.byte(b'$'),
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
            b'\\' => self.backslash(),
            b'$' => self.dollar(false),
            b'`' => self.open(Frame::Back, 1),
            0 => self.datum(How::Double),
            byte => self.byte(byte),
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
            b'`' => self.open(Frame::Back, 1),
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
            b'`' => return self.open(Frame::Back, 1),
            b'"' => return self.open(Frame::Double, 1),
            b'\\' => return self.backslash(),
            0 => return self.datum(How::Refused(Why::Arithmetic)),
            _ => {}
        }
        self.at += 1;
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
            return self.redirect(b'>');
        }
        let doubled = self.peek(1) == Some(byte);
        self.end_word();
        let piped = self.shell().and_then(|shell| shell.command);
        self.end_command();
        // `||` and `&&` are read as two.
        let before = self
            .at
            .checked_sub(1)
            .and_then(|before| self.text.get(before));
        if let Some(shell) = self.shell() {
            shell.piped = piped.filter(|_| byte == b'|' && !doubled && before != Some(&b'|'));
        }
        self.at += 1;
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
            let frame = self.nested(condition);
            self.stack.push(frame);
            self.at += 1;
        }
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
            let frame = self.nested(false);
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
            while matches!(self.peek(0), Some(b'>' | b'<' | b'&' | b'|')) {
                self.at += 1;
            }
            Next::Target
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
        if words.len() != 1 || !words[0].data.is_empty() {
            return false;
        }
        let name = words.remove(0).text;
        shell.command = None;
        self.scan.functions.push(name);
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
        match next {
            Next::Target => {}
            Next::HereWord { tabs } => self.here_word(word, tabs),
            Next::Fed | Next::Word => {
                word.fed = next == Next::Fed;
                let names_function = shell.names_function;
                if !shell.takes(&word) {
                    self.argument(word);
                } else if names_function {
                    self.scan.functions.push(word.text);
                }
            }
        }
    }

    fn here_word(&mut self, word: Word, tabs: bool) {
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
        let unquoted = !word.quoted;
        if let Some(Frame::Shell(shell)) = self.stack.last_mut() {
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
        // Several on one line: the one before is read first.
        self.read_to_end_of_here();
        let (end, after) = self.end_of_here(pending);
        if pending.quoted {
            while self.at < end {
                match self.text[self.at] {
                    0 => self.datum(How::Refused(Why::QuotedHere)),
                    _ => self.at += 1,
                }
            }
        } else {
            let command = pending.command;
            self.stack.push(Frame::Here { end, command });
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

/// Whether this is the name of a variable.
pub(super) fn is_name(text: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    text.first().is_some_and(letter)
        && text
            .iter()
            .all(|byte| letter(byte) || byte.is_ascii_digit())
}
