//! Packets and the values in them: lengths, numbers, texts. Pure but for the line itself.

use std::io::{self, Read, Write};

/// A packet longer than this is sent in pieces.
const PIECE: usize = 0xff_ffff;
/// No answer of ours is longer: a server that says so is none.
const LONGEST: usize = 256 << 20;

/// Sends a packet; `sequence` counts the pieces of an exchange.
///
/// # Errors
/// The line is broken.
pub fn send(line: &mut dyn Write, sequence: &mut u8, payload: &[u8]) -> io::Result<()> {
    let mut framed = Vec::with_capacity(payload.len() + 4);
    let mut rest = payload;
    loop {
        let (piece, more) = rest.split_at(rest.len().min(PIECE));
        framed.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(0).to_le_bytes()[..3]);
        framed.push(*sequence);
        framed.extend_from_slice(piece);
        *sequence = sequence.wrapping_add(1);
        rest = more;
        // A piece of the full length is followed by another one, be it empty.
        if piece.len() < PIECE {
            break;
        }
    }
    line.write_all(&framed)?;
    line.flush()
}

/// Reads a packet, its pieces put together.
///
/// # Errors
/// The line is broken; what answers does not speak this protocol.
pub fn receive(line: &mut dyn Read, sequence: &mut u8) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    loop {
        let mut head = [0u8; 4];
        line.read_exact(&mut head)?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize;
        if payload.len() + length > LONGEST {
            return Err(io::Error::other("what answers does not speak MySQL's protocol"));
        }
        *sequence = head[3].wrapping_add(1);
        let start = payload.len();
        payload.resize(start + length, 0);
        line.read_exact(&mut payload[start..])?;
        if length < PIECE {
            return Ok(payload);
        }
    }
}

/// Takes values off the front of a packet; none where it is too short.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, the lowest first.
    pub fn number(&mut self, length: usize) -> Option<u64> {
        Some(self.bytes(length)?.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// What comes before the next zero byte, or to the end where there is none.
    pub fn until_zero(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let taken = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        taken
    }

    /// A number that says its own length; the outer none is a packet too short, the inner one NULL.
    pub fn length(&mut self) -> Option<Option<u64>> {
        match self.number(1)? {
            0xfb => Some(None),
            0xfc => self.number(2).map(Some),
            0xfd => self.number(3).map(Some),
            0xfe => self.number(8).map(Some),
            small => Some(Some(small)),
        }
    }

    /// A value of a row: NULL, or a text of the length before it.
    pub fn value(&mut self) -> Option<Option<String>> {
        match self.length()? {
            None => Some(None),
            Some(length) => {
                let bytes = self.bytes(usize::try_from(length).ok()?)?;
                Some(Some(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_every_length_come_back() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1] {
            let (mut wire, payload) = (Vec::new(), vec![7u8; length]);
            let (mut sent, mut received) = (0, 0);
            send(&mut wire, &mut sent, &payload).unwrap();
            assert_eq!(receive(&mut wire.as_slice(), &mut received).unwrap(), payload);
            assert_eq!(sent, received);
        }
    }

    #[test]
    fn values_are_read_as_the_protocol_writes_them() {
        let mut reader = Reader(&[0xfb, 2, b'a', b'b', 0xfc, 1, 0, b'c', b'x', 0, b'y']);
        assert_eq!(reader.value(), Some(None));
        assert_eq!(reader.value(), Some(Some("ab".to_owned())));
        assert_eq!(reader.value(), Some(Some("c".to_owned())));
        assert_eq!((reader.until_zero(), reader.until_zero()), (&b"x"[..], &b"y"[..]));
        assert_eq!(reader.value(), None);
        assert_eq!(Reader(&[5, b'a']).value(), None, "a length that the packet does not have");
    }
}
