//! The protocol's words: commands as they are sent, and values as they come back.

use redis::Value;

/// A command as the protocol has it.
pub fn pack<W: AsRef<[u8]>>(words: &[W], into: &mut Vec<u8>) {
    into.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    words.iter().for_each(|word| put(word.as_ref(), into));
}

fn put(word: &[u8], into: &mut Vec<u8>) {
    into.push(b'$');
    into.extend_from_slice(word.len().to_string().as_bytes());
    into.extend_from_slice(b"\r\n");
    into.extend_from_slice(word);
    into.extend_from_slice(b"\r\n");
}

/// The words of a command, packed while they are gathered.
#[derive(Default)]
pub struct Words {
    packed: Vec<u8>,
    count: usize,
}

impl Words {
    /// One more.
    pub fn add(&mut self, word: impl AsRef<[u8]>) {
        put(word.as_ref(), &mut self.packed);
        self.count += 1;
    }

    /// The command that begins with these.
    pub fn after<W: AsRef<[u8]>>(self, first: &[W]) -> Vec<u8> {
        let mut into = format!("*{}\r\n", first.len() + self.count).into_bytes();
        into.reserve(self.packed.len() + 8_192);
        first.iter().for_each(|word| put(word.as_ref(), &mut into));
        into.extend(self.packed);
        into
    }
}

/// A command for a node that a slot is on its way to.
pub fn asking(command: &[u8]) -> Vec<u8> {
    [b"*1\r\n$6\r\nASKING\r\n", command].concat()
}

/// The text of a value.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Okay => Some("OK".to_owned()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The items of a value that has some.
pub fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) | Value::Set(items) => items,
        _ => &[],
    }
}

/// What names and values stand in turn in a value, by name.
pub fn pairs(value: &Value) -> std::collections::BTreeMap<String, String> {
    items(value).chunks_exact(2).filter_map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_packed_as_the_protocol_has_it() {
        let mut packed = Vec::new();
        pack(&["SET", "ä", ""], &mut packed);
        assert_eq!(packed, "*3\r\n$3\r\nSET\r\n$2\r\nä\r\n$0\r\n\r\n".as_bytes());
    }
}
