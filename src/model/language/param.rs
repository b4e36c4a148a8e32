//! What a value has to be to be that of a param: its type, `enum` and `pattern`, in one place for all ways in which a param
//! gets its value.

use super::task::{Param, ParamKind};
use super::value::{Data, Place, Text};
use super::{json, number};
use crate::model::listed::listed;

/// Why a value can't be that of a param.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong, as the end of a sentence.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

impl ParamKind {
    /// All, by what they are called in a file.
    pub const ALL: [(&'static str, Self); 7] = [
        ("string", Self::String),
        ("int", Self::Int),
        ("float", Self::Float),
        ("bool", Self::Bool),
        ("list", Self::List),
        ("map", Self::Map),
        ("path", Self::Path),
    ];

    /// What it is called in a sentence.
    pub const fn what(self) -> &'static str {
        match self {
            Self::String => "a text",
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "true or false",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Path => "a path",
        }
    }

    /// A value of it, as it is typed.
    pub const fn example(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Int => "8080",
            Self::Float => "0.5",
            Self::Bool => "true",
            Self::List => "'[\"a\", \"b\"]'",
            Self::Map => "'{\"a\": 1}'",
            Self::Path => "folder/file",
        }
    }

    /// What was given for a name as NAME=VALUE, once or several times, as this type.
    pub fn of_texts(self, name: &str, texts: &[&str]) -> Result<Data, Misfit> {
        match (self, texts) {
            (Self::List | Self::Map, [text]) => self.of_json(name, text),
            (Self::List, texts) => Ok(Data::List(
                texts.iter().map(|text| Data::text(text)).collect(),
            )),
            (_, [text]) => self.of_text(text).ok_or_else(|| Misfit {
                what: format!("it is {}, and {text:?} is not", self.what()),
                help: format!("write {name}={}", self.example()),
            }),
            (_, texts) => Err(Misfit {
                what: format!("it is given {} times, and is no list", texts.len()),
                help: "give it once, or make its type a list".to_owned(),
            }),
        }
    }

    /// One text for a list or a map: JSON, or the one item of a list.
    fn of_json(self, name: &str, text: &str) -> Result<Data, Misfit> {
        if self == Self::List && !text.trim_start().starts_with('[') {
            return Ok(Data::List(vec![Data::text(text)]));
        }
        let why = match json::read(text) {
            Ok(value @ Data::List(_)) if self == Self::List => return Ok(value),
            Ok(value @ Data::Map(_)) if self == Self::Map => return Ok(value),
            Ok(_) => "is not".to_owned(),
            Err(why) => format!("is no JSON: {why}"),
        };
        let example = self.example();
        let by_itself = match self {
            Self::List => format!(", or give each item by itself: {name}=a {name}=b"),
            _ => String::new(),
        };
        Err(Misfit {
            what: format!("it is {}, and {text:?} {why}", self.what()),
            help: format!("write {name}={example}{by_itself}"),
        })
    }

    /// A text as this type, where it stands for a value that is no text; `None` when it can't.
    pub fn of_text(self, text: &str) -> Option<Data> {
        let number = |fits: fn(&str) -> bool| {
            let trimmed = text.trim();
            fits(trimmed).then(|| Data::number(trimmed))
        };
        match self {
            Self::Int => number(number::is_whole),
            Self::Float => number(number::is_number),
            Self::Bool => text.trim().parse().ok().map(Data::Bool),
            Self::List => Some(Data::List(vec![Data::text(text)])),
            Self::String | Self::Path => Some(Data::text(text)),
            Self::Map => None,
        }
    }
}

impl Data {
    /// A text that stands nowhere.
    pub fn text(text: &str) -> Self {
        Self::Text(Text::plain(text, Place::default()))
    }

    /// A number that keeps how it is written, where that is not how flow writes it.
    pub fn number(written: &str) -> Self {
        match number::exact(written) {
            Some(number) if number::written(number) == written => match number {
                number::Number::Int(number) => Self::Int(number),
                number::Number::Float(number) => Self::Float(number),
            },
            _ => Self::Number(written.to_owned()),
        }
    }

