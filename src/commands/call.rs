//! One call of the binary: its flags and where it writes.

use crate::cli::Globals;
use crate::config::{Flags, Secret, StoreConfig, ask};
use crate::domain::Failure;
use crate::project::{Fleet, Project};
use crate::report::Screen;
use crate::report::listener::skipped_line;

/// What every command gets.
pub(super) struct Call {
    /// The flags of every command.
    pub globals: Globals,
    /// Where everything is written.
    pub screen: Screen,
}

impl Call {
    /// A call with these flags.
    pub fn new(globals: Globals) -> Self {
        let screen = Screen::new(&globals);
        Self { globals, screen }
    }

    /// What the flags say about settings.
    pub fn flags(&self) -> Flags {
        Flags {
            folder: self.globals.folder.clone(),
            config: self.globals.config.clone(),
            environment: self.globals.environment.clone(),
        }
    }

    /// Reads the configuration and the files. It stays until the process ends: taking ten thousand scripts apart again would
    /// be a tenth of a command's time.
    pub fn project(&self) -> Result<&'static Project, Failure> {
        let project: &Project = Box::leak(Box::new(Project::load(&self.flags())?));
        project.config.choose(&self.globals.stores)?;
        Ok(project)
    }

    /// The same, for commands that have nothing to do without a store.
    pub fn project_with_stores(&self) -> Result<&'static Project, Failure> {
        let project = self.project()?;
        if project.config.stores.is_empty() {
            let folder = project.config.shown(&project.config.migrations);
            return Err(Failure::usage("there is no store yet")
                .detail(format!("no folder in {folder}/ is named after a kind of store, and no store is configured"))
                .hint("`stepladder init` makes a first one"));
        }
        Ok(project)
    }

    /// Opens the chosen stores, asking for connections that are missing where somebody can be asked.
    pub fn fleet(&self, project: &Project) -> Result<Fleet, Failure> {
        project.open(&self.globals.stores, &|store| self.ask(store))
    }

    /// The same for commands that take something away: with the stores that stand on the chosen ones.
    pub fn fleet_for_down(&self, project: &Project) -> Result<Fleet, Failure> {
        let mut fleet = self.fleet(project)?;
        project.open_dependents(&mut fleet, &|store| self.ask(store))?;
        Ok(fleet)
    }

    /// Asks for the connection of a store.
    pub fn ask(&self, store: &StoreConfig) -> Result<Option<Secret>, Failure> {
        if self.globals.json || self.globals.yes { Ok(None) } else { ask::on_terminal(store) }
    }

    /// Says which optional stores a command that looks has left out.
    pub fn say_skipped(&self, fleet: &Fleet) {
        if let Some(line) = skipped_line(&fleet.skipped) {
            self.screen.say(&line);
        }
    }
}
