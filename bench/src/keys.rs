//! Keys to ask about: a file of equal lines in memory, and the ways to draw from it.

use crate::Outcome;
use std::path::Path;

/// Bytes of a key: `sa-` and 32 hex digits.
pub(crate) const KEY_BYTES: usize = 35;
const LINE_BYTES: usize = KEY_BYTES + 1;

/// The keys of a store.
pub(crate) struct Keys(Vec<u8>);

impl Keys {
    /// Reads the file that preparing a store wrote.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let lines = std::fs::read(path)?;
        if lines.is_empty() || lines.len() % LINE_BYTES != 0 {
            return Err(format!("{} is not a file of keys", path.display()).into());
        }
        Ok(Self(lines))
    }

    pub(crate) fn count(&self) -> u64 {
        (self.0.len() / LINE_BYTES) as u64
    }

    /// The key on that line.
    pub(crate) fn get(&self, index: u64) -> &[u8] {
        let start = usize::try_from(index).map_or(0, |index| index * LINE_BYTES);
        &self.0[start..start + KEY_BYTES]
    }
}

/// Which key comes next.
#[derive(Clone, Debug)]
pub(crate) enum Draw {
    /// Each of the first `count` keys is equally likely.
    Uniform { count: u64, state: u64 },
    /// Rank r of `count` has weight 1/r, the first key being the most frequent.
    Zipf { count: u64, state: u64 },
    /// One after the other from `from` to `to`, then again from the beginning: a key comes back
    /// after every other one was asked about.
    Walk { from: u64, to: u64, next: u64 },
}

impl Draw {
    pub(crate) fn uniform(count: u64, seed: u64) -> Self {
        Self::Uniform { count, state: seed }
    }

    pub(crate) fn zipf(count: u64, seed: u64) -> Self {
        Self::Zipf { count, state: seed }
    }

    pub(crate) fn walk(from: u64, to: u64) -> Self {
        Self::Walk { from, to, next: from }
    }

    /// The next key's line.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ranks are far below 2^52"
    )]
    pub(crate) fn next(&mut self) -> u64 {
        match self {
            Self::Uniform { count, state } => below(*count, state),
            Self::Zipf { count, state } => {
                let unit = (step(state) >> 11) as f64 / (1_u64 << 53) as f64;
                ((*count as f64).powf(unit) as u64 - 1).min(*count - 1)
            }
            Self::Walk { from, to, next } => {
                let index = *next;
                *next = if index + 1 < *to { index + 1 } else { *from };
                index
            }
        }
    }
}

fn below(count: u64, state: &mut u64) -> u64 {
    let wide = u128::from(step(state)) * u128::from(count);
    u64::try_from(wide >> 64).unwrap_or(0)
}

/// The mixer of Steele, Lea and Flood: the same draws in every run.
fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(mut draw: Draw, count: usize) -> Vec<u64> {
        (0..count).map(|_| draw.next()).collect()
    }

    #[test]
    fn a_walk_meets_every_key_before_one_comes_back() {
        assert_eq!(draws(Draw::walk(2, 5), 7), [2, 3, 4, 2, 3, 4, 2]);
    }

    #[test]
    fn uniform_draws_reach_every_key_about_equally_often() {
        let drawn = draws(Draw::uniform(10, 7), 10_000);
        for key in 0..10 {
            let count = drawn.iter().filter(|drawn| **drawn == key).count();
            assert!((800..1200).contains(&count), "{key}: {count}");
        }
    }

    #[test]
    fn zipf_draws_prefer_the_first_keys_and_stay_in_range() {
        let drawn = draws(Draw::zipf(1000, 7), 10_000);
        assert!(drawn.iter().all(|drawn| *drawn < 1000));
        let first_ten = drawn.iter().filter(|drawn| **drawn < 10).count();
        assert!((2500..4500).contains(&first_ten), "{first_ten}");
    }
}
