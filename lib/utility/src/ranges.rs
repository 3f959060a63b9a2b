//! Lists of positions, as `cut` takes them: `1,3-5,7-`.

use alloc::vec::Vec;

/// Positions from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(Vec<(usize, usize)>);

impl Ranges {
    /// Reads a list; none if it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let ranges = text.split([',', ' ']).map(|part| {
            let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
            let (first, last) = match part.split_once('-') {
                None => (number(part)?, number(part)?),
                Some(("", last)) => (1, number(last)?),
                Some((first, "")) => (number(first)?, usize::MAX),
                Some((first, last)) => (number(first)?, number(last)?),
            };
            (first <= last).then_some((first, last))
        });
        ranges.collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether a position is in the list.
    #[must_use]
    pub fn contains(&self, position: usize) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_lists() {
        let chosen = |text: &str| -> Vec<usize> {
            let ranges = Ranges::parse(text).expect("a list");
            (1..9).filter(|at| ranges.contains(*at)).collect()
        };
        assert_eq!(chosen("1,3-5"), [1, 3, 4, 5]);
        assert_eq!(chosen("-2,7-"), [1, 2, 7, 8]);
        assert_eq!(chosen("5,1"), [1, 5]);
    }

    #[test]
    fn no_lists() {
        for text in ["", "0", "3-1", "-", "a", "1,,2", "1-2-3", "-0"] {
            assert_eq!(Ranges::parse(text), None, "{text}");
        }
    }
}
