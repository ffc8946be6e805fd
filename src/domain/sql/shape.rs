//! What decides how a script must be run, gathered in one pass over its statements.

use std::collections::HashMap;

use super::lexeme::Opening;
use super::line::line_of;
use super::mark::{command, statement};
use super::split::{Part, Piece, Splitter};
use super::transaction::{Control, control};
use super::{Dialect, Mark, Shape, Unclosed, mysql, postgres, session, sqlite};

/// Reads a script's shape. Line numbers and texts are made only for what is found, so that a plain script costs one
/// pass and no allocation.
pub fn shape(text: &str, dialect: Dialect) -> Shape {
    let mut gatherer = Gatherer { text, dialect, shape: Shape::default(), enum_values: HashMap::new() };
    let mut parts = Splitter::new(text, dialect);
    for part in &mut parts {
        match part {
            Part::Statement(piece) => gatherer.statement(piece),
            Part::Meta(start, end) => gatherer.command(start, end),
        }
    }
    let unclosed = |(offset, what)| Unclosed { line: line_of(text, offset), what };
    Shape { unclosed: parts.unclosed.map(unclosed), ..gatherer.shape }
}

struct Gatherer<'a> {
    text: &'a str,
    dialect: Dialect,
    shape: Shape,
    /// Values that were added to enums, and where: no later statement may use one in the same transaction.
    enum_values: HashMap<&'a str, Piece>,
}

impl<'a> Gatherer<'a> {
    fn mark(&self, piece: Piece) -> Mark {
        let what = statement(&self.text[piece.start..piece.stop], self.dialect);
        Mark { line: line_of(self.text, piece.start), what }
    }

    fn command(&mut self, start: usize, end: usize) {
        if self.shape.client_language.is_none() {
            let what = command(&self.text[start..end]);
            self.shape.client_language = Some(Mark { line: line_of(self.text, start), what });
        }
    }

    fn statement(&mut self, piece: Piece) {
        self.shape.statements += 1;
        let code = &self.text[piece.start..piece.stop];
        let opening = Opening::of(code, self.dialect);
        if self.shape.own_transaction.is_none() {
            let control = control(&opening, self.dialect);
            if matches!(control, Some(Control::Begin | Control::End { .. })) {
                self.shape.own_transaction = Some(self.mark(piece));
            }
        }
        match self.dialect {
            Dialect::Postgres => self.postgres(&opening, piece),
            Dialect::Sqlite => self.sqlite(&opening, piece),
            Dialect::Mysql => self.mysql(&opening, piece),
        }
    }

    fn postgres(&mut self, opening: &Opening<'a>, piece: Piece) {
        if self.shape.outside_transaction.is_none() {
            if postgres::refuses_transaction(opening) {
                self.shape.outside_transaction = Some(self.mark(piece));
            } else {
                self.enum_value(opening, piece);
            }
        }
        if self.shape.sets_role.is_none() && session::sets_role(opening) {
            self.shape.sets_role = Some(self.mark(piece));
        }
        if self.shape.commit_in_do.is_none()
            && let Some(place) = postgres::commit_in_do(opening)
        {
            let (start, end) = (piece.start + place.start, piece.start + place.end);
            let what = self.text[start..end].to_uppercase();
            self.shape.commit_in_do = Some(Mark { line: line_of(self.text, start), what });
        }
    }

    fn enum_value(&mut self, opening: &Opening<'a>, piece: Piece) {
        if let Some(altered) = postgres::altered_type(opening) {
            // A value that is new itself may be named here, as the neighbour of the next one.
            if let Some(value) = postgres::added_enum_value(altered) {
                self.enum_values.entry(value).or_insert(piece);
            }
        } else if !self.enum_values.is_empty() {
            let used = opening.rest().find_map(|token| self.enum_values.get(token.literal()?).copied());
            self.shape.outside_transaction = used.map(|piece| self.mark(piece));
        }
    }

    fn mysql(&mut self, opening: &Opening<'_>, piece: Piece) {
        if self.shape.outside_transaction.is_none() && mysql::ends_transaction(opening) {
            self.shape.outside_transaction = Some(self.mark(piece));
        }
    }

    fn sqlite(&mut self, opening: &Opening<'_>, piece: Piece) {
        if self.shape.outside_transaction.is_none() && sqlite::refuses_transaction(opening) {
            self.shape.outside_transaction = Some(self.mark(piece));
        }
        if self.shape.foreign_keys_pragma.is_none() && sqlite::sets_foreign_keys(opening) {
            self.shape.foreign_keys_pragma = Some(self.mark(piece));
        }
    }
}
