//! Settings: flag over environment over file over default, each value with its origin.

pub mod ask;
mod environment;
mod file;
mod keepers;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use environment::Environment;
pub use secret::{Secret, scrub};

use crate::domain::Failure;
use crate::stores::{KINDS, Kind, Settings};

/// The configuration file's name.
pub const FILE_NAME: &str = "stepladder.toml";

/// How long a lease lasts without renewal, unless a section says otherwise.
pub const LEASE: Duration = Duration::from_secs(15);

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable, or a line of `.env`.
    Variable(String),
    /// A key of the configuration file.
    File(String),
    /// An answer given on the terminal.
    Answer,
    /// Nothing said otherwise.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "the flag {name}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::File(key) => write!(f, "{key} in {FILE_NAME}"),
            Self::Answer => f.write_str("the answers given"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// What the command line says about settings.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `-C`: the folder to work in.
    pub folder: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `-e`.
    pub environment: Option<String>,
}

/// One store as configured.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: &'static Kind,
    /// Where its migrations are.
    pub folder: PathBuf,
    /// Where its seed scripts are.
    pub seeds: PathBuf,
    /// Its connection, with where it comes from.
    pub url: Option<(Secret, Origin)>,
    /// Whether a run may leave it out when it has no connection.
    pub optional: bool,
    /// Its client, when named.
    pub client: Option<String>,
    /// How long its scripts may run.
    pub timeout: Option<Duration>,
    /// How long its lease lasts.
    pub lease: Duration,
    /// The other store that keeps its ledger and lease, where one does.
    pub keeper: Option<String>,
    /// Its further keys.
    pub options: BTreeMap<String, String>,
}

/// Everything that the files, the environment and the flags say.
#[derive(Clone, Debug)]
pub struct Config {
    /// The project's folder; relative paths are relative to it.
    pub root: PathBuf,
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// The environment's name, if one is chosen.
    pub environment: Option<String>,
    /// Whether the environment is protected from `fresh`.
    pub protected: bool,
    /// The folder with a folder per store.
    pub migrations: PathBuf,
    /// The folder with a folder of seed scripts per store.
    pub seeds: PathBuf,
    /// Whether a missing down script is a problem.
    pub require_down: bool,
    /// The stores, by name.
    pub stores: BTreeMap<String, StoreConfig>,
    /// Folders that look like a store's and are none.
    pub strays: Vec<PathBuf>,
    /// Variables for what asks for them later.
    pub variables: Environment,
}

impl Config {
    /// Reads the configuration that `flags` lead to.
    ///
    /// # Errors
    /// A file that cannot be read or understood, an unknown key or kind, an unset variable: each named.
    pub fn load(flags: &Flags) -> Result<Self, Failure> {
        let (root, path) = locate(flags)?;
        let variables = Environment::load(&root)?;
        let environment = flags.environment.clone().or_else(|| variables.get("STEPLADDER_ENV").map(str::to_owned));
        let said = match &path {
            Some(path) => file::read(path, environment.as_deref(), &variables)?,
            None => file::Said::default(),
        };
        let mut config = Self {
            migrations: root.join(said.migrations.as_deref().unwrap_or("migrations")),
            seeds: root.join(said.seeds.as_deref().unwrap_or("seeds")),
            require_down: said.require_down.unwrap_or(true),
            protected: said.protected,
            file: path,
            root,
            environment,
            stores: BTreeMap::new(),
            strays: Vec::new(),
            variables,
        };
        for (name, section) in said.stores {
            let store = config.store(&name, section)?;
            config.stores.insert(name, store);
        }
        config.add_folders()?;
        keepers::check(&config)?;
        Ok(config)
    }

    fn store(&self, name: &str, said: file::Section) -> Result<StoreConfig, Failure> {
        let kind_name = said.kind.as_deref().unwrap_or(name);
        let kind = crate::stores::kind(kind_name).ok_or_else(|| unknown_kind(name, kind_name))?;
        for key in said.options.keys() {
            if !kind.card.options.iter().any(|(known, _)| known == key) {
                return Err(file::unknown_key(&format!("stores.{name}"), key, kind));
            }
        }
        let keeper = crate::stores::keeper(kind, &said.options).map(str::to_owned);
        if keeper.is_some() && said.lease.is_some() {
            return Err(keepers::no_lease(name));
        }
        Ok(StoreConfig {
            folder: said.folder.map_or_else(|| self.migrations.join(name), |f| self.root.join(f)),
            seeds: said.seeds.map_or_else(|| self.seeds.join(name), |f| self.root.join(f)),
            // A default is no connection for a store that may be left out: whoever wants it says so.
            url: self
                .url(name, kind, said.url)
                .filter(|(_, from)| !said.optional.unwrap_or(false) || *from != Origin::Default || keeper.is_some()),
            name: name.to_owned(),
            kind,
            optional: said.optional.unwrap_or(false),
            client: said.client,
            timeout: said.timeout,
            lease: said.lease.unwrap_or(LEASE),
            keeper,
            options: said.options,
        })
    }

