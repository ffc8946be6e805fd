//! A step whose script has been read and checked, and what is known of its entry.

use super::facts::Facts;
use super::job::{Job, Piece, Unfit};
use super::ledger::open_entry;
use super::locked::Held;
use crate::domain::EntryEvent;
use crate::domain::comments::{leading, style_of};
use crate::stores::{Kept, NewEntry, Owner, Step};

/// A step that is ready to be sent.
pub struct Ready<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its script, read.
    pub job: Job,
    /// What it is made of, from the part on where it resumes.
    pub pieces: Vec<Piece>,
    /// Whether every part is to be by itself.
    pub each: bool,
    /// In a cluster a key of each part, if it has one, which decides where it goes.
    pub keys: Vec<Option<Vec<u8>>>,
}

impl<'a> Ready<'a> {
    /// Reads and checks a step's script: nothing of one that cannot be run to its end is sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(step: &'a Step, job: Job, facts: &Facts) -> Result<Self, Unfit> {
        let comments = leading(&step.text, style_of(&step.extension));
        let each = crate::domain::directive::parse(&comments).0.no_transaction.is_some();
        let pieces = job.pieces(facts, step.resume_from as usize, each)?;
        Ok(Self { step, job, pieces, each, keys: Vec::new() })
    }

    /// Whether all of it can be one Lua script with its entry.
    pub fn is_whole(&self) -> bool {
        matches!(self.pieces.as_slice(), [] | [Piece::Together(..)])
    }

    /// Whether it is a Lua program.
    pub fn is_program(&self) -> bool {
        matches!(self.job, Job::Program(_))
    }

    /// How many parts it has.
    pub fn total(&self) -> u32 {
        u32::try_from(self.job.parts()).unwrap_or(u32::MAX)
    }

    /// The part where it begins.
    pub fn from(&self) -> usize {
        (self.step.resume_from as usize).min(self.job.parts())
    }

    /// The line of a part.
    pub fn line(&self, part: usize) -> Option<usize> {
        self.job.commands().get(part).map(|c| c.line)
    }

    /// Whether its keys are on another node of a cluster than the ledger.
    pub fn is_away(&self, held: &Held) -> bool {
        held.places(self, 0) != [None]
    }

    /// What is left of it after so many of its parts; a program's one part may have been done in part.
    pub fn kept(&self, done: usize) -> Kept {
        match done {
            0 if !self.is_program() => Kept::Nothing,
            done => Kept::Half(Some((u32::try_from(done).unwrap_or(u32::MAX), self.total()))),
        }
    }

    /// What is left of it when nothing was done in this run.
    pub fn resumed(&self) -> Kept {
        if self.from() == 0 { Kept::Nothing } else { self.kept(self.from()) }
    }

    /// Its entry before the outcome is known.
    pub fn entry(&self, owner: &Owner) -> String {
        open_entry(&NewEntry::of(self.step, EntryEvent::Done), owner)
    }
}
