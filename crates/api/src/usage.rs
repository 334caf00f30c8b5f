//! Usage: what accounts took.

use serde::{Serialize, Serializer};

/// A number that is counted in millionths and shown as a whole or a decimal fraction: seconds of
/// microseconds, cents of millionths of a cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millionths(pub u64);

impl Serialize for Millionths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const WHOLE: u64 = 1_000_000;
        if self.0.is_multiple_of(WHOLE) {
            return serializer.serialize_u64(self.0 / WHOLE);
        }
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 there is no nearer number")]
        let number = self.0 as f64 / 1e6;
        serializer.serialize_f64(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_no_more_digits_than_it_was_counted_in() {
        for (millionths, printed) in [
            (0, "0"),
            (1, "1e-6"),
            (100_000, "0.1"),
            (1_000_000, "1"),
            (12_345_679, "12.345679"),
            (300_000, "0.3"),
            (4_503_599_627_370_497, "4503599627.370497"),
            (1_000_000_000_000_000, "1000000000"),
        ] {
            let text = serde_json::to_string(&Millionths(millionths)).expect("a number");
            assert_eq!(text, printed);
        }
    }
}
