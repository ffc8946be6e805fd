//! The leading comment block of a script, in the file's own comment syntax.

/// How a language writes comments.
#[derive(Clone, Copy, Debug)]
pub struct CommentStyle {
    /// What starts a comment that ends with its line.
    pub line: &'static [&'static str],
    /// What opens and closes a comment over several lines.
    pub block: Option<(&'static str, &'static str)>,
}

const SQL: CommentStyle = CommentStyle { line: &["--"], block: Some(("/*", "*/")) };
const SLASHES: CommentStyle = CommentStyle { line: &["//"], block: Some(("/*", "*/")) };
const HASH: CommentStyle = CommentStyle { line: &["#"], block: None };
const HTTP: CommentStyle = CommentStyle { line: &["#", "//"], block: None };
const LUA: CommentStyle = CommentStyle { line: &["--"], block: None };

/// The comment syntax of scripts with this extension.
pub fn style_of(extension: &str) -> CommentStyle {
    match extension {
        "sql" | "influxql" => SQL,
        "js" | "cypher" | "cql" | "flux" | "json" => SLASHES,
        "lua" => LUA,
        "http" => HTTP,
        _ => HASH,
    }
}

/// The comment lines before the first line that is neither blank nor a comment: line number (1-based) and the
/// text without its markers. A `#!` line counts as a comment, so a shell script may have directives below it.
pub fn leading(text: &str, style: CommentStyle) -> Vec<(usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut comments = Vec::new();
    let mut in_block = false;
    for (index, raw) in lines(text).enumerate() {
        let mut line = raw.trim();
        if !in_block {
            if line.is_empty() {
                continue;
            }
            if let Some(marker) = style.line.iter().find(|m| line.starts_with(**m)) {
                comments.push((index + 1, line[marker.len()..].trim().to_owned()));
                continue;
            }
            match style.block {
                Some((open, _)) if line.starts_with(open) => {
                    in_block = true;
                    line = &line[open.len()..];
                }
                _ if index == 0 && line.starts_with("#!") => continue,
                _ => break,
            }
        }
        let close = style.block.map_or("", |(_, close)| close);
        let (inside, rest) = match line.split_once(close) {
            Some((inside, rest)) => (inside, Some(rest)),
            None => (line, None),
        };
        comments.push((index + 1, inside.trim().trim_start_matches('*').trim().to_owned()));
        if let Some(rest) = rest {
            in_block = false;
            if !rest.trim().is_empty() {
                break;
            }
        }
    }
    comments
}

/// Lines ended by LF, CRLF or a lone CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(at) = text.find(['\n', '\r']) else {
            rest = None;
            return Some(text);
        };
        let after = if text[at..].starts_with("\r\n") { at + 2 } else { at + 1 };
        rest = Some(&text[after..]);
        Some(&text[..at])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, extension: &str) -> Vec<(usize, String)> {
        leading(text, style_of(extension))
    }

    #[test]
    fn the_block_ends_at_the_first_line_of_code() {
        let found = texts("-- a\n\n/* b\n * c\n*/\n-- d\nselect 1; -- e\n-- f\n", "sql");
        let expected = [(1, "a"), (3, "b"), (4, "c"), (5, ""), (6, "d")];
        assert_eq!(found, expected.map(|(n, t)| (n, t.to_owned())));
    }

    #[test]
    fn each_language_has_its_own_markers() {
        assert_eq!(texts("#!/bin/sh\n# x\necho", "sh"), vec![(1, "!/bin/sh".to_owned()), (2, "x".to_owned())]);
        assert_eq!(texts("// x\rMATCH (n)", "cypher"), vec![(1, "x".to_owned())]);
        assert!(texts("# not sql\n-- x", "sql").is_empty());
        assert!(texts("", "sql").is_empty());
    }

    #[test]
    fn a_block_comment_with_code_behind_it_ends_the_block() {
        assert_eq!(texts("/* a */ select 1;\n-- b", "sql"), vec![(1, "a".to_owned())]);
    }
}
