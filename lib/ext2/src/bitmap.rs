//! Bits of an allocation bitmap: bit n is bit n % 8 of byte n / 8.

/// Whether `bit` is set; bits beyond the bitmap count as set.
pub(crate) fn is_set(map: &[u8], bit: u32) -> bool {
    map.get(bit as usize / 8)
        .is_none_or(|byte| byte & (1 << (bit % 8)) != 0)
}

/// Sets or clears `count` bits from `first`, which lie inside the bitmap.
pub(crate) fn fill(map: &mut [u8], first: u32, count: u32, value: bool) {
    for bit in first..first + count {
        let mask = 1 << (bit % 8);
        match value {
            true => map[bit as usize / 8] |= mask,
            false => map[bit as usize / 8] &= !mask,
        }
    }
}

/// The first clear bit in `from..end`.
pub(crate) fn first_clear(map: &[u8], from: u32, end: u32) -> Option<u32> {
    let mut bit = from;
    while bit < end {
        if bit.is_multiple_of(64)
            && let Some(word) = word_at(map, bit)
        {
            let clear = word.trailing_ones();
            if clear == 64 {
                bit += 64;
                continue;
            }
            bit += clear;
            return (bit < end).then_some(bit);
        }
        if !is_set(map, bit) {
            return Some(bit);
        }
        bit += 1;
    }
    None
}

/// The first whole clear byte whose bits all lie in `from..end`, as a bit.
pub(crate) fn first_clear_byte(map: &[u8], from: u32, end: u32) -> Option<u32> {
    let first = from.div_ceil(8) as usize;
    let last = (end / 8) as usize;
    let bytes = map.get(first..last)?;
    bytes
        .iter()
        .position(|byte| *byte == 0)
        .map(|index| (first + index) as u32 * 8)
}

/// How many bits from `from` on are clear, up to `end` and at most `limit`.
pub(crate) fn clear_run(map: &[u8], from: u32, end: u32, limit: u32) -> u32 {
    let end = end.min(from.saturating_add(limit));
    (from..end).take_while(|bit| !is_set(map, *bit)).count() as u32
}

fn word_at(map: &[u8], bit: u32) -> Option<u64> {
    let start = bit as usize / 8;
    let bytes: [u8; 8] = map.get(start..start + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_clear_skips_full_words_and_respects_the_end() {
        let mut map = [0xFFu8; 32];
        assert_eq!(first_clear(&map, 0, 256), None);
        map[17] = 0b1110_1111;
        assert_eq!(first_clear(&map, 0, 256), Some(17 * 8 + 4));
        assert_eq!(first_clear(&map, 17 * 8 + 4, 256), Some(17 * 8 + 4));
        assert_eq!(first_clear(&map, 17 * 8 + 5, 256), None);
        assert_eq!(first_clear(&map, 0, 17 * 8 + 4), None);
    }

    #[test]
    fn runs_and_bytes() {
        let mut map = [0xFFu8; 8];
        fill(&mut map, 10, 14, false);
        assert_eq!(clear_run(&map, 10, 64, 100), 14);
        assert_eq!(clear_run(&map, 10, 64, 5), 5);
        assert_eq!(clear_run(&map, 10, 12, 100), 2);
        assert_eq!(first_clear_byte(&map, 0, 64), Some(16));
        assert_eq!(first_clear_byte(&map, 0, 20), None);
        fill(&mut map, 10, 14, true);
        assert_eq!(map, [0xFF; 8]);
        assert!(is_set(&map, 64));
    }
}
