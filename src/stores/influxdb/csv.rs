//! Flux answers in CSV: tables apart by blank lines, each with its header.

/// The lines of an answer, taken apart; a blank one is empty.
pub fn read(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row: Vec<String> = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    let mut begun = false;
    while let Some(c) = chars.next() {
        begun = true;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted && chars.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if !(row.is_empty() && cell.is_empty()) {
                    row.push(std::mem::take(&mut cell));
                }
                rows.push(std::mem::take(&mut row));
                begun = false;
            }
            c => cell.push(c),
        }
    }
    if begun {
        row.push(cell);
        rows.push(row);
    }
    rows
}

/// A row under its table's header.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    header: &'a [String],
    cells: &'a [String],
}

impl<'a> Row<'a> {
    /// A column's value.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let at = self.header.iter().position(|h| h == name)?;
        self.cells.get(at).map(String::as_str)
    }
}

/// The rows of all tables.
pub fn objects(rows: &[Vec<String>]) -> Vec<Row<'_>> {
    let mut header: &[String] = &[];
    let mut found = Vec::new();
    let mut after_blank = true;
    for cells in rows {
        if cells.is_empty() || cells[0].starts_with('#') {
            after_blank = true;
        } else if std::mem::take(&mut after_blank) {
            header = cells;
        } else {
            found.push(Row { header, cells });
        }
    }
    found
}

/// The error that an answer ends with, although it began well.
pub fn error(rows: &[Vec<String>]) -> Option<&str> {
    let at = rows.iter().position(|row| {
        let named: Vec<&str> = row.iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
        named == ["error", "reference"]
    })?;
    let column = rows[at].iter().position(|c| c == "error")?;
    rows.get(at + 1)?.get(column).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read_with_their_headers() {
        let text = ",result,table,_time,_value\r\n,_result,0,1970-01-01T00:00:04Z,\"a \"\"b\"\",\nc\"\r\n\r\n,result,_value\r\n,r,2\r\n\r\n";
        let rows = read(text);
        let values: Vec<String> = objects(&rows).iter().map(|row| row.get("_value").unwrap().to_owned()).collect();
        assert_eq!(values, ["a \"b\",\nc", "2"]);
        assert_eq!(error(&rows), None);
        assert_eq!(read(""), Vec::<Vec<String>>::new());
    }

    #[test]
    fn an_error_behind_rows_is_found() {
        let rows = read(",result,_value\r\n,r,2\r\n\r\nerror,reference\r\n\"out of, time\",\r\n");
        assert_eq!(error(&rows), Some("out of, time"));
    }
}
