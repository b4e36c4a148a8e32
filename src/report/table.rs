//! Rows of text with aligned columns.

use super::style::cut;
use crate::diagnostic::width as columns_of;

/// The rows, a line each, columns two spaces apart; no line ends with spaces.
pub fn aligned(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| row.iter().map(|cell| in_a_line(cell)).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| columns_of(cell))
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let start = text.len();
        let mut gap = 0;
        for (cell, width) in row.iter().zip(&widths) {
            text.extend(std::iter::repeat_n(' ', gap));
            text.push_str(cell);
            gap = width - columns_of(cell) + 2;
        }
        let end = start + text[start..].trim_end().len();
        text.truncate(end);
        text.push('\n');
    }
    text
}

fn in_a_line(cell: &str) -> String {
    let cell = cut(cell);
    if cell.contains(['\n', '\t']) {
        cell.replace(['\n', '\t'], " ")
    } else {
        cell.into_owned()
    }
}

/// A number of bytes for people: `5.0 GiB`.
#[expect(
    clippy::cast_precision_loss,
    reason = "a tenth of a unit is all that is shown"
)]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut rest = count as f64 / 1024.0;
    for unit in UNITS {
        if rest < 1000.0 || unit == UNITS[3] {
            return match count {
                0..1024 => format!("{count} bytes"),
                _ => format!("{rest:.1} {unit}"),
            };
        }
        rest /= 1024.0;
    }
    unreachable!("the last unit is large enough for all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_whatever_the_letters() {
        let names = [
            "build",
            "テスト",
            "e\u{301}t\u{e9}",
            "👩‍👩‍👧",
            "😀x",
            "a\u{200b}b",
        ];
        let text = aligned(names.map(|name| vec![name.to_owned(), "|".to_owned()]));
        let at = |line: &str| columns_of(line.split('|').next().unwrap_or_default());
        let places: Vec<usize> = text.lines().map(at).collect();
        assert_eq!(places, [places[0]; 6], "{text}");
        assert_eq!(columns_of("テスト"), 6);
    }
}
