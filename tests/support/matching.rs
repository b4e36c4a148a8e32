//! Whether lines are as expected, and how they differ.

/// Stands in an expected line for any text.
const ANY: &str = "<any>";

/// An expected line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This line, here.
    Line(String),
    /// This line; it may change places with those beside it that are of this kind.
    Unordered(String),
    /// Any lines, or none.
    Rest,
}

/// Whether the lines are as expected.
pub fn matches(expected: &[Expected], lines: &[String]) -> bool {
    match expected.first() {
        None => lines.is_empty(),
        Some(Expected::Rest) => {
            (0..=lines.len()).any(|skipped| matches(&expected[1..], &lines[skipped..]))
        }
        Some(Expected::Line(wanted)) => {
            let first = lines.first();
            first.is_some_and(|first| fits(wanted, first)) && matches(&expected[1..], &lines[1..])
        }
        Some(Expected::Unordered(_)) => {
            let group: Vec<&str> = expected.iter().map_while(unordered).collect();
            lines.len() >= group.len()
                && same_in_any_order(&group, &lines[..group.len()])
                && matches(&expected[group.len()..], &lines[group.len()..])
        }
    }
}

fn unordered(line: &Expected) -> Option<&str> {
    match line {
        Expected::Unordered(text) => Some(text),
        _ => None,
    }
}

fn same_in_any_order(wanted: &[&str], lines: &[String]) -> bool {
    let mut left: Vec<&String> = lines.iter().collect();
    wanted.iter().all(|wanted| {
        let place = left.iter().position(|line| fits(wanted, line));
        place.map(|place| left.remove(place)).is_some()
    })
}

/// Whether a line is as wanted, where [`ANY`] stands for any text.
fn fits(wanted: &str, line: &str) -> bool {
    let Some((start, rest)) = wanted.split_once(ANY) else {
        return wanted == line;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    let mut tails = ends.map(|at| &line[at..]);
    tails.any(|tail| fits(rest, tail))
}

/// Both, with what they share at the beginning and at the end shown once.
pub fn difference(expected: &[String], lines: &[String]) -> String {
    let same = |(one, other): &(&String, &String)| one == other;
    let head = expected.iter().zip(lines).take_while(same).count();
    let rest = (&expected[head..], &lines[head..]);
    let tail = rest
        .0
        .iter()
        .rev()
        .zip(rest.1.iter().rev())
        .take_while(same)
        .count();
    let rows = |sign: &str, rows: &[String]| -> String {
        rows.iter()
            .map(|row| format!("    {sign} {row}\n"))
            .collect()
    };
    [
        rows(" ", &expected[..head]),
        rows("-", &rest.0[..rest.0.len() - tail]),
        rows("+", &rest.1[..rest.1.len() - tail]),
        rows(" ", &rest.1[rest.1.len() - tail..]),
    ]
    .concat()
}
