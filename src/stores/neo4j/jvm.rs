//! What we tell the JVM that cypher-shell runs in.

use std::path::Path;

/// What every `java` reads, whichever program of the distribution starts it, and once more in a second one that it starts.
pub const VARIABLE: &str = "JDK_JAVA_OPTIONS";
/// What it says to that on its standard error.
const ECHO: &str = "NOTE: Picked up JDK_JAVA_OPTIONS";
/// A shell lives for seconds: compiling its code thoroughly takes a third of them and is never earned back.
const QUICK: &str = "-XX:TieredStopAtLevel=1";

/// Options around the user's own ones, with a key store of certificates to trust. Of two that contradict each other the later one
/// counts, and those of `JAVA_OPTS` come later still.
pub fn options(own: Option<&str>, store: Option<&Path>) -> String {
    let mut options = QUICK.to_owned();
    if let Some(own) = own.filter(|own| !own.trim().is_empty()) {
        options = format!("{options} {own}");
    }
    let Some(store) = store else { return options };
    let path = store.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!("{options} \"-Djavax.net.ssl.trustStore={path}\" -Djavax.net.ssl.trustStoreType=JKS")
}

/// What a JVM says of its options is no word of the shell's.
pub fn without_echo(stderr: &str) -> String {
    stderr.lines().filter(|line| !line.starts_with(ECHO)).fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_options_stay() {
        assert_eq!(options(None, None), "-XX:TieredStopAtLevel=1");
        assert_eq!(
            options(Some("-Xmx1g"), Some(Path::new("/a b/x.jks"))),
            "-XX:TieredStopAtLevel=1 -Xmx1g \"-Djavax.net.ssl.trustStore=/a b/x.jks\" -Djavax.net.ssl.trustStoreType=JKS"
        );
    }
}
