//! What the operators mean: numbers with numbers, texts with texts, and nothing guessed between them.
//!
//! It knows values only. Comparing a text with a number is an error, because in a file of strings it is always a mistake.

use std::cmp::Ordering;

use minijinja::machinery::ast::BinOpKind;

use super::val::{Fuel, Origin, Pieces, Val};
use super::value::{DEPTH_MAX, too_deep};
use super::{Problem, jinja};

/// The value of an operator that evaluates both sides.
pub(super) fn binary(
    op: BinOpKind,
    left: &Val,
    right: &Val,
    fuel: &mut Fuel,
) -> Result<Val, Problem> {
    fuel.take(1)?;
    if let (Val::Number(_), _) | (_, Val::Number(_)) = (left, right)
        && !matches!(
            op,
            BinOpKind::Eq | BinOpKind::Ne | BinOpKind::In | BinOpKind::Concat
        )
    {
        return binary(op, &left.counted()?, &right.counted()?, fuel);
    }
    match op {
        BinOpKind::Eq => equal(left, right, fuel, 0).map(Val::Bool),
        BinOpKind::Ne => equal(left, right, fuel, 0).map(|equal| Val::Bool(!equal)),
        BinOpKind::Lt => order(left, right, fuel).map(|order| Val::Bool(order.is_lt())),
        BinOpKind::Lte => order(left, right, fuel).map(|order| Val::Bool(order.is_le())),
        BinOpKind::Gt => order(left, right, fuel).map(|order| Val::Bool(order.is_gt())),
        BinOpKind::Gte => order(left, right, fuel).map(|order| Val::Bool(order.is_ge())),
        BinOpKind::In => contains(right, left, fuel).map(Val::Bool),
        BinOpKind::Concat => {
            let mut pieces = Pieces::default();
            left.print(&mut pieces, fuel)?;
            right.print(&mut pieces, fuel)?;
            Ok(Val::Text(std::rc::Rc::new(pieces.all)))
        }
        BinOpKind::Add => add(left, right, fuel),
        BinOpKind::Mul => multiply(left, right, fuel),
        BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => {
            arithmetic(op, left, right)
        }
        BinOpKind::ScAnd | BinOpKind::ScOr => Err(Problem::new("operator", "no value")),
    }
}

/// The negated number.
pub(super) fn negative(value: &Val) -> Result<Val, Problem> {
    match &value.counted()? {
        Val::Int(number) => number.checked_neg().map(Val::Int).ok_or_else(too_large),
        Val::Float(number) => Ok(Val::Float(-number)),
        other => Err(Problem::new(
            "types",
            format!("`-` is for numbers, and this is {}", other.kind()),
        )),
    }
}

fn too_large() -> Problem {
    Problem::new("number", "this number is larger than 64 bits can hold")
}

fn mixed(what: &str, left: &Val, right: &Val) -> Problem {
    let problem = Problem::new(
        "types",
        format!("this {what} {} and {}", left.kind(), right.kind()),
    );
    problem.help("make both the same: `| int` or `| float` for a number, `| string` for a text")
}

