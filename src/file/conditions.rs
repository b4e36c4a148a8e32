//! Conditions as other tools write them, and how they are written here.
//!
//! It is asked about a text that is no expression of ours, and looks at that text alone.

use super::syntax::quoted;
use crate::expr;

/// What is wrong with a condition, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) message: &'static str,
    pub(super) help: String,
}

const SHELL: &str = "this is a condition of the shell, and here stands an expression";
const EXPRESSION: &str = "this is written as in another language";

/// The functions of GitHub Actions that ask how the steps before have ended.
const ENDINGS: [&str; 4] = ["success()", "failure()", "always()", "cancelled()"];

/// Whether a text is no expression, or one that nobody means: `test -f .env` is a difference.
pub(super) fn may_be_foreign(text: &str) -> bool {
    text.trim_start().starts_with("test -") || !expr::check_expression(text).problems.is_empty()
}

/// What a text that can't be read as an expression was meant as.
pub(super) fn of_another_tool(text: &str) -> Option<Slip> {
    let text = text.trim();
    if let Some(inner) = text
        .strip_prefix("${{")
        .and_then(|rest| rest.strip_suffix("}}"))
    {
        let inner = inner.trim();
        let form = rewritten(inner).unwrap_or_else(|| inner.to_owned());
        return Some(match of_endings(&form) {
            Some(slip) => slip,
            None => Slip {
                message: "'${{ }}' is of GitHub Actions: an expression stands here by itself",
                help: format!("write {}", quoted(&form)),
            },
        });
    }
    let text = braced(text).unwrap_or(text);
    of_endings(text)
        .or_else(|| of_shell(text))
        .or_else(|| of_operators(text))
        .or_else(|| of_functions(text))
        .or_else(|| of_command(text))
}

