//! Text for a client's input that knows where each line of it comes from.

/// Text for psql's input, with the place of each line of the user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// What is written.
    pub text: String,
    lines: usize,
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    fed: usize,
    user: usize,
    count: usize,
}

impl Feed {
    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The line of the user's file that stands in this line of the feed.
    pub fn place(&self, line: usize) -> Option<usize> {
        let span = self.spans.iter().find(|s| (s.fed..s.fed + s.count).contains(&line))?;
        Some(span.user + line - span.fed)
    }

    /// Adds a line of ours.
    pub fn say(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1 + line.matches('\n').count();
    }

    /// Adds text of the user's, whose first line is this one of the file.
    pub fn script(&mut self, text: &str, user: usize) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let count = 1 + text.matches('\n').count();
        self.spans.push(Span { fed: self.lines + 1, user, count });
        self.say(text);
    }
}