/// Whether two values are equal.
pub(super) fn equal(
    left: &Val,
    right: &Val,
    fuel: &mut Fuel,
    depth: usize,
) -> Result<bool, Problem> {
    fuel.take(1)?;
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(match (left, right) {
        (Val::Undefined(problem), _) | (_, Val::Undefined(problem)) => {
            return Err((**problem).clone());
        }
        (Val::None, Val::None) => true,
        (Val::None, _) | (_, Val::None) => false,
        (Val::Bool(left), Val::Bool(right)) => left == right,
        (Val::Number(left), Val::Number(right)) if left == right => true,
        (Val::Number(_), Val::Int(_) | Val::Float(_) | Val::Number(_))
        | (Val::Int(_) | Val::Float(_), Val::Number(_)) => {
            return equal(&left.counted()?, &right.counted()?, fuel, depth);
        }
        (Val::Int(left), Val::Int(right)) => left == right,
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => float(left)? == float(right)?,
        (Val::Text(_), Val::Text(_)) => left.text_bytes() == right.text_bytes(),
        (Val::List(left), Val::List(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right.iter()) {
                if left_differs(left, right, fuel, depth)? {
                    return Ok(false);
                }
            }
            true
        }
        (Val::Map(left), Val::Map(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (name, member) in left.iter() {
                fuel.take(right.len())?;
                let other = right.iter().find(|(other, _)| other == name);
                let Some((_, other)) = other else {
                    return Ok(false);
                };
                if left_differs(member, other, fuel, depth)? {
                    return Ok(false);
                }
            }
            true
        }
        (left, right) => return Err(mixed("compares", left, right)),
    })
}

/// Within lists and maps, values of different kinds are just different.
fn left_differs(left: &Val, right: &Val, fuel: &mut Fuel, depth: usize) -> Result<bool, Problem> {
    match equal(left, right, fuel, depth + 1) {
        Ok(equal) => Ok(!equal),
        Err(problem) if problem.code == "types" => Ok(true),
        Err(problem) => Err(problem),
    }
}

fn order(left: &Val, right: &Val, fuel: &mut Fuel) -> Result<Ordering, Problem> {
    match (left, right) {
        (Val::Int(left), Val::Int(right)) => Ok(left.cmp(right)),
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => float(left)?
            .partial_cmp(&float(right)?)
            .ok_or_else(|| Problem::new("number", "this compares something that is no number")),
        (Val::Text(_), Val::Text(_)) => {
            let (left, right) = (left.text_bytes(), right.text_bytes());
            fuel.text(left.as_ref().map_or(0, Vec::len))?;
            Ok(left.cmp(&right))
        }
        _ => Err(mixed("compares", left, right)),
    }
}

fn contains(container: &Val, item: &Val, fuel: &mut Fuel) -> Result<bool, Problem> {
    match (container, item) {
        (Val::List(items), _) => {
            for one in items.iter() {
                if !left_differs(one, item, fuel, 0)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Val::Text(_), Val::Text(_)) => {
            let (whole, part) = (
                container.text_bytes().unwrap_or_default(),
                item.text_bytes().unwrap_or_default(),
            );
            fuel.text(whole.len())?;
            Ok(part.is_empty() || finds(&whole, &part))
        }
        (Val::Map(members), Val::Text(_)) => {
            let name = item.text_bytes().unwrap_or_default();
            Ok(members.iter().any(|(key, _)| key.as_bytes() == name))
        }
        (Val::Names(names), Val::Text(_)) => {
            let name = String::from_utf8(item.text_bytes().unwrap_or_default());
            name.map_or(Ok(false), |name| {
                names.get(&name).map(|value| value.is_some())
            })
        }
        _ => Err(mixed("looks with `in` between", item, container)),
    }
}

fn finds(whole: &[u8], part: &[u8]) -> bool {
    match (std::str::from_utf8(whole), std::str::from_utf8(part)) {
        (Ok(whole), Ok(part)) => whole.contains(part), // linear
        _ => whole.windows(part.len()).any(|window| window == part),
    }
}

fn add(left: &Val, right: &Val, fuel: &mut Fuel) -> Result<Val, Problem> {
    match (left, right) {
        (Val::Text(_), Val::Text(_)) => {
            let origin = left.origin(fuel)?.and(right.origin(fuel)?);
            let mut bytes = left.text_bytes().unwrap_or_default();
            bytes.extend(right.text_bytes().unwrap_or_default());
            fuel.text(bytes.len())?;
            Ok(Val::made(bytes, origin))
        }
        (Val::List(left), Val::List(right)) => {
            fuel.take(left.len() + right.len())?;
            Ok(Val::list(
                left.iter().chain(right.iter()).cloned().collect(),
            ))
        }
        (Val::Text(_), _) | (_, Val::Text(_)) => {
            Err(mixed("adds", left, right).help("`~` joins anything as text"))
        }
        _ => arithmetic(BinOpKind::Add, left, right),
    }
}

fn multiply(left: &Val, right: &Val, fuel: &mut Fuel) -> Result<Val, Problem> {
    match (left, right) {
        (Val::Text(_), Val::Int(times)) => {
            let bytes = left.text_bytes().unwrap_or_default();
            let times = usize::try_from(*times).unwrap_or(0);
            fuel.text(bytes.len().saturating_mul(times))?;
            let origin: Origin = left.origin(fuel)?;
            Ok(Val::made(bytes.repeat(times), origin))
        }
        _ => arithmetic(BinOpKind::Mul, left, right),
    }
}

fn float(value: &Val) -> Result<f64, Problem> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "as in every language")]
        Val::Int(number) => Ok(*number as f64),
        Val::Float(number) => Ok(*number),
        other => Err(Problem::new(
            "types",
            format!("{} is no number", other.kind()),
        )),
    }
}

