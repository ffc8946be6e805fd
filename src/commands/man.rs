//! `man`.

use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;

use super::End;
use super::call::Call;
use crate::cli::{Cli, ManArgs};
use crate::domain::Failure;

/// Prints the manual page, or writes one per command.
pub(super) fn man(call: &Call, args: &ManArgs) -> Result<End, Failure> {
    match &args.dir {
        None => call.screen.raw(&page(Cli::command())?),
        Some(dir) => {
            let pages = pages(dir)?;
            call.screen.data(&format!("wrote {} to {}", crate::report::words::count(pages, "page"), dir.display()));
        }
    }
    Ok(End::Done)
}

fn page(command: clap::Command) -> Result<String, Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page).map_err(|e| Failure::failed(format!("the page cannot be made: {e}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn pages(dir: &Path) -> Result<usize, Failure> {
    let write = |name: &str, text: String| {
        let path = dir.join(format!("{name}.1"));
        std::fs::create_dir_all(dir)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| Failure::failed(format!("{} cannot be written: {e}", path.display())))
    };
    let mut all = Cli::command();
    // Building gives each command its name with the program's before it.
    all.build();
    write("stepladder", page(all.clone())?)?;
    let mut written = 1;
    for command in all.get_subcommands().filter(|c| !c.is_hide_set()) {
        let name = format!("stepladder-{}", command.get_name());
        write(&name, page(command.clone())?)?;
        written += 1;
    }
    Ok(written)
}
