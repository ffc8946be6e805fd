//! Line numbers, counted only as far as somebody asks.

/// Counts lines from one offset to a later one, so that asking in order stays linear.
pub(super) struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The 1-based line of an offset that is not before the last one asked for.
    pub fn of(&mut self, offset: usize) -> usize {
        self.line += ends(&self.text.as_bytes()[self.at..], offset.saturating_sub(self.at));
        self.at = self.at.max(offset);
        self.line
    }
}

/// The 1-based line of an offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    Lines::new(text).of(offset)
}

/// Line ends (LF, CRLF, lone CR) that are complete within the first `length` bytes.
fn ends(bytes: &[u8], length: usize) -> usize {
    let part = &bytes[..length];
    let feeds = part.iter().filter(|b| **b == b'\n').count();
    if !part.contains(&b'\r') {
        return feeds;
    }
    let lone = |(at, byte): (usize, &u8)| *byte == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    feeds + part.iter().enumerate().filter(|pair| lone(*pair)).count()
}

/// Where the line that `from` is in ends, and where the next one starts.
pub(super) fn line_end(text: &str, from: usize) -> (usize, usize) {
    let bytes = text.as_bytes();
    let rest = &bytes[from..];
    let end = from + rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
    let width = match bytes.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => 2,
        [] => 0,
        _ => 1,
    };
    (end, end + width)
}