fn arithmetic(op: BinOpKind, left: &Val, right: &Val) -> Result<Val, Problem> {
    if let (Val::Int(left), Val::Int(right)) = (left, right)
        && !matches!(op, BinOpKind::Div)
    {
        return whole(op, *left, *right);
    }
    let numbers = |value: &Val| matches!(value, Val::Int(_) | Val::Float(_));
    if !numbers(left) || !numbers(right) {
        return Err(mixed("calculates with", left, right));
    }
    let (left, right) = (float(left)?, float(right)?);
    if right == 0.0 && matches!(op, BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem) {
        return Err(Problem::new("number", "this divides by zero"));
    }
    Ok(Val::Float(match op {
        BinOpKind::Add => left + right,
        BinOpKind::Sub => left - right,
        BinOpKind::Mul => left * right,
        BinOpKind::Div => left / right,
        BinOpKind::FloorDiv => (left / right).floor(),
        BinOpKind::Rem => left.rem_euclid(right),
        // By multiplication: the general power alone would bring in libm, which costs each start 0.1 ms.
        _ => power(left, right)?,
    }))
}

fn power(base: f64, exponent: f64) -> Result<f64, Problem> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and small"
    )]
    if exponent.fract() == 0.0 && exponent.abs() <= 1e6 {
        Ok(base.powi(exponent as i32))
    } else {
        Err(Problem::new(
            "number",
            "an exponent has to be a whole number",
        ))
    }
}

fn whole(op: BinOpKind, left: i64, right: i64) -> Result<Val, Problem> {
    if right == 0 && matches!(op, BinOpKind::FloorDiv | BinOpKind::Rem) {
        return Err(Problem::new("number", "this divides by zero"));
    }
    let made = match op {
        BinOpKind::Add => left.checked_add(right),
        BinOpKind::Sub => left.checked_sub(right),
        BinOpKind::Mul => left.checked_mul(right),
        BinOpKind::FloorDiv => left.checked_div_euclid(right),
        BinOpKind::Rem => left.checked_rem_euclid(right),
        _ => match u32::try_from(right) {
            Ok(power) => left.checked_pow(power),
            Err(_) => {
                return arithmetic(op, &Val::Float(float(&Val::Int(left))?), &Val::Int(right));
            }
        },
    };
    made.map(Val::Int).ok_or_else(too_large)
}

/// The items that `for` goes through.
pub(super) fn items(value: Val) -> Result<Vec<Val>, Problem> {
    match value {
        Val::List(items) => Ok(items.to_vec()),
        Val::Map(members) => {
            let keys = members.iter().map(|(key, _)| key.clone().into_bytes());
            Ok(keys.map(|key| Val::made(key, Origin::DATA)).collect())
        }
        Val::Undefined(problem) => Err(*problem),
        Val::Names(_) => Err(jinja::by_name()),
        other => {
            let problem = Problem::new(
                "types",
                format!("this needs a list, and is {}", other.kind()),
            );
            Err(problem.help("make a list of a text with `| split` or `| lines`"))
        }
    }
}
