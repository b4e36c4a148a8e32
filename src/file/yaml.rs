//! Text to [`Tree`]: the only file that knows the YAML parser.
//!
//! It refuses to know what a Workflowfile means. Everything that is wrong is collected; only a syntax error and a limit
//! end the reading. The parser's own recursion and ours are bounded by `DEPTH_MAX`: it hands out events, and open
//! collections stand on a stack of our own.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};

use super::syntax::{self, Slip};
use super::text;
use super::tree::{Kind, Node, NodeId, Scalar, Style, Tag, Tree};
use crate::diagnostic::{Diagnostic, Found, floor};

/// How many lists and maps may stand inside each other.
pub const DEPTH_MAX: usize = 64;
/// How many nodes a document may have.
pub const NODES_MAX: usize = 1_000_000;

/// Reads a text. The tree has no root when it could not be read to its end, or when there is nothing in it.
pub fn parse(text: &str) -> (Tree<'_>, Found) {
    if let Err(refused) = text::check(text) {
        let mut found = Found::default();
        found.push(*refused);
        return (
            Tree {
                text,
                ..Tree::default()
            },
            found,
        );
    }
    let mut builder = Builder::new(text);
    let parser = Parser::new_from_str_with_options(
        text,
        options! { emit_comments: false, emit_unresolved_aliases: true, disallow_directives: true },
    );
    for next in parser {
        let flow = match next {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => builder.syntax_error(&error),
        };
        if flow.is_break() {
            break;
        }
    }
    (builder.tree, builder.found)
}

/// A list or map that is not closed yet; keys and values of a map by turns.
struct Open {
    id: NodeId,
    children: Vec<NodeId>,
    map: bool,
}