/// What stands between the braces of `{{ … }}`.
fn braced(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{")).then(|| inner.trim())
}

fn of_endings(text: &str) -> Option<Slip> {
    ENDINGS.iter().any(|name| text.contains(name)).then(|| Slip {
        message: "no condition here asks how something before it has ended",
        help: "write 'on_failure' or 'finally', or 'depends_on: {task: NAME, on: failure}' in a task of its own".to_owned(),
    })
}

/// `[ … ]`, `[[ … ]]`, `test …`, `-f path`.
fn of_shell(text: &str) -> Option<Slip> {
    let bracket = |open: &str, close: &str| {
        let inner = text.strip_prefix(open)?.strip_suffix(close)?;
        inner.starts_with([' ', '"', '$']).then(|| inner.trim())
    };
    let operand = |rest: &&str| rest.starts_with(['-', '!', '"', '\'', '$']);
    let test = || text.strip_prefix("test ").map(str::trim).filter(operand);
    let bare = || {
        let mut letters = text.chars();
        let is_flag = letters.next() == Some('-')
            && letters.next().is_some_and(|c| c.is_ascii_lowercase())
            && letters.next() == Some(' ');
        is_flag.then_some(text)
    };
    let inner = bracket("[[", "]]")
        .or_else(|| bracket("[", "]"))
        .or_else(test)
        .or_else(bare)?;
    let command = match text.starts_with('-') {
        true => format!("test {text}"),
        false => text.to_owned(),
    };
    let mut help = format!("write {{sh: {}}}", quoted(&command));
    if let Some(form) = comparison(inner) {
        help = format!("write {}, or {{sh: {}}}", quoted(&form), quoted(&command));
    }
    Some(Slip {
        message: SHELL,
        help,
    })
}

/// `"$X" = true` as an expression.
fn comparison(inner: &str) -> Option<String> {
    let mut words = inner.split_ascii_whitespace();
    let (left, operator, right) = (words.next()?, words.next()?, words.next()?);
    let unquoted = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    let operator = match operator {
        "=" | "==" => "==",
        "!=" => "!=",
        _ => return None,
    };
    let (left, right) = (unquoted(left), unquoted(right));
    let plain = right
        .chars()
        .all(|c| c.is_alphanumeric() || "_-./".contains(c));
    let name = left.strip_prefix('$')?;
    let name = name
        .strip_prefix('{')
        .map_or(name, |name| name.trim_end_matches('}'));
    let is_name = super::vars::is_var_name(name);
    (words.next().is_none() && plain && is_name).then(|| format!("env.{name} {operator} '{right}'"))
}

/// `&&`, `||`, `!x`, `=`, `$X`.
fn of_operators(text: &str) -> Option<Slip> {
    let form = rewritten(text)?;
    Some(Slip {
        message: EXPRESSION,
        help: format!("write {}", quoted(&form)),
    })
}

/// The same with our operators, if that makes an expression of it.
fn rewritten(text: &str) -> Option<String> {
    let form = with_our_operators(text);
    (form != text && expr::check_expression(&form).problems.is_empty()).then_some(form)
}

fn with_our_operators(text: &str) -> String {
    const OPERATORS: [(&str, &str); 9] = [
        ("!==", "!="),
        ("===", "=="),
        ("&&", "and"),
        ("||", "or"),
        ("==", "=="),
        ("!=", "!="),
        ("<=", "<="),
        (">=", ">="),
        ("=", "=="),
    ];
    let (mut form, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        if let Some(length) = quoted_length(rest) {
            let (literal, after) = rest.split_at(length);
            form.push_str(
                &variable(&literal[1..literal.len() - 1]).unwrap_or_else(|| literal.to_owned()),
            );
            rest = after;
        } else if let Some((theirs, ours)) = OPERATORS
            .iter()
            .find(|(theirs, _)| rest.starts_with(theirs))
        {
            let space = |form: &str| !form.is_empty() && !form.ends_with([' ', '(']);
            if space(&form) {
                form.push(' ');
            }
            form.push_str(ours);
            rest = &rest[theirs.len()..];
            if !rest.is_empty() && !rest.starts_with(' ') {
                form.push(' ');
            }
        } else if c == '!' {
            form.push_str("not ");
            rest = rest[1..].trim_start();
        } else if c == '$' {
            let name: String = rest[1..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || "_{}".contains(*c))
                .collect();
            match variable(&format!("${name}")) {
                Some(variable) => form.push_str(&variable),
                None => form.push_str(&rest[..1 + name.len()]),
            }
            rest = &rest[1 + name.len()..];
        } else {
            form.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    form
}

/// How long the text in quotes is that stands here.
fn quoted_length(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].find(quote).map(|end| end + 2)
}

/// `$X` and `${X}` as an expression.
fn variable(text: &str) -> Option<String> {
    let name = text.strip_prefix('$')?;
    let name = match name.strip_prefix('{') {
        Some(name) => name.strip_suffix('}')?,
        None => name,
    };
    super::vars::is_var_name(name).then(|| format!("env.{name}"))
}

fn of_functions(text: &str) -> Option<Slip> {
    let help = if text.contains("contains(") {
        "write \"'part' in text\""
    } else if text.contains("startsWith(") || text.contains("endsWith(") {
        "write \"text is startingwith 'part'\" or \"text is endingwith 'part'\""
    } else {
        return None;
    };
    Some(Slip {
        message: EXPRESSION,
        help: help.to_owned(),
    })
}

/// A program with its arguments.
fn of_command(text: &str) -> Option<Slip> {
    let (program, rest) = text.split_once(' ')?;
    let rest = rest.trim_start();
    let word = rest.split(' ').next().unwrap_or_default();
    let is_program = program
        .chars()
        .all(|c| c.is_alphanumeric() || "_-./".contains(c));
    let follows = rest.starts_with(|c: char| c.is_alphanumeric() || "-./\"'$~".contains(c));
    let operator = matches!(
        word,
        "and" | "or" | "not" | "in" | "is" | "if" | "else" | "-"
    );
    let is_not = matches!(program, "not");
    (is_program && follows && !operator && !is_not).then(|| Slip {
        message: "this is a command, and here stands an expression",
        help: format!("write {{sh: {}}}", quoted(text)),
    })
}

#[cfg(test)]
mod tests {
    use super::of_another_tool;

    #[test]
    fn each_form_is_named_in_ours() {
        let cases = [
            (
                r#"[ "$X" = true ]"#,
                r#""env.X == 'true'", or {sh: '[ "$X" = true ]'}"#,
            ),
            (
                r#"[[ $BRANCH != main ]]"#,
                r#""env.BRANCH != 'main'", or {sh: "[[ $BRANCH != main ]]"}"#,
            ),
            ("test -f x", r#"{sh: "test -f x"}"#),
            ("-f x", r#"{sh: "test -f x"}"#),
            ("${{ env.X }}", r#""env.X""#),
            (
                "${{ env.A == 'a' && env.B }}",
                r#""env.A == 'a' and env.B""#,
            ),
            ("a = 'b'", r#""a == 'b'""#),
            ("a && b", r#""a and b""#),
            ("a||b", r#""a or b""#),
            ("!x", r#""not x""#),
            ("!(a && b)", r#""not (a and b)""#),
            ("$X == 'a = b'", r#""env.X == 'a = b'""#),
            (r#""$X" === "a""#, r#"'env.X == "a"'"#),
            ("docker info", r#"{sh: "docker info"}"#),
            ("which docker", r#"{sh: "which docker"}"#),
        ];
        for (text, expected) in cases {
            let slip = of_another_tool(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(slip.help, format!("write {expected}"), "{text}");
        }
        for text in ["failure()", "${{ always() }}", "success() && x"] {
            let slip = of_another_tool(text).unwrap_or_else(|| panic!("{text}"));
            assert!(slip.help.contains("on_failure"), "{text}: {}", slip.help);
        }
        for text in ["a +", "a and", "not", "(a", "x | nothing"] {
            assert_eq!(of_another_tool(text), None, "{text}");
        }
    }
}