    /// As it is written; a list with spaces between its items.
    pub fn written(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => number::written(number::Number::Float(*value)),
            Self::Number(written) => written.clone(),
            Self::Text(text) => text.text.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::written).collect();
                items.join(" ")
            }
            Self::Map(_) => "a map".to_owned(),
        }
    }

    /// Whether something in it is only known when it is evaluated.
    pub fn is_template(&self) -> bool {
        match self {
            Self::Text(text) => text.is_template(),
            Self::List(items) => items.iter().any(Self::is_template),
            Self::Map(entries) => entries.iter().any(|(_, value)| value.is_template()),
            _ => false,
        }
    }
}

impl Param {
    /// A value of the file as the type of the param, which it may have; what is a template is left for later.
    pub fn read(&self, value: &Data) -> Result<Data, Misfit> {
        match value {
            Data::Text(text) if text.is_template() => Ok(value.clone()),
            value => self.read_as(value, Data::is_template),
        }
    }

    /// What was given as NAME=VALUE, once or several times; nothing in it is a template.
    pub fn read_texts(&self, texts: &[&str]) -> Result<Data, Misfit> {
        let value = match (self.kind, texts) {
            (ParamKind::List | ParamKind::Map, _) | (_, [] | [_, _, ..]) => {
                self.kind.of_texts(&self.name, texts)?
            }
            (_, [text]) => Data::text(text),
        };
        self.read_as(&value, |_| false)
    }

    fn read_as(&self, value: &Data, later: impl Fn(&Data) -> bool) -> Result<Data, Misfit> {
        let value = self.typed(value).ok_or_else(|| self.of_other_type(value))?;
        let items = match &value {
            Data::List(items) => &items[..],
            one => std::slice::from_ref(one),
        };
        let known = items.iter().filter(|item| !later(item));
        let texts: Vec<String> = known.map(Data::written).collect();
        self.check(texts.iter().map(String::as_str))?;
        Ok(value)
    }

    fn typed(&self, value: &Data) -> Option<Data> {
        Some(match (self.kind, value) {
            (ParamKind::Map, Data::Map(_))
            | (ParamKind::List, Data::List(_))
            | (ParamKind::Int, Data::Int(_))
            | (ParamKind::Float, Data::Int(_) | Data::Float(_) | Data::Number(_))
            | (ParamKind::Bool, Data::Bool(_))
            | (ParamKind::String | ParamKind::Path, Data::Text(_)) => value.clone(),
            (ParamKind::Int, Data::Number(written)) if number::is_whole(written) => value.clone(),
            (_, Data::Text(text)) => match self.kind.of_text(&text.text)? {
                // It keeps its place.
                Data::List(_) => Data::List(vec![value.clone()]),
                other => other,
            },
            (ParamKind::List, Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Number(_)) => {
                Data::List(vec![value.clone()])
            }
            (
                ParamKind::String | ParamKind::Path,
                Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Number(_),
            ) => Data::text(&value.written()),
            _ => return None,
        })
    }

    /// Whether `enum` and `pattern` allow these: the value, or each item of a list.
    pub fn check<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Result<(), Misfit> {
        let pattern = self.pattern.as_ref().map(|pattern| {
            let whole = regex_lite::Regex::new(&format!("^(?:{pattern})$"));
            (pattern, whole)
        });
        for text in texts {
            if !self.allowed.is_empty() && !self.allowed.iter().any(|one| self.is(one, text)) {
                let what = format!("{text:?} is none of the values it may have");
                let help = format!("write one of {}", self.all_allowed());
                return Err(Misfit { what, help });
            }
            if let Some((pattern, whole)) = &pattern
                && !whole.as_ref().is_ok_and(|whole| whole.is_match(text))
            {
                let what = format!("{text:?} does not match {pattern}");
                let help = self.desc.clone().unwrap_or_default();
                return Err(Misfit { what, help });
            }
        }
        Ok(())
    }

