//! Tables of text: columns as wide as their widest cell, measured in terminal cells.

use unicode_width::UnicodeWidthStr as _;

use crate::catalog::hides;

/// Two spaces between columns.
const GAP: usize = 2;

/// How a column is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows under a heading, or under none.
pub(super) struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; a heading that begins with `>` is of a
    /// column of numbers, set to the right.
    pub(super) fn new(headings: &[&str]) -> Self {
        let mut table = Self::bare(headings);
        let names = headings.iter().map(|name| name.trim_start_matches('>'));
        table.rows.push(names.map(str::to_owned).collect());
        table
    }

    /// The same without a line of headings.
    pub(super) fn bare(columns: &[&str]) -> Self {
        let align = columns.iter().map(|name| match name.starts_with('>') {
            true => Align::Right,
            false => Align::Left,
        });
        Self {
            align: align.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Cells beyond the columns are left out, missing ones are empty.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let mut cells: Vec<String> = cells.into_iter().map(|cell| one_line(&cell)).collect();
        cells.resize(self.align.len(), String::new());
        self.rows.push(cells);
    }

    /// A line for each row, without trailing spaces.
    pub(super) fn lines(&self) -> Vec<String> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.align.len()).map(width).collect();
        self.rows
            .iter()
            .map(|row| self.line(row, &widths))
            .collect()
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, align), width) in row.iter().zip(&self.align).zip(widths) {
            // An empty column takes no room.
            if *width == 0 {
                continue;
            }
            let space = " ".repeat(width.saturating_sub(cell.width()));
            match align {
                Align::Left => line.extend([cell.as_str(), space.as_str()]),
                Align::Right => line.extend([space.as_str(), cell.as_str()]),
            }
            line.push_str(&" ".repeat(GAP));
        }
        line.trim_end().to_owned()
    }
}

/// Control characters, line breaks among them, would break the table, or worse:
/// the terminal. Marks that turn text around would make it say something else.
pub(super) fn one_line(text: &str) -> String {
    let shown = |c: char| if hides(c) { ' ' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_wide_characters_count_double() {
        let mut table = Table::new(&["ID", ">AMOUNT", "NAME"]);
        table.row(["a".into(), "9".into(), "日本".into()]);
        table.row(["plan".into(), "1999".into(), "x".into()]);
        table.row(["é".into(), "10".into(), String::new()]);
        assert_eq!(
            table.lines(),
            [
                "ID    AMOUNT  NAME",
                "a          9  日本",
                "plan    1999  x",
                "é         10",
            ]
        );
    }

    #[test]
    fn a_cell_cannot_break_the_line_and_an_empty_column_takes_no_room() {
        let mut table = Table::bare(&["", "", ""]);
        table.row(["a\nb\u{1b}[31m".into(), String::new(), "c".into()]);
        assert_eq!(table.lines(), ["a b [31m  c"]);
        assert_eq!(one_line("a\u{9b}31mb\u{202e}c"), "a 31mb c");
    }
}
