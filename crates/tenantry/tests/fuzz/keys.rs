//! Presented keys and secrets.

use crate::fuzz;
use tenantry_core::ids::CredentialId;
use tenantry_core::secrets::Presented;
use tenantry_core::secrets::plain::{KeyPrefix, looks_like_secret};

/// The four forms, written down once more and in another way.
fn has_a_form(text: &str) -> bool {
    let all = |text: &str, length: usize, fits: &dyn Fn(char) -> bool| {
        text.chars().count() == length && text.chars().all(fits)
    };
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let word = |c: char| c.is_ascii_alphanumeric();
    if let Some(rest) = text.strip_prefix("sa_secret_") {
        return all(rest, 32, &|c| c.is_ascii_digit() || c.is_ascii_lowercase());
    }
    if let Some(rest) = text.strip_prefix("sa-") {
        return all(rest, 32, &hex);
    }
    if let Some((id, secret)) = text.split_once(':') {
        let url = |c: char| word(c) || c == '-' || c == '_';
        return CredentialId::parse_native(id).is_ok()
            && all(secret, 43, &url)
            && "AEIMQUYcgkosw048".contains(secret.chars().last().unwrap_or(' '));
    }
    // The checksum is the recogniser's own matter.
    text.strip_prefix("tnt_").is_some_and(|rest| all(rest, 38, &word))
}

#[test]
fn keys() {
    fuzz("keys", 1, |input| {
        let text = String::from_utf8_lossy(input);
        let recognised = looks_like_secret(&text);
        let key = Presented::key(&text).is_some();
        let client = Presented::client_secret(&text).is_some();
        assert_eq!(recognised, key || client, "{text:?}");
        assert!(!(key && client), "{text:?} is two things");
        if text.starts_with("tnt_") {
            assert!(!recognised || has_a_form(&text), "{text:?}");
        } else {
            assert_eq!(recognised, has_a_form(&text), "{text:?}");
        }
        let _ = KeyPrefix::parse(&text);
    });
}
