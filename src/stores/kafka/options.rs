//! The options of Kafka's tools: `--name value` and `--name=value`, as their parser takes them.

/// Options of one command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    values: Vec<(String, String)>,
    flags: Vec<String>,
}

/// Every option that takes no value, over the tools that are read here.
const FLAGS: &[&str] = &[
    "create",
    "alter",
    "delete",
    "describe",
    "list",
    "if-exists",
    "if-not-exists",
    "force",
    "add",
    "remove",
    "all",
    "producer",
    "consumer",
    "idempotent",
    "cluster",
    "from-beginning",
    "sync",
    "exclude-internal",
    "entity-default",
    "skip-message-on-error",
    "under-replicated-partitions",
    "topics-with-overrides",
    "help",
    "version",
];

impl Options {
    /// Reads the words behind the program.
    ///
    /// # Errors
    /// A word that is no option; an option without its value.
    pub fn read(words: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--").filter(|n| !n.is_empty()) else {
                return Err(format!("`{word}` is not an option"));
            };
            if let Some((name, value)) = name.split_once('=') {
                options.values.push((name.to_owned(), value.to_owned()));
            } else if FLAGS.contains(&name) {
                options.flags.push(name.to_owned());
            } else {
                let value = words.next().ok_or_else(|| format!("Option {name} requires an argument"))?;
                options.values.push((name.to_owned(), value.clone()));
            }
        }
        Ok(options)
    }

    /// Whether a flag is there.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|f| f == flag)
    }

    /// The last value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// All values of an option.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.values.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
    }

    /// A number.
    ///
    /// # Errors
    /// What is no number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        let parse = |v: &str| v.parse().map_err(|_| format!("Cannot parse argument '{v}' of option {name}"));
        self.get(name).map(parse).transpose()
    }

    /// The first option that is not among these.
    pub fn stranger(&self, known: &[&str]) -> Option<&str> {
        let all = self.values.iter().map(|(n, _)| n).chain(&self.flags);
        all.map(String::as_str).find(|n| !known.contains(n))
    }
}

/// `a=b,c=[d,e]` as `kafka-configs --add-config` takes it.
///
/// # Errors
/// A part without `=`.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let (mut found, mut depth, mut start) = (Vec::new(), 0usize, 0);
    let ends: Vec<usize> = text
        .char_indices()
        .filter_map(|(at, c)| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => return Some(at),
                _ => {}
            }
            None
        })
        .chain([text.len()])
        .collect();
    for end in ends {
        let part = text[start..end].trim();
        start = end + 1;
        if part.is_empty() {
            continue;
        }
        let wrong =
            || format!("Invalid entity config: all configs to be added must be in the format \"key=val\": {part}");
        let (name, value) = part.split_once('=').ok_or_else(wrong)?;
        let value = value.trim();
        let value = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
        found.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_the_tools_read_them() {
        let words: Vec<String> = ["--create", "--topic=a", "--config", "x=1", "--config", "y=2", "--partitions", "3"]
            .map(String::from)
            .into();
        let options = Options::read(&words).unwrap();
        assert!(options.has("create") && !options.has("delete"));
        assert_eq!((options.get("topic"), options.number("partitions")), (Some("a"), Ok(Some(3))));
        assert_eq!(options.all("config"), ["x=1", "y=2"]);
        assert_eq!(options.stranger(&["create", "topic", "config"]), Some("partitions"));
        assert!(Options::read(&["x".to_owned()]).is_err());
        assert!(Options::read(&["--topic".to_owned()]).is_err());
    }

    #[test]
    fn brackets_hold_lists() {
        let found = pairs("retention.ms=5, cleanup.policy=[compact,delete],x=").unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(found, [("retention.ms", "5"), ("cleanup.policy", "compact,delete"), ("x", "")]);
        assert!(pairs("a").is_err());
    }
}
