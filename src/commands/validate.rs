//! `validate`.

use super::End;
use super::call::Call;
use crate::domain::{Failure, FailureKind, Finding};
use crate::report::findings::{self, Looked};

/// Checks the files, without any server.
pub(super) fn validate(call: &Call) -> Result<End, Failure> {
    let project = call.project()?;
    let names = &call.globals.stores;
    let chosen = |store: &str| names.is_empty() || names.iter().any(|n| n == store);
    let concerns = |f: &Finding| f.store.as_deref().map_or(names.is_empty(), chosen);
    let mut found: Vec<Finding> = project.findings().into_iter().filter(concerns).collect();
    found.sort_by(|a, b| (&a.place, a.line).cmp(&(&b.place, b.line)));
    let catalogs: Vec<_> = project.catalogs.values().filter(|c| chosen(&c.store)).collect();
    let looked = Looked {
        migrations: catalogs.iter().map(|c| c.migrations.len()).sum(),
        stores: catalogs.iter().map(|c| c.store.as_str()).collect(),
    };
    let paint = call.screen.paint;
    call.screen.answer(|| findings::text(&found, &looked, paint), || findings::value(&found, &looked));
    Ok(if findings::fails(&found) { End::With(FailureKind::Findings) } else { End::Done })
}
