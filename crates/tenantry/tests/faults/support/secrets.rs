//! Texts and bytes that nothing may hold, and the search for them.

use std::fs;
use std::path::Path;

/// Texts and bytes that nothing may hold.
#[derive(Default)]
pub(crate) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// One more.
    pub(crate) fn add(&mut self, secret: &str) {
        assert!(secret.len() >= 16, "too short to be looked for: {secret}");
        self.0.push(secret.as_bytes().to_vec());
    }

    /// A JWT, and its signature alone.
    pub(crate) fn add_token(&mut self, token: &str) {
        self.add(token);
        self.add(token.rsplit('.').next().expect("a signature"));
    }

    /// Pepper and keys, as the file has them and as bytes.
    pub(crate) fn add_file(&mut self, path: &Path) {
        use base64::Engine as _;
        use std::fmt::Write as _;
        let text = fs::read_to_string(path).expect("the secrets");
        let file: toml::Table = text.parse().expect("TOML");
        let mut found = 0;
        for (_, table) in &file {
            for (_, value) in table.as_table().into_iter().flatten() {
                let Some(text) = value.as_str() else { continue };
                let bytes = base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
                let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").expect("strings take every write");
                    hex
                });
                self.add(text);
                self.add(&hex);
                self.0.push(bytes);
                found += 1;
            }
        }
        assert_eq!(found, 3, "pepper, key-encryption key, the realm's key");
    }

    /// How many are held by `bytes`.
    pub(crate) fn hits(&self, bytes: &[u8]) -> usize {
        let held = |secret: &&Vec<u8>| bytes.windows(secret.len()).any(|window| window == *secret);
        self.0.iter().filter(held).count()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