    fn is(&self, allowed: &Data, text: &str) -> bool {
        let written = allowed.written();
        let numbers = matches!(self.kind, ParamKind::Int | ParamKind::Float);
        let same = || number::exact(&written).is_some_and(|one| Some(one) == number::exact(text));
        written == text || numbers && same()
    }

    fn all_allowed(&self) -> String {
        listed(self.allowed.iter().map(Data::written))
    }

    fn of_other_type(&self, value: &Data) -> Misfit {
        let shown = match value {
            Data::List(_) => "a list".to_owned(),
            Data::Map(_) => "a map".to_owned(),
            Data::Null => "nothing".to_owned(),
            other => format!("{:?}", other.written()),
        };
        self.other_type(&shown)
    }

    /// What is wrong with a value of another type.
    pub fn other_type(&self, shown: &str) -> Misfit {
        let help = match &self.allowed[..] {
            [] => format!("write {}={}", self.name, self.kind.example()),
            _ => format!("write one of {}", self.all_allowed()),
        };
        Misfit {
            what: format!("it is {}, and {shown} is not", self.kind.what()),
            help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(kind: ParamKind, allowed: &[&str], pattern: Option<&str>) -> Param {
        Param {
            name: "p".to_owned(),
            place: Place::default(),
            desc: None,
            kind,
            default: None,
            required: true,
            allowed: allowed.iter().map(|text| Data::text(text)).collect(),
            pattern: pattern.map(str::to_owned),
        }
    }

    #[test]
    fn a_value_is_read_as_the_type() {
        let (text, number) = (Data::text, Data::number);
        let fits = [
            (ParamKind::String, number("3.10"), text("3.10")),
            (ParamKind::String, Data::Bool(true), text("true")),
            (
                ParamKind::Int,
                text(" 012 "),
                Data::Number("012".to_owned()),
            ),
            (ParamKind::Int, number("7"), Data::Int(7)),
            (
                ParamKind::Float,
                text("1e3"),
                Data::Number("1e3".to_owned()),
            ),
            (ParamKind::Float, number("5"), Data::Int(5)),
            (ParamKind::Bool, text("true"), Data::Bool(true)),
            (ParamKind::List, text("a b"), Data::List(vec![text("a b")])),
            (ParamKind::Int, text("{{ x }}"), text("{{ x }}")),
        ];
        for (kind, value, expected) in fits {
            let read = param(kind, &[], None).read(&value);
            assert_eq!(read, Ok(expected), "{kind:?} {value:?}");
        }
        let others = [
            (ParamKind::Int, text("1.5")),
            (ParamKind::Int, number("1.5")),
            (ParamKind::Int, Data::Bool(true)),
            (ParamKind::Float, text("nan")),
            (ParamKind::Bool, text("yes")),
            (ParamKind::Bool, number("1")),
            (ParamKind::String, Data::List(Vec::new())),
            (ParamKind::String, Data::Null),
            (ParamKind::List, Data::Map(Vec::new())),
            (ParamKind::Map, text("{}")),
        ];
        for (kind, value) in others {
            let read = param(kind, &[], None).read(&value);
            assert!(read.is_err(), "{kind:?} {value:?}");
        }
    }

    #[test]
    fn enum_and_pattern_hold_for_each_item() {
        let one_of = param(ParamKind::List, &["a", "b"], None);
        let list = |items: &[&str]| Data::List(items.iter().map(|item| Data::text(item)).collect());
        assert!(one_of.read(&list(&["a", "b", "{{ x }}"])).is_ok());
        assert!(one_of.read(&list(&["a", "c"])).is_err());
        let like = param(ParamKind::String, &[], Some("v[0-9]|x"));
        for (text, fits) in [("v1", true), ("x", true), ("v12", false), ("xv1", false)] {
            assert_eq!(like.read(&Data::text(text)).is_ok(), fits, "{text}");
        }
        let numbers = param(ParamKind::Int, &["1", "0x10"], None);
        assert!(numbers.read(&Data::text("01")).is_ok() && numbers.read(&Data::Int(16)).is_ok());
        assert!(numbers.read(&Data::text("2")).is_err());
    }
}
