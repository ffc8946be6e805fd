//! What a statement's first words say about where it ends. Most statements end at the next semicolon; bodies of
//! functions and triggers hold semicolons of their own, and data follows `COPY … FROM stdin`.

use super::Dialect;

/// How far the words so far have led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Start,
    /// `CREATE`, and words that may stand between it and what is created.
    Create,
    /// `CREATE FUNCTION` or `CREATE PROCEDURE`.
    Routine,
    /// …and then `BEGIN`, at this offset.
    RoutineBegin(usize),
    Trigger,
    Body {
        start: usize,
        ends_missing: usize,
    },
    TriggerBody {
        start: usize,
        /// Whether the last token was a semicolon: only there, `END` ends the body and not a `CASE`.
        after_semicolon: bool,
    },
    Copy,
    CopyFrom,
    CopyFromStdin,
    Plain,
}

/// Follows the tokens of one statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    stage: Stage,
    parens: usize,
    outermost_paren: usize,
}

impl Head {
    pub const fn new() -> Self {
        Self { stage: Stage::Start, parens: 0, outermost_paren: 0 }
    }

    /// Takes note of a bare word.
    pub fn word(&mut self, word: &str, offset: usize, dialect: Dialect) {
        if self.stage == Stage::Plain || self.parens > 0 {
            return;
        }
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let postgres = dialect == Dialect::Postgres;
        self.stage = match self.stage {
            Stage::Start if is("create") && dialect != Dialect::Mysql => Stage::Create,
            Stage::Start if is("copy") && postgres => Stage::Copy,
            Stage::Create if postgres && (is("or") || is("replace")) => Stage::Create,
            Stage::Create if postgres && (is("function") || is("procedure")) => Stage::Routine,
            Stage::Create if !postgres && (is("temp") || is("temporary")) => Stage::Create,
            Stage::Create if !postgres && is("trigger") => Stage::Trigger,
            Stage::Routine if is("begin") => Stage::RoutineBegin(offset),
            Stage::RoutineBegin(start) if is("atomic") => Stage::Body { start, ends_missing: 1 },
            Stage::Routine | Stage::RoutineBegin(_) => Stage::Routine,
            Stage::Body { start, ends_missing } => match ends_missing {
                _ if is("case") || is("begin") => Stage::Body { start, ends_missing: ends_missing + 1 },
                1 if is("end") => Stage::Plain,
                _ if is("end") => Stage::Body { start, ends_missing: ends_missing - 1 },
                _ => self.stage,
            },
            Stage::Trigger if is("begin") => Stage::TriggerBody { start: offset, after_semicolon: false },
            Stage::Trigger => Stage::Trigger,
            Stage::TriggerBody { after_semicolon: true, .. } if is("end") => Stage::Plain,
            Stage::TriggerBody { start, .. } => Stage::TriggerBody { start, after_semicolon: false },
            Stage::CopyFrom if is("stdin") => Stage::CopyFromStdin,
            Stage::Copy | Stage::CopyFrom if is("from") => Stage::CopyFrom,
            Stage::Copy | Stage::CopyFrom => Stage::Copy,
            Stage::CopyFromStdin => Stage::CopyFromStdin,
            Stage::Start | Stage::Create | Stage::Plain => Stage::Plain,
        };
    }

    /// Takes note of a token that is no bare word and no semicolon.
    pub fn other(&mut self, byte: u8, offset: usize, dialect: Dialect) {
        match self.stage {
            Stage::Start => self.stage = Stage::Plain,
            Stage::TriggerBody { start, .. } => self.stage = Stage::TriggerBody { start, after_semicolon: false },
            _ => {}
        }
        match byte {
            _ if dialect != Dialect::Postgres => {}
            b'(' => {
                if self.parens == 0 {
                    self.outermost_paren = offset;
                }
                self.parens += 1;
            }
            b')' => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
    }

    /// Whether a semicolon here ends the statement. As psql does it, none within parentheses does
    /// (`CREATE RULE … DO (a; b)`).
    pub fn ends_at_semicolon(&mut self) -> bool {
        match self.stage {
            Stage::TriggerBody { start, .. } => {
                self.stage = Stage::TriggerBody { start, after_semicolon: true };
                false
            }
            Stage::Body { .. } => false,
            _ => self.parens == 0,
        }
    }

    /// Whether no further word can change where the statement ends.
    pub fn is_plain(&self) -> bool {
        self.stage == Stage::Plain
    }

    /// Whether data follows the statement.
    pub fn has_data(&self) -> bool {
        self.stage == Stage::CopyFromStdin
    }

    /// What is still open, were the statement to end here.
    pub fn open(&self) -> Option<(usize, &'static str)> {
        match self.stage {
            Stage::Body { start, .. } => Some((start, "BEGIN ATOMIC body")),
            Stage::TriggerBody { start, .. } => Some((start, "trigger body")),
            _ if self.parens > 0 => Some((self.outermost_paren, "parenthesis")),
            _ => None,
        }
    }
}
