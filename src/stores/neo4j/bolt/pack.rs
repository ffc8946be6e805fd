//! PackStream, Bolt's encoding: as much of it as ledger and lease need.
//!
//! Source: the PackStream specification in Neo4j's Bolt manual.

use std::collections::BTreeMap;

/// A value as the server sends or takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Map(BTreeMap<String, Value>),
    /// A message, or a node, a date and the like: its tag and its fields.
    Struct(u8, Vec<Value>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A map.
    pub fn map<const N: usize>(pairs: [(&str, Self); N]) -> Self {
        Self::Map(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is a whole one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The values, if it is a list.
    pub fn as_list(&self) -> &[Self] {
        match self {
            Self::List(values) => values,
            _ => &[],
        }
    }

    /// A value of a map.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(name),
            _ => None,
        }
    }

    /// Appends it to a message.
    pub fn pack(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0xC0),
            Self::Bool(value) => out.push(if *value { 0xC3 } else { 0xC2 }),
            Self::Int(number) => pack_int(*number, out),
            Self::Float(number) => {
                out.push(0xC1);
                out.extend_from_slice(&number.to_be_bytes());
            }
            Self::Bytes(bytes) => {
                head(bytes.len(), None, [0xCC, 0xCD, 0xCE], out);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(text.len(), Some(0x80), [0xD0, 0xD1, 0xD2], out);
                out.extend_from_slice(text.as_bytes());
            }
            Self::List(values) => {
                head(values.len(), Some(0x90), [0xD4, 0xD5, 0xD6], out);
                values.iter().for_each(|value| value.pack(out));
            }
            Self::Map(map) => {
                head(map.len(), Some(0xA0), [0xD8, 0xD9, 0xDA], out);
                for (name, value) in map {
                    Self::text(name).pack(out);
                    value.pack(out);
                }
            }
            Self::Struct(tag, fields) => {
                out.push(0xB0 | u8::try_from(fields.len() & 0x0F).unwrap_or(0));
                out.push(*tag);
                fields.iter().for_each(|field| field.pack(out));
            }
        }
    }

    /// Reads a whole message; none when it is cut short or no PackStream.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes };
        let value = reader.value(0)?;
        reader.bytes.is_empty().then_some(value)
    }
}

fn pack_int(number: i64, out: &mut Vec<u8>) {
    if let Ok(small) = i8::try_from(number) {
        if small < -16 {
            out.push(0xC8);
        }
        out.extend_from_slice(&small.to_be_bytes());
    } else if let Ok(number) = i16::try_from(number) {
        out.push(0xC9);
        out.extend_from_slice(&number.to_be_bytes());
    } else if let Ok(number) = i32::try_from(number) {
        out.push(0xCA);
        out.extend_from_slice(&number.to_be_bytes());
    } else {
        out.push(0xCB);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// A size: in the marker where it fits, else in one, two or four bytes.
fn head(size: usize, tiny: Option<u8>, markers: [u8; 3], out: &mut Vec<u8>) {
    match (u8::try_from(size), u16::try_from(size), tiny) {
        (Ok(small), _, Some(tiny)) if small < 16 => out.push(tiny | small),
        (Ok(small), ..) => out.extend_from_slice(&[markers[0], small]),
        (_, Ok(middle), _) => {
            out.push(markers[1]);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(markers[2]);
            out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
}

/// The deepest nesting that is read: nothing that we ask for comes near it.
const DEPTH: u8 = 64;

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (now, later) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = later;
        Some(*now)
    }

    fn many(&mut self, size: usize) -> Option<Vec<u8>> {
        let (now, later) = self.bytes.split_at_checked(size)?;
        self.bytes = later;
        Some(now.to_vec())
    }

    fn size(&mut self, width: u8) -> Option<usize> {
        match width {
            0 => self.take::<1>().map(|b| usize::from(b[0])),
            1 => self.take().map(|b| usize::from(u16::from_be_bytes(b))),
            _ => self.take().and_then(|b| usize::try_from(u32::from_be_bytes(b)).ok()),
        }
    }

    fn text(&mut self, size: usize) -> Option<Value> {
        String::from_utf8(self.many(size)?).ok().map(Value::Text)
    }

    fn list(&mut self, size: usize, depth: u8) -> Option<Value> {
        (0..size).map(|_| self.value(depth)).collect::<Option<Vec<_>>>().map(Value::List)
    }

    fn map(&mut self, size: usize, depth: u8) -> Option<Value> {
        let pair = |_| match (self.value(depth)?, self.value(depth)?) {
            (Value::Text(name), value) => Some((name, value)),
            _ => None,
        };
        (0..size).map(pair).collect::<Option<BTreeMap<_, _>>>().map(Value::Map)
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        if depth > DEPTH {
            return None;
        }
        let deeper = depth + 1;
        let [marker] = self.take()?;
        let tiny = usize::from(marker & 0x0F);
        Some(match marker {
            0x00..=0x7F | 0xF0..=0xFF => Value::Int(i64::from(i8::from_be_bytes([marker]))),
            0x80..=0x8F => self.text(tiny)?,
            0x90..=0x9F => self.list(tiny, deeper)?,
            0xA0..=0xAF => self.map(tiny, deeper)?,
            0xB0..=0xBF => {
                let [tag] = self.take()?;
                let fields = (0..tiny).map(|_| self.value(deeper)).collect::<Option<Vec<_>>>()?;
                Value::Struct(tag, fields)
            }
            0xC0 => Value::Null,
            0xC1 => Value::Float(f64::from_be_bytes(self.take()?)),
            0xC2 => Value::Bool(false),
            0xC3 => Value::Bool(true),
            0xC8 => Value::Int(i64::from(i8::from_be_bytes(self.take()?))),
            0xC9 => Value::Int(i64::from(i16::from_be_bytes(self.take()?))),
            0xCA => Value::Int(i64::from(i32::from_be_bytes(self.take()?))),
            0xCB => Value::Int(i64::from_be_bytes(self.take()?)),
            0xCC..=0xCE => {
                let size = self.size(marker - 0xCC)?;
                Value::Bytes(self.many(size)?)
            }
            0xD0..=0xD2 => {
                let size = self.size(marker - 0xD0)?;
                self.text(size)?
            }
            0xD4..=0xD6 => {
                let size = self.size(marker - 0xD4)?;
                self.list(size, deeper)?
            }
            0xD8..=0xDA => {
                let size = self.size(marker - 0xD8)?;
                self.map(size, deeper)?
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let numbers = [0, 1, -1, -16, -17, 127, 128, -128, -129, 32_767, 40_000, -40_000, i64::MAX, i64::MIN];
        let long = "é".repeat(40_000);
        let values = numbers.into_iter().map(Value::Int).chain([
            Value::Null,
            Value::Bool(true),
            Value::Float(1.5),
            Value::Bytes(vec![1, 2]),
            Value::text(""),
            Value::text("a".repeat(16)),
            Value::text(long),
            Value::List(vec![Value::Null; 300]),
            Value::map([("a", Value::Int(1)), ("b", Value::List(vec![]))]),
            Value::Struct(0x10, vec![Value::text("RETURN 1"), Value::map([])]),
        ]);
        for value in values {
            let mut bytes = Vec::new();
            value.pack(&mut bytes);
            assert_eq!(Value::unpack(&bytes).as_ref(), Some(&value));
            // Cut short, it is nothing.
            assert_eq!(Value::unpack(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for marker in 0..=255u8 {
            let _ = Value::unpack(&[marker, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
        }
        assert_eq!(Value::unpack(&[0x91; 100_000]), None);
    }
}
