//! Forms of values that differ from reply to reply: what an id, a key, a secret or a time of each
//! contract looks like, to the character.

/// Tells whether a text has a form.
pub(crate) type Form = fn(&str) -> bool;

/// Characters of base58: no `0`, `O`, `I`, `l`.
fn is_base58(c: u8) -> bool {
    c.is_ascii_alphanumeric() && !b"0OIl".contains(&c)
}

fn is_lower_hex(c: u8) -> bool {
    c.is_ascii_digit() || (b'a'..=b'f').contains(&c)
}

fn is_base64url(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-' || c == b'_'
}

/// `length` characters of one kind and nothing else.
fn run(text: &str, length: usize, kind: fn(u8) -> bool) -> bool {
    text.len() == length && text.bytes().all(kind)
}

fn after(text: &str, prefix: &str, rest: impl Fn(&str) -> bool) -> bool {
    text.strip_prefix(prefix).is_some_and(rest)
}

/// A pattern in which `9` stands for any digit and every other character for itself.
fn shaped(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(found, wanted)| match wanted {
            b'9' => found.is_ascii_digit(),
            wanted => found == wanted,
        })
}

/// Lower-case hexadecimal digits, 8-4-4-4-12.
pub(crate) fn uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.len() == 5
        && groups.iter().zip([8, 4, 4, 4, 12]).all(|(group, width)| run(group, width, is_lower_hex))
}

/// `acc_` and 22 base58 characters.
pub(crate) fn account_id(text: &str) -> bool {
    after(text, "acc_", |id| run(id, 22, is_base58))
}

/// `key_` and 22 base58 characters.
pub(crate) fn key_id(text: &str) -> bool {
    after(text, "key_", |id| run(id, 22, is_base58))
}

/// A key of the accounts contract: its id, a colon and 43 base64url characters.
pub(crate) fn account_key(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, secret)| key_id(id) && run(secret, 43, is_base64url))
}

/// A key of the sub-accounts contract: `sa-` and 32 hexadecimal digits.
pub(crate) fn sub_account_key(text: &str) -> bool {
    after(text, "sa-", |digits| run(digits, 32, is_lower_hex))
}

/// A native key: `tnt_`, 32 base62 characters and a checksum of 6.
pub(crate) fn native_key(text: &str) -> bool {
    after(text, "tnt_", |rest| run(rest, 38, |c| c.is_ascii_alphanumeric()))
}

/// A service account's id: `sa-` and a UUID.
pub(crate) fn service_account_id(text: &str) -> bool {
    after(text, "sa-", uuid)
}

/// `sa_client_` and 12 hexadecimal digits.
pub(crate) fn client_id(text: &str) -> bool {
    after(text, "sa_client_", |digits| run(digits, 12, is_lower_hex))
}

/// `sa_secret_` and 32 of `[a-z0-9]`: the contract's 20 hold less than 128 bits.
pub(crate) fn client_secret(text: &str) -> bool {
    after(text, "sa_secret_", |rest| {
        run(rest, 32, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

/// `service-account-` and a second.
pub(crate) fn generated_name(text: &str) -> bool {
    shaped(text, "service-account-99999999999999")
}

/// A time in UTC, to the second.
pub(crate) fn second(text: &str) -> bool {
    shaped(text, "9999-99-99T99:99:99Z")
}

/// A time in UTC, to the millisecond.
pub(crate) fn millisecond(text: &str) -> bool {
    shaped(text, "9999-99-99T99:99:99.999Z")
}

#[test]
fn the_contracts_own_values_have_their_forms() {
    assert!(uuid("3c90c3cc-0d44-4b50-8888-8dd25736052a"));
    assert!(sub_account_key("sa-b33f4fbf011d4661a273a46b11d185f8"));
    assert!(second("2025-01-23T01:14:37Z"));
    assert!(account_id("acc_G5aNFLDZd6es1brCrj7QFi"));
    assert!(key_id("key_PD5omomyAxXscwKde4mpUS"));
    assert!(account_key("key_PD5omomyAxXscwKde4mpUS:MFV6n8TpDjNYfaLH7BE2W4Clyu8UOV6DqM3yFzxhhqs"));
    assert!(service_account_id("sa-550e8400-e29b-41d4-a716-446655440001"));
    assert!(generated_name("service-account-20250710143500"));
    assert!(client_id("sa_client_7f3d8a2b1c4e"));
    assert!(millisecond("2025-07-10T14:35:00.000Z"));
}

#[test]
fn near_misses_do_not_have_the_forms() {
    assert!(!uuid("3C90C3CC-0d44-4b50-8888-8dd25736052a"));
    assert!(!uuid("3c90c3cc-0d44-4b50-8888-8dd25736052"));
    assert!(!sub_account_key("sa-550e8400-e29b-41d4-a716-446655440001"));
    assert!(!account_id("acc_G5aNFLDZd6es1brCrj7QF0"));
    assert!(!account_key("key_PD5omomyAxXscwKde4mpUS:MFV6n8TpDjNYfaLH7BE2W4Clyu8UOV6DqM3yFzxhhq="));
    assert!(!service_account_id("sa-b33f4fbf011d4661a273a46b11d185f8"));
    assert!(!client_secret("sa_secret_9k2m5n8p1q4r7t0w3x6y"), "the example's own is too short");
    assert!(!second("2025-07-10T14:35:00.000Z"));
    assert!(!millisecond("2025-07-10T14:35:00Z"));
}