    /// Environment over file over default. The kind's usual variables are about the store that is named after the
    /// kind; any store has `STEPLADDER_<NAME>_URL`.
    fn url(&self, name: &str, kind: &Kind, said: Option<String>) -> Option<(Secret, Origin)> {
        let from = |variable: &str| {
            let value = self.variables.get(variable)?;
            Some((Secret::new(value), Origin::Variable(variable.to_owned())))
        };
        let named_after_kind = kind.card.name == name || kind.card.aliases.contains(&name);
        let usual = kind.card.variables.iter().filter(|_| named_after_kind).find_map(|v| from(v));
        let ambient = || {
            let set = kind.card.ambient.iter().find(|v| self.variables.get(v).is_some())?;
            let scheme = kind.card.schemes.first()?;
            named_after_kind.then(|| (Secret::new(format!("{scheme}://")), Origin::Variable((*set).to_owned())))
        };
        from(&own_variable(name))
            .or(usual)
            .or_else(|| said.map(|url| (Secret::new(url), Origin::File(format!("stores.{name}.url")))))
            .or_else(ambient)
            .or_else(|| kind.card.default_url.map(|url| (Secret::new(url), Origin::Default)))
    }

    /// A folder that is named after a kind is a store of that kind, without any configuration.
    fn add_folders(&mut self) -> Result<(), Failure> {
        let Ok(entries) = std::fs::read_dir(&self.migrations) else { return Ok(()) };
        let used: Vec<PathBuf> = self.stores.values().map(|s| s.folder.clone()).collect();
        let mut folders: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
        folders.sort();
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !folder.is_dir() || name.starts_with('.') || used.contains(&folder) || self.stores.contains_key(&name) {
                continue;
            }
            if crate::stores::kind(&name).is_some() {
                let store = self.store(&name, file::Section::default())?;
                self.stores.insert(name, store);
            } else {
                self.strays.push(folder);
            }
        }
        Ok(())
    }

    /// The stores that `names` choose; all of them when it is empty.
    ///
    /// # Errors
    /// A name that no store has.
    pub fn choose(&self, names: &[String]) -> Result<Vec<&StoreConfig>, Failure> {
        if names.is_empty() {
            return Ok(self.stores.values().collect());
        }
        names.iter().map(|name| self.named(name)).collect()
    }

    /// The store with this name.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub fn named(&self, name: &str) -> Result<&StoreConfig, Failure> {
        self.stores.get(name).ok_or_else(|| {
            let known: Vec<String> = self.stores.keys().map(|k| format!("`{k}`")).collect();
            let failure = Failure::usage(format!("there is no store `{name}`"));
            match known.is_empty() {
                true => failure.hint("`stepladder init` makes a first one"),
                false => failure.hint(format!("the stores are {}", crate::domain::plan::list(&known))),
            }
        })
    }

    /// Whether another store's ledger is kept in this one.
    pub fn is_host(&self, name: &str) -> bool {
        self.stores.values().any(|store| store.keeper.as_deref() == Some(name))
    }

    /// A path as shown to a person: relative to the project where it lies inside.
    pub fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}

impl StoreConfig {
    /// What a store of this section is opened with.
    pub fn settings(&self, config: &Config, url: Secret) -> Settings {
        Settings {
            name: self.name.clone(),
            url,
            client: self.client.clone(),
            timeout: self.timeout,
            lease: self.lease,
            root: config.root.clone(),
            options: self.options.clone(),
            variables: config.variables.clone(),
        }
    }

    /// What to say when there is no connection and nobody can be asked.
    pub fn no_connection(&self) -> Failure {
        Failure::usage(format!("{} has no connection", self.name)).hint(format!(
            "set {}, or `url` under [stores.{}] in {FILE_NAME}, for example {}",
            self.variable(),
            self.name,
            self.kind.card.example_url
        ))
    }

    /// The variable that a hint proposes.
    pub fn variable(&self) -> String {
        let card = &self.kind.card;
        let usual = card.variables.first().filter(|_| card.name == self.name || card.aliases.contains(&&*self.name));
        usual.map_or_else(|| own_variable(&self.name), |v| (*v).to_owned())
    }
}

/// `STEPLADDER_ORDERS_DB_URL` for `orders-db`.
fn own_variable(name: &str) -> String {
    let upper: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("STEPLADDER_{upper}_URL")
}

fn unknown_kind(store: &str, kind: &str) -> Failure {
    let known: Vec<&str> = KINDS.iter().map(|k| k.card.name).collect();
    let mut failure = Failure::usage(format!("store `{store}` has the unknown kind `{kind}`"));
    if let Some(meant) = crate::domain::directive::closest(kind, known.iter().copied()) {
        failure = failure.hint(format!("did you mean `{meant}`?"));
    }
    failure.hint(format!("set `kind` under [stores.{store}] to one of {}", known.join(", ")))
}

/// The project's folder and its configuration file: as flagged, or the nearest one upwards, or none.
fn locate(flags: &Flags) -> Result<(PathBuf, Option<PathBuf>), Failure> {
    let here =
        std::env::current_dir().map_err(|e| Failure::usage(format!("the current folder cannot be used: {e}")))?;
    let start = flags.folder.as_ref().map_or_else(|| here.clone(), |f| here.join(f));
    if !start.is_dir() {
        return Err(Failure::usage(format!("{} is not a folder", start.display())));
    }
    if let Some(named) = &flags.config {
        let path = start.join(named);
        if !path.is_file() {
            return Err(Failure::usage(format!("there is no configuration file {}", named.display())));
        }
        let root = path.parent().map_or_else(|| start.clone(), Path::to_owned);
        return Ok((root, Some(path)));
    }
    if flags.folder.is_none() {
        for folder in start.ancestors() {
            let path = folder.join(FILE_NAME);
            if path.is_file() {
                return Ok((folder.to_owned(), Some(path)));
            }
        }
    }
    let path = start.join(FILE_NAME);
    let file = path.is_file().then_some(path);
    Ok((start, file))
}
