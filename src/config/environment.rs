//! The environment's variables and those of `.env`, as one lookup.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::Failure;

/// Variables by name. The process's own win over those of `.env`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The process's environment with `.env` of `folder` beneath it.
    ///
    /// # Errors
    /// A `.env` that cannot be read or understood.
    pub fn load(folder: &Path) -> Result<Self, Failure> {
        let mut variables = BTreeMap::new();
        let path = folder.join(".env");
        if path.is_file() {
            let wrong = |e: dotenvy::Error| {
                // The library's message quotes the line, which may hold a password.
                let what = match e {
                    dotenvy::Error::LineParse(_, at) => format!("a line cannot be understood near its character {at}"),
                    other => other.to_string(),
                };
                Failure::usage(format!("{}: {what}", path.display()))
                    .hint("expected lines of the form NAME=value, or NAME='a value with blanks'")
            };
            for pair in dotenvy::from_path_iter(&path).map_err(wrong)? {
                let (name, value) = pair.map_err(wrong)?;
                variables.insert(name, value);
            }
        }
        variables.extend(std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?))));
        Ok(Self { variables })
    }

    /// An environment of just these variables.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self { variables: pairs.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect() }
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Replaces each `${NAME}` by its variable; `$$` stands for a dollar sign.
    ///
    /// # Errors
    /// The name of the first variable that is not set, or `None` for a `${` without its `}`.
    pub fn expand(&self, text: &str) -> Result<String, Option<String>> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let tail = &rest[at + 1..];
            if let Some(name) = tail.strip_prefix('{') {
                let end = name.find('}').ok_or(None)?;
                let variable = &name[..end];
                out.push_str(self.variables.get(variable).ok_or_else(|| Some(variable.to_owned()))?);
                rest = &name[end + 1..];
            } else {
                out.push('$');
                rest = tail.strip_prefix('$').unwrap_or(tail);
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_and_missing_ones_named() {
        let env = Environment::of([("A", "x"), ("B", "")]);
        assert_eq!(env.expand("${A}-$$-$1-${B}").as_deref(), Ok("x-$-$1-"));
        assert_eq!(env.expand("${C}"), Err(Some("C".to_owned())));
        assert_eq!(env.expand("${A"), Err(None));
        assert_eq!(env.get("B"), None);
    }
}
