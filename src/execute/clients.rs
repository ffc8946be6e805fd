//! Client programs are looked for before anything is locked: a run that lacks one changes nothing.

use std::collections::BTreeMap;

use crate::domain::mode::is_program;
use crate::domain::{Failure, Plan};
use crate::project::Opened;
use crate::stores::Needed;

/// Finds the clients that the scripts of a plan need. What the ledger keeps is looked at when it is read.
///
/// # Errors
/// One that cannot be found: who needs it, and how to get it.
pub fn find(stores: &BTreeMap<String, Opened>, plan: &Plan) -> Result<(), Failure> {
    for (name, opened) in stores {
        let mine = plan.steps.iter().filter(|step| step.store == *name);
        let scripts = mine.filter_map(|step| Some((step, step.source_script()?)));
        let needed: Vec<Needed<'_>> = scripts
            .filter(|(_, script)| !is_program(&script.extension, opened.card().extensions))
            .map(|(step, script)| Needed { by: step.full_name(), script })
            .collect();
        if !needed.is_empty() {
            opened.store.find_client(&needed)?;
        }
    }
    Ok(())
}