struct Builder<'t> {
    tree: Tree<'t>,
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    documents: usize,
    found: Found,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let tree = Tree {
            text,
            ..Tree::default()
        };
        Self {
            tree,
            open: Vec::new(),
            anchors: HashMap::new(),
            documents: 0,
            found: Found::default(),
        }
    }

    fn event(&mut self, event: Event<'t>, span: &Span) -> ControlFlow<()> {
        let bytes = bytes(span, self.tree.text);
        if event.is_node() && self.tree.nodes.len() >= NODES_MAX {
            return self.fail(too_many_nodes(bytes));
        }
        let anchor = event.anchor_id();
        match event {
            Event::Scalar(text, style, _, ref tag) => {
                // The parser hands out `~` for a value that was left out.
                let text = if bytes.is_empty() && style == ScalarStyle::Plain {
                    "".into()
                } else {
                    text
                };
                let scalar = Kind::Scalar(Scalar {
                    text,
                    style: ours(style),
                });
                let id = self.add(scalar, bytes, anchor);
                self.tagged(id, tag.as_deref(), span, false, false);
                ControlFlow::Continue(())
            }
            Event::SequenceStart(_, _, ref tag) => {
                self.begin(false, bytes, anchor, tag.as_deref(), span)
            }
            Event::MappingStart(_, _, ref tag) => {
                self.begin(true, bytes, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&bytes),
            Event::Alias(anchor) => self.alias(anchor, bytes),
            Event::UnresolvedAlias(name) => self.unknown_anchor(&name, bytes),
            Event::DocumentStart(..) => self.document(bytes),
            _ => ControlFlow::Continue(()),
        }
    }

    /// Ends the reading; what was read so far is not a document.
    fn fail(&mut self, diagnostic: Diagnostic) -> ControlFlow<()> {
        // A slip may have been noticed just before it became a syntax error.
        if self.found.kept().last() != Some(&diagnostic) {
            self.found.push(diagnostic);
        }
        self.tree.root = None;
        ControlFlow::Break(())
    }

    fn syntax_error(&mut self, error: &ScanError) -> ControlFlow<()> {
        let text = self.tree.text;
        let byte = error.marker().byte_offset().unwrap_or(text.len());
        let slip = slip(error);
        let in_brackets = slip == Slip::InBrackets;
        let mut diagnostic = syntax::explain(text, floor(text, byte), slip);
        let brackets = self
            .open
            .iter()
            .rev()
            .map(|open| self.tree.span(open.id).start);
        let bracket = |start: &usize| matches!(text.as_bytes().get(*start), Some(b'[' | b'{'));
        if in_brackets && let Some(start) = brackets.into_iter().find(bracket) {
            diagnostic = diagnostic.at(start..start + 1, "opened here");
        }
        self.fail(diagnostic)
    }

    fn document(&mut self, bytes: Range<usize>) -> ControlFlow<()> {
        self.documents += 1;
        if self.documents == 1 {
            return ControlFlow::Continue(());
        }
        let message = "a second document begins here, but a Workflowfile is one document";
        let help = "remove the line '---' and what follows it, or move that into a file of its own";
        self.found.push(
            Diagnostic::error("several-documents", message)
                .at(bytes, "")
                .help(help),
        );
        ControlFlow::Break(())
    }

    fn add(&mut self, kind: Kind<'t>, bytes: Range<usize>, anchor: Option<usize>) -> NodeId {
        let id = NodeId(narrow(self.tree.nodes.len()));
        self.tree.nodes.push(Node {
            start: narrow(bytes.start),
            end: narrow(bytes.end),
            kind,
        });
        match self.open.last_mut() {
            Some(parent) => parent.children.push(id),
            None => self.tree.root = Some(id),
        }
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn begin(
        &mut self,
        map: bool,
        bytes: Range<usize>,
        anchor: Option<usize>,
        tag: Option<&granit_parser::Tag>,
        span: &Span,
    ) -> ControlFlow<()> {
        if self.open.len() >= DEPTH_MAX {
            return self.fail(syntax::too_deep(bytes));
        }
        let id = self.add(Kind::Broken, bytes, anchor);
        self.tagged(id, tag, span, true, map);
        self.open.push(Open {
            id,
            children: Vec::new(),
            map,
        });
        ControlFlow::Continue(())
    }

    fn end(&mut self, bytes: &Range<usize>) -> ControlFlow<()> {
        let Some(Open { id, children, map }) = self.open.pop() else {
            return ControlFlow::Continue(());
        };
        let kind = match map {
            false => Kind::List(children),
            true => Kind::Map(
                children
                    .chunks_exact(2)
                    .map(|pair| (pair[0], pair[1]))
                    .collect(),
            ),
        };
        let node = &mut self.tree.nodes[id.0 as usize];
        node.end = narrow(bytes.end.max(node.start as usize));
        node.kind = kind;
        if map {
            self.check_map(id);
        }
        ControlFlow::Continue(())
    }

    /// Reports what is wrong with the keys of a map that has just ended, and takes it out when it makes no sense.
    fn check_map(&mut self, id: NodeId) {
        let wrong = super::map::check(&self.tree, id);
        if wrong.senseless {
            self.tree.nodes[id.0 as usize].kind = Kind::Broken;
        }
        wrong.found.into_iter().for_each(|one| self.found.push(one));
    }

    fn alias(&mut self, anchor: usize, bytes: Range<usize>) -> ControlFlow<()> {
        let kind = match self.anchors.get(&anchor).copied() {
            Some(target) if self.open.iter().any(|open| open.id == target) => {
                self.found.push(cycle(&self.tree, target, bytes.clone()));
                Kind::Broken
            }
            Some(target) => Kind::Alias(target),
            None => Kind::Broken,
        };
        self.add(kind, bytes, None);
        ControlFlow::Continue(())
    }

    fn unknown_anchor(&mut self, name: &str, bytes: Range<usize>) -> ControlFlow<()> {
        let help = format!(
            "write '&{name}' before the value it stands for; a text that begins with '*' must be quoted"
        );
        let message = format!("no anchor '&{name}' stands before this alias");
        self.found.push(
            Diagnostic::error("unknown-anchor", message)
                .at(bytes.clone(), "")
                .help(help),
        );
        self.add(Kind::Broken, bytes, None);
        ControlFlow::Continue(())
    }

    fn tagged(
        &mut self,
        id: NodeId,
        tag: Option<&granit_parser::Tag>,
        span: &Span,
        collection: bool,
        map: bool,
    ) {
        let Some(tag) = tag else { return };
        let known = core_tag(tag).filter(|known| match known {
            Tag::Seq => collection && !map,
            Tag::Map => collection && map,
            _ => !collection,
        });
        match known {
            Some(known) => drop(self.tree.tags.insert(id, known)),
            None => self.unknown_tag(id, span),
        }
    }

    fn unknown_tag(&mut self, id: NodeId, span: &Span) {
        let bytes = span
            .tag_span()
            .map_or(self.tree.span(id), |span| bytes(&span, self.tree.text));
        let written = self.tree.text.get(bytes.clone()).unwrap_or_default();
        let message = format!("the tag '{written}' means nothing here");
        let help = "remove it; a text that begins with '!' must be quoted";
        self.found.push(
            Diagnostic::error("unknown-tag", message)
                .at(bytes, "")
                .help(help),
        );
    }
}

fn bytes(span: &Span, text: &str) -> Range<usize> {
    // The parser promises byte offsets for a text; an empty range at the end is the harmless answer if it broke that.
    let range = span.byte_range().unwrap_or(text.len()..text.len());
    floor(text, range.start)..floor(text, range.end.max(range.start))
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).expect("a text is refused beyond BYTES_MAX, which fits into 32 bits")
}

