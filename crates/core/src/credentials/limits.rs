//! What a key is limited to, beside its account.

use crate::rates::Rates;
use crate::uses::Uses;

/// Limits of a key. They hold for its line together: the key, and those that rotations put in its
/// place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Requests in windows of time.
    pub rates: Rates,
    /// Uses that it was given; none where they are not counted.
    pub uses: Option<Uses>,
}

impl KeyLimits {
    /// True where it is not limited.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.rates.is_empty() && self.uses.is_none()
    }

    /// True where these let something through that `before` did not: a rate that is gone or wider, or
    /// uses that were not there, or were given anew.
    #[must_use]
    pub fn give_more_than(&self, before: &Self) -> bool {
        let uses = match (&before.uses, &self.uses) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(before), Some(after)) => before != after,
        };
        uses || !self.rates.are_within(&before.rates)
    }

    /// The stored text; none for no limits.
    #[must_use]
    pub fn to_stored(&self) -> Option<String> {
        let uses = self.uses.map(|uses| uses.to_stored());
        let words: Vec<String> = self.rates.to_stored().into_iter().chain(uses).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Reads a stored text.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        let (rates, uses) = match text.rsplit_once(' ') {
            Some((rates, uses)) if uses.starts_with("uses:") => (Some(rates), Some(uses)),
            None if text.starts_with("uses:") => (None, Some(text)),
            _ => (Some(text), None),
        };
        let rates = rates.map_or(Some(Rates::default()), Rates::from_stored)?;
        let uses = match uses {
            Some(word) => Some(Uses::from_stored(word)?),
            None => None,
        };
        Some(Self { rates, uses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: &str) -> KeyLimits {
        KeyLimits::from_stored(text).unwrap_or_default()
    }

    #[test]
    fn limits_read_back_and_nothing_else_does() {
        assert_eq!(KeyLimits::default().to_stored(), None);
        for text in ["100/60", "1/1 100/60", "uses:5@1", "1/1 100/60 uses:5/60@1"] {
            assert_eq!(limits(text).to_stored().as_deref(), Some(text));
        }
        for text in ["", " ", "uses:5@1 1/1", "1/1 ", "1/1  uses:5@1", "uses:5@1 uses:5@1", "x"] {
            assert_eq!(KeyLimits::from_stored(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_gone_or_wider_or_given_anew_is_more() {
        for (before, after, more) in [
            ("", "1/60 uses:1@1", false),
            ("2/60", "1/60", false),
            ("1/60", "2/60", true),
            ("1/60", "", true),
            ("uses:5@1", "uses:5@1 ", true),
            ("uses:5@1", "uses:5@1", false),
            ("uses:5@1", "uses:5@2", true),
            ("uses:5@1", "1/60", true),
        ] {
            assert_eq!(limits(after).give_more_than(&limits(before)), more, "{before} {after}");
        }
    }
}
