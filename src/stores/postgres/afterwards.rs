//! What became of steps whose end was heard, or was not: read back from the server, which may have gone down with them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use postgres::error::SqlState;

use super::locked::Held;
use super::psql;
use super::session::literal;
use super::verdict::{self, Fate};
use crate::domain::{EntryEvent, Failure};
use crate::stores::{Context, Kept, Locked, NewEntry, Step, StepFailure};

impl Held {
    /// A step whose marker came back and whose entry is not there: success is positive.
    pub(super) fn missing<'a>(&mut self, done: &'a [Step], context: &Context<'_>) -> Result<Option<&'a Step>, Failure> {
        let there = self.entries(done, context)?;
        Ok(done.iter().find(|s| !matches!(there.get(&s.index), Some((EntryEvent::Done, ..)))))
    }

    /// The newest entry of each of these steps in this run.
    #[allow(clippy::type_complexity)]
    pub(super) fn entries(
        &mut self,
        steps: &[Step],
        context: &Context<'_>,
    ) -> Result<BTreeMap<usize, (EntryEvent, Option<i64>, Option<(u32, u32)>)>, Failure> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(BTreeMap::new()) };
        let sql = format!(
            "select ordinal, event, duration_ms, parts_done, parts_total from {} where run = {} \
             and ordinal between {} and {} and event in ('begun', 'done') order by seq",
            self.place.schema.the("ledger"),
            literal(&self.owner.run),
            first.index,
            last.index
        );
        let rows = context.patiently(|| self.session.read(&sql))?;
        let entries = rows.iter().filter_map(|row| {
            let parts = row.get(3).and_then(|n| n.parse().ok()).zip(row.get(4).and_then(|n| n.parse().ok()));
            let event = EntryEvent::from_word(row.get(1)?)?;
            Some((row.get(0)?.parse().ok()?, (event, row.get(2).and_then(|n| n.parse().ok()), parts)))
        });
        Ok(entries.collect())
    }

    /// What the ledger says of a step whose end was not heard.
    pub(super) fn fate(&mut self, step: &Step, talked: &psql::Session, context: &Context<'_>) -> Fate {
        if talked.ended.is_some() {
            // Its client has gone; a statement that is still at work would go on for nobody.
            let _ = self.session.read(&format!(
                "select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
                 where application_name = {} and usename = current_user and state <> 'idle'",
                literal(&psql::application_name(&self.owner.run))
            ));
        }
        let Ok(status) = self.transaction(talked.xid, context) else { return Fate::Unknown };
        if status.as_deref() == Some("in progress") {
            return Fate::Unknown;
        }
        let Ok(mut entries) = self.entries(std::slice::from_ref(step), context) else { return Fate::Unknown };
        // A transaction that was committed without our entry was committed by the script.
        let ended = status.as_deref() == Some("committed") || verdict::has_ended_transaction(&talked.said);
        match entries.remove(&step.index) {
            Some((EntryEvent::Done, ..)) => Fate::Done,
            Some((_, _, parts)) => Fate::Begun(parts),
            None if ended => Fate::Ended,
            None => Fate::Nothing,
        }
    }

    /// What became of a step's transaction. The server is given a moment to notice that its client has gone.
    fn transaction(&mut self, xid: Option<u64>, context: &Context<'_>) -> Result<Option<String>, Failure> {
        let Some(xid) = xid.filter(|xid| *xid > 0) else { return Ok(None) };
        let until = Instant::now() + Duration::from_secs(5);
        let find = format!(
            "select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity \
             where backend_xid is not null and backend_xid::text::bigint = {xid} % 4294967296"
        );
        let mut patience = 10;
        loop {
            let status = match context.patiently(|| self.session.read(&format!("select txid_status({xid})"))) {
                Ok(rows) => rows.first().and_then(|r| r.get(0)).map(str::to_owned),
                // "is in the future": a server that crashed before it had written anything of it down.
                Err(trouble) if trouble.state == Some(SqlState::INVALID_PARAMETER_VALUE) => None,
                Err(trouble) => return Err(trouble.failure),
            };
            if status.as_deref() != Some("in progress") || Instant::now() > until {
                return Ok(status);
            }
            patience -= 1;
            if patience == 0 {
                // Its client has gone: nobody would ever read its answer.
                let _ = self.session.read(&find);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A script took back our entry together with a part of its own work: what it did afterwards stays, so the
    /// ledger must know of it.
    pub(super) fn leave_trace(&mut self, step: &Step, failure: &mut StepFailure) {
        failure.kept = match self.record(&NewEntry::of(step, EntryEvent::Begun)) {
            Ok(()) => Kept::Half(None),
            Err(_) => Kept::Unknown,
        };
    }
}
