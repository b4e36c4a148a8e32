//! Rows of text with aligned columns.

use super::style::visible;

/// The rows, a line each, columns two spaces apart; no line ends with spaces.
pub fn aligned(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| {
            row.iter()
                .map(|cell| visible(cell).replace(['\n', '\t'], " "))
                .collect()
        })
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
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
