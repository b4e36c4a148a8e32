//! What the operators mean: numbers with numbers, texts with texts, and nothing guessed between them.
//!
//! It knows values only. Comparing a text with a number is an error, because in a file of strings it is always a mistake.

use std::cmp::Ordering;

use minijinja::machinery::ast::BinOpKind;

use super::fuel::Fuel;
use super::text::{Origin, Written};
use super::value::{DEPTH_MAX, too_deep};
use super::{Problem, Value, jinja};

/// The value of an operator that evaluates both sides.
pub(super) fn binary(
    op: BinOpKind,
    left: &Value,
    right: &Value,
    fuel: &mut Fuel,
) -> Result<Value, Problem> {
    fuel.take(1)?;
    if let (Value::Number(_), _) | (_, Value::Number(_)) = (left, right)
        && !matches!(
            op,
            BinOpKind::Eq | BinOpKind::Ne | BinOpKind::In | BinOpKind::Concat
        )
    {
        return binary(op, &left.counted()?, &right.counted()?, fuel);
    }
    match op {
        BinOpKind::Eq => equal(left, right, fuel, 0).map(Value::Bool),
        BinOpKind::Ne => equal(left, right, fuel, 0).map(|equal| Value::Bool(!equal)),
        BinOpKind::Lt => order(left, right, fuel).map(|order| Value::Bool(order.is_lt())),
        BinOpKind::Lte => order(left, right, fuel).map(|order| Value::Bool(order.is_le())),
        BinOpKind::Gt => order(left, right, fuel).map(|order| Value::Bool(order.is_gt())),
        BinOpKind::Gte => order(left, right, fuel).map(|order| Value::Bool(order.is_ge())),
        BinOpKind::In => contains(right, left, fuel).map(Value::Bool),
        BinOpKind::Concat => {
            let mut joined = Written::default();
            left.print_into(&mut joined, fuel)?;
            right.print_into(&mut joined, fuel)?;
            Ok(Value::Text(joined.text()))
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
pub(super) fn negative(value: &Value) -> Result<Value, Problem> {
    match &value.counted()? {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(too_large),
        Value::Float(number) => Ok(Value::Float(-number)),
        other => Err(Problem::new(
            "types",
            format!("`-` is for numbers, and this is {}", other.kind()),
        )),
    }
}

fn too_large() -> Problem {
    Problem::new("number", "this number is larger than 64 bits can hold")
}

fn mixed(what: &str, left: &Value, right: &Value) -> Problem {
    let problem = Problem::new(
        "types",
        format!("this {what} {} and {}", left.kind(), right.kind()),
    );
    problem.help("make both the same: `| int` or `| float` for a number, `| string` for a text")
}

/// Whether two values are equal.
pub(super) fn equal(
    left: &Value,
    right: &Value,
    fuel: &mut Fuel,
    depth: usize,
) -> Result<bool, Problem> {
    fuel.take(1)?;
    if depth > DEPTH_MAX {
        return Err(too_deep());
    }
    Ok(match (left, right) {
        (Value::Undefined(problem), _) | (_, Value::Undefined(problem)) => {
            return Err((**problem).clone());
        }
        (Value::None, Value::None) => true,
        (Value::None, _) | (_, Value::None) => false,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Number(left), Value::Number(right)) if left == right => true,
        (Value::Number(_), Value::Int(_) | Value::Float(_) | Value::Number(_))
        | (Value::Int(_) | Value::Float(_), Value::Number(_)) => {
            return equal(&left.counted()?, &right.counted()?, fuel, depth);
        }
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
            float(left)? == float(right)?
        }
        (Value::Text(_), Value::Text(_)) => left.text_bytes() == right.text_bytes(),
        (Value::List(left), Value::List(right)) => {
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
        (Value::Map(left), Value::Map(right)) => {
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
fn left_differs(
    left: &Value,
    right: &Value,
    fuel: &mut Fuel,
    depth: usize,
) -> Result<bool, Problem> {
    match equal(left, right, fuel, depth + 1) {
        Ok(equal) => Ok(!equal),
        Err(problem) if problem.code == "types" => Ok(true),
        Err(problem) => Err(problem),
    }
}

fn order(left: &Value, right: &Value, fuel: &mut Fuel) -> Result<Ordering, Problem> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Ok(left.cmp(right)),
        (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => float(left)?
            .partial_cmp(&float(right)?)
            .ok_or_else(|| Problem::new("number", "this compares something that is no number")),
        (Value::Text(_), Value::Text(_)) => {
            let (left, right) = (left.text_bytes(), right.text_bytes());
            fuel.text(left.as_ref().map_or(0, Vec::len))?;
            Ok(left.cmp(&right))
        }
        _ => Err(mixed("compares", left, right)),
    }
}

fn contains(container: &Value, item: &Value, fuel: &mut Fuel) -> Result<bool, Problem> {
    match (container, item) {
        (Value::List(items), _) => {
            for one in items.iter() {
                if !left_differs(one, item, fuel, 0)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        (Value::Text(_), Value::Text(_)) => {
            let (whole, part) = (
                container.text_bytes().unwrap_or_default(),
                item.text_bytes().unwrap_or_default(),
            );
            fuel.text(whole.len())?;
            Ok(part.is_empty() || finds(&whole, &part))
        }
        (Value::Map(members), Value::Text(_)) => {
            let name = item.text_bytes().unwrap_or_default();
            Ok(members.iter().any(|(key, _)| key.as_bytes() == name))
        }
        (Value::Names(names), Value::Text(_)) => {
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

fn add(left: &Value, right: &Value, fuel: &mut Fuel) -> Result<Value, Problem> {
    match (left, right) {
        (Value::Text(_), Value::Text(_)) => {
            let origin = left.origin(fuel)?.and(right.origin(fuel)?);
            let mut bytes = left.text_bytes().unwrap_or_default();
            bytes.extend(right.text_bytes().unwrap_or_default());
            fuel.text(bytes.len())?;
            Ok(Value::made(bytes, origin))
        }
        (Value::List(left), Value::List(right)) => {
            fuel.take(left.len() + right.len())?;
            Ok(Value::list(
                left.iter().chain(right.iter()).cloned().collect(),
            ))
        }
        (Value::Text(_), _) | (_, Value::Text(_)) => {
            Err(mixed("adds", left, right).help("`~` joins anything as text"))
        }
        _ => arithmetic(BinOpKind::Add, left, right),
    }
}

fn multiply(left: &Value, right: &Value, fuel: &mut Fuel) -> Result<Value, Problem> {
    match (left, right) {
        (Value::Text(_), Value::Int(times)) => {
            let bytes = left.text_bytes().unwrap_or_default();
            let times = usize::try_from(*times).unwrap_or(0);
            fuel.text(bytes.len().saturating_mul(times))?;
            let origin: Origin = left.origin(fuel)?;
            Ok(Value::made(bytes.repeat(times), origin))
        }
        _ => arithmetic(BinOpKind::Mul, left, right),
    }
}

fn float(value: &Value) -> Result<f64, Problem> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "as in every language")]
        Value::Int(number) => Ok(*number as f64),
        Value::Float(number) => Ok(*number),
        other => Err(Problem::new(
            "types",
            format!("{} is no number", other.kind()),
        )),
    }
}

fn arithmetic(op: BinOpKind, left: &Value, right: &Value) -> Result<Value, Problem> {
    if let (Value::Int(left), Value::Int(right)) = (left, right)
        && !matches!(op, BinOpKind::Div)
    {
        return whole(op, *left, *right);
    }
    let numbers = |value: &Value| matches!(value, Value::Int(_) | Value::Float(_));
    if !numbers(left) || !numbers(right) {
        return Err(mixed("calculates with", left, right));
    }
    let (left, right) = (float(left)?, float(right)?);
    if right == 0.0 && matches!(op, BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem) {
        return Err(Problem::new("number", "this divides by zero"));
    }
    Ok(Value::Float(match op {
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

fn whole(op: BinOpKind, left: i64, right: i64) -> Result<Value, Problem> {
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
                return arithmetic(
                    op,
                    &Value::Float(float(&Value::Int(left))?),
                    &Value::Int(right),
                );
            }
        },
    };
    made.map(Value::Int).ok_or_else(too_large)
}

/// The items that `for` goes through.
pub(super) fn items(value: Value) -> Result<Vec<Value>, Problem> {
    match value {
        Value::List(items) => Ok(items.to_vec()),
        Value::Map(members) => {
            let names = members.iter().map(|(name, _)| members.name(name));
            Ok(names.collect())
        }
        Value::Undefined(problem) => Err(*problem),
        Value::Names(_) => Err(jinja::by_name()),
        other => {
            let problem = Problem::new(
                "types",
                format!("this needs a list, and is {}", other.kind()),
            );
            Err(problem.help("make a list of a text with `| split` or `| lines`"))
        }
    }
}