fn ours(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::Single,
        ScalarStyle::DoubleQuoted => Style::Double,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        _ => Style::Plain,
    }
}

fn core_tag(tag: &granit_parser::Tag) -> Option<Tag> {
    match tag.core_suffix() {
        Some("str") => Some(Tag::Str),
        Some("null") => Some(Tag::Null),
        Some("bool") => Some(Tag::Bool),
        Some("int") => Some(Tag::Int),
        Some("float") => Some(Tag::Float),
        Some("seq") => Some(Tag::Seq),
        Some("map") => Some(Tag::Map),
        _ if tag.handle().is_empty() && tag.suffix() == "!" => Some(Tag::Str),
        _ => None,
    }
}

fn cycle(tree: &Tree, target: NodeId, bytes: Range<usize>) -> Diagnostic {
    let start = tree.span(target).start;
    Diagnostic::error(
        "alias-cycle",
        "this alias stands inside the value that it refers to",
    )
    .at(bytes, "it would contain itself")
    .at(start..start, "the value begins here")
    .help("write out what is meant here, or move the anchor to a smaller value")
}

fn too_many_nodes(bytes: Range<usize>) -> Diagnostic {
    let message = format!("the file has more than {NODES_MAX} values");
    Diagnostic::error("too-large", message)
        .at(bytes, "")
        .help("split it, or generate less: no file needs that many")
}

/// The kinds of mistakes that people make, of the many that the parser tells apart.
fn slip(error: &ScanError) -> Slip {
    match error.kind() {
        ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar
        | ErrorKind::TabNotAllowed
        | ErrorKind::TabAtBlockScalarStart => Slip::Tab,
        ErrorKind::MappingValueNotAllowed => Slip::Colon,
        ErrorKind::UnexpectedCharacter { character } => Slip::Character(*character),
        ErrorKind::UnclosedQuotedScalar => Slip::OpenQuote,
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => Slip::AfterQuote,
        ErrorKind::UnclosedFlowCollection { open } => Slip::OpenBracket(*open),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => Slip::WrongBracket(*open, *close),
        ErrorKind::MisplacedFlowCollectionEnd => Slip::StrayBracket,
        ErrorKind::InvalidColonPlacement
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofFlowMapping => Slip::InBrackets,
        ErrorKind::InvalidQuotedScalarIndent | ErrorKind::DocumentIndicatorInQuotedScalar => {
            Slip::QuoteGoesOn
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::InvalidBlockScalarIndent => Slip::Indentation,
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => Slip::NoColon,
        ErrorKind::BlockSequenceEntryNotAllowed => Slip::Dash,
        ErrorKind::UnknownQuotedScalarEscape => Slip::Escape,
        ErrorKind::DirectiveDisallowed => Slip::Directive,
        ErrorKind::RecursionLimitExceeded => Slip::Depth,
        _ => Slip::Other(error.info()),
    }
}
