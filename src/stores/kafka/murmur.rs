//! The hash by which Kafka's producers choose a key's partition: MurmurHash2 with their seed. Another one would send equal
//! keys to different partitions than everybody else does.

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;

/// The partition of a key among so many.
pub fn partition(key: &[u8], partitions: usize) -> usize {
    (hash(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

fn hash(bytes: &[u8]) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "the algorithm takes the length's low 32 bits")]
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (byte, shift) in tail.iter().zip([0, 8, 16]) {
            hash ^= u32::from(*byte) << shift;
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the tests of Kafka's own clients.
    #[test]
    fn keys_go_where_kafkas_own_producer_sends_them() {
        for (text, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(hash(text.as_bytes()).cast_signed(), expected, "{text}");
        }
    }
}
