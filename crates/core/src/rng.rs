//! Chance: the one place that draws random bytes.

/// Where random bytes come from. Injected, so that a seed gives a test the same ids every time.
pub trait Rng: Send + Sync {
    /// Fills `bytes` with random bytes fit for secrets.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: no answer would be safe then.
    fn fill(&self, bytes: &mut [u8]);
}

/// Draws an array of random bytes.
pub fn draw<const N: usize>(rng: &dyn Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill(&mut bytes);
    bytes
}

/// Draws `length` characters of `alphabet`, each equally likely.
///
/// # Panics
/// When `alphabet` is empty or longer than 256.
#[must_use]
pub fn draw_text(rng: &dyn Rng, alphabet: &[u8], length: usize) -> zeroize::Zeroizing<String> {
    assert!((1..=256).contains(&alphabet.len()), "an alphabet has 1 to 256 characters");
    // Bytes at or above the largest multiple of the alphabet's size would favour its beginning.
    let fair = 256 - 256 % alphabet.len();
    let mut text = zeroize::Zeroizing::new(String::with_capacity(length));
    let mut block = zeroize::Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        rng.fill(&mut block[..]);
        for &byte in block.iter() {
            if usize::from(byte) < fair && text.len() < length {
                text.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
    }
    text
}

/// The operating system's randomness.
#[derive(Debug, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws random bytes")]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives randomness");
    }
}

/// Bytes that follow from a seed: SHA-256 of seed and counter.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct SeededRng {
    seed: u64,
    counter: std::sync::atomic::AtomicU64,
}

#[cfg(feature = "testing")]
impl SeededRng {
    /// A generator that gives the same bytes for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: std::sync::atomic::AtomicU64::new(0) }
    }
}

#[cfg(feature = "testing")]
impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.seed.to_be_bytes());
            input[8..].copy_from_slice(&count.to_be_bytes());
            let block = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &input);
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives every byte value in turn.
    struct Counting(std::sync::atomic::AtomicU8);

    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
        }
    }

    #[test]
    fn each_character_of_an_alphabet_is_equally_likely() {
        // 256 byte values over 36 characters: 7 rounds of 36 are fair, the last 4 are thrown away.
        let text = draw_text(&Counting(0.into()), b"abcdefghijklmnopqrstuvwxyz0123456789", 7 * 36);
        for character in "abcdefghijklmnopqrstuvwxyz0123456789".chars() {
            assert_eq!(text.matches(character).count(), 7, "{character}");
        }
    }
}
