//! Columns that line up.

use super::screen::{Paint, Style};

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    /// A text in a style.
    pub fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, right: false }
    }

    /// The same, at the right end of its column.
    #[must_use]
    pub fn right(mut self) -> Self {
        self.right = true;
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Style::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Style::Plain)
    }
}

/// Rows of cells.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
    least: Vec<usize>,
}

impl Table {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No rows yet, with columns at least so wide.
    pub fn with_widths(least: &[usize]) -> Self {
        Self { rows: Vec::new(), least: least.to_vec() }
    }

    /// One more row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The rows as lines, three blanks between columns, no blanks at the ends of lines.
    pub fn lines(&self, indent: &str, paint: Paint) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        // The last cell of a row stands in nobody's way, however long it is.
        let inner = |row: &&Vec<Cell>, at: usize| at < last_filled(row);
        let width = |at: usize| {
            let widest = self.rows.iter().filter(|r| inner(r, at)).map(|r| width(&r[at].text)).max().unwrap_or(0);
            widest.max(self.least.get(at).copied().unwrap_or(0))
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        self.rows.iter().map(|row| line(row, &widths, indent, paint)).collect()
    }

    /// [`Table::lines`] in one text.
    pub fn text(&self, indent: &str, paint: Paint) -> String {
        self.lines(indent, paint).join("\n")
    }
}

fn last_filled(row: &[Cell]) -> usize {
    row.iter().rposition(|c| !c.text.is_empty()).unwrap_or(0)
}

fn line(row: &[Cell], widths: &[usize], indent: &str, paint: Paint) -> String {
    let mut line = indent.to_owned();
    let last = last_filled(row);
    for (at, cell) in row.iter().enumerate().take(last + 1) {
        let blanks = " ".repeat(widths[at].saturating_sub(width(&cell.text)));
        let painted = paint.of(cell.style, &cell.text);
        match (cell.right, at == last) {
            (true, _) => line.push_str(&format!("{blanks}{painted}")),
            (false, true) => line.push_str(&painted),
            (false, false) => line.push_str(&format!("{painted}{blanks}")),
        }
        if at < last {
            line.push_str("   ");
        }
    }
    line
}

/// Columns that a text takes on a terminal, near enough: names are mostly ASCII.
pub fn width(text: &str) -> usize {
    text.chars().count()
}
