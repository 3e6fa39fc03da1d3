//! Tables for people: a header and rows, no borders, numbers to the right.

use comfy_table::{CellAlignment, Table, presets};

/// How a column's cells are aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// To the left.
    Text(&'static str),
    /// To the right.
    Number(&'static str),
}

use Column::{Number, Text};

/// A table as text; nothing but its header if there are no rows.
pub(crate) fn table(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(columns.iter().map(|(Text(name) | Number(name))| *name));
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if let Some(Number(_)) = columns.get(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A count in at most eight characters: exact below 100 million, then scaled by thousands as
/// `ipvsadm --stats` does it.
pub(crate) fn count(count: u64) -> String {
    if count < 100_000_000 {
        return count.to_string();
    }
    let mut scaled = count / 1000;
    for unit in ["K", "M", "G", "T"] {
        if scaled < 10_000_000 {
            return format!("{scaled}{unit}");
        }
        scaled /= 1000;
    }
    format!("{scaled}P")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_compact_and_aligned() {
        let rows = [["a", "1", "x"], ["longer", "1000", ""]];
        let text = table(
            &[Text("NAME"), Number("COUNT"), Text("WORDS")],
            rows.map(|row| row.map(str::to_owned).to_vec()),
        );
        assert_eq!(text, "NAME    COUNT  WORDS\na           1  x\nlonger   1000\n");
        assert_eq!(table(&[Text("NAME"), Number("COUNT")], []), "NAME  COUNT\n");
    }

    #[test]
    fn numbers_stay_short() {
        let rows = [
            (0, "0"),
            (99_999_999, "99999999"),
            (100_000_000, "100000K"),
            (9_999_999_999, "9999999K"),
            (10_000_000_000, "10000M"),
            (u64::MAX, "18446P"),
        ];
        for (number, expected) in rows {
            assert_eq!(count(number), expected);
        }
    }
}
