//! Counts with a suffix, as `head -c 1k` and `split` have them.

/// A number with one of the suffixes `b` (512), `k`, `K`, `M`, `G`, `T` (powers of
/// 1024) and `kB`, `MB`, `GB` (powers of 1000). None if it is no such number, or
/// does not fit.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let end = text.find(|character: char| !character.is_ascii_digit());
    let (digits, suffix) = text.split_at(end.unwrap_or(text.len()));
    let factor: u64 = match suffix {
        "" => 1,
        "b" => 512,
        "k" | "K" | "KiB" => 1 << 10,
        "M" | "m" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn suffixes() {
        assert_eq!(parse("12"), Some(12));
        assert_eq!(parse("1k"), Some(1024));
        assert_eq!(parse("2MB"), Some(2_000_000));
        assert_eq!(parse("1b"), Some(512));
        for wrong in ["", "k", "-1", "1x", "99999999999T"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
