//! Checkpoints: where chains ended at some time, signed, each naming the one before.
//!
//! Chains alone cannot show that their newest links were taken away. A checkpoint that was written
//! to a place outside the store can: it says how long each chain was and what it ended with. It is
//! signed with a key whose public half anybody may have, so that whoever keeps the checkpoints need
//! not be trusted with the plane's secrets.
//!
//! As text it is one line of JSON, `{"checkpoint":{…},"signature":"…"}`; what is signed are the
//! bytes of the inner object as they stand there.

use super::chain::{ChainHead, LinkHash};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::ids::AccountId;
use crate::secrets::{CheckpointKey, Secrets};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;

/// What a checkpoint is known by to the next one: SHA-256 of what was signed.
pub type CheckpointHash = [u8; 32];

/// Where chains ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number, from 1.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The one before; zeros for the first.
    pub previous: CheckpointHash,
    /// The ends of the chains that grew since they were last in one.
    pub heads: Vec<ChainHead>,
}

/// A checkpoint whose signature is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// What the next one calls it.
    pub hash: CheckpointHash,
}

/// A checkpoint as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Its number.
    pub number: u64,
    /// Its text.
    pub line: String,
}

/// Why a line is no checkpoint of this plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// It is not of a checkpoint's form: a line that was not written to its end.
    #[error("is no checkpoint")]
    Malformed,
    /// Somebody else wrote it, or altered it.
    #[error("is not signed by this plane")]
    Signature,
}

impl Checkpoint {
    /// The line, without an end of line.
    ///
    /// # Errors
    /// [`Error::Internal`] for a time outside the calendar.
    pub fn sign(&self, secrets: &Secrets) -> Result<String> {
        let body = self.body()?;
        let signature = URL_SAFE_NO_PAD.encode(secrets.sign_checkpoint(body.as_bytes()));
        Ok(format!(r#"{{"checkpoint":{body},"signature":"{signature}"}}"#))
    }

    fn body(&self) -> Result<String> {
        let at = self.at.to_utc().ok_or_else(|| Error::internal("a time outside the calendar"))?;
        let at = at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ");
        let mut text = format!(
            r#"{{"number":{},"at":"{at}","previous":"{}","heads":["#,
            self.number,
            to_hex(&self.previous)
        );
        for (index, head) in self.heads.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let (root, length, hash) = (head.root, head.length, to_hex(&head.hash));
            // A string takes every write.
            let _ = write!(text, r#"{comma}["{root}",{length},"{hash}"]"#);
        }
        text.push_str("]}");
        Ok(text)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    checkpoint: &'a RawValue,
    signature: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    number: u64,
    at: String,
    previous: String,
    heads: Vec<(String, u64, String)>,
}

/// Reads a line that [`Checkpoint::sign`] wrote.
///
/// # Errors
/// Why it is none.
pub fn read(line: &str, key: &CheckpointKey) -> Result<SignedCheckpoint, BadCheckpoint> {
    let parsed: Line<'_> = serde_json::from_str(line).map_err(|_| BadCheckpoint::Malformed)?;
    let body = parsed.checkpoint.get();
    let signature =
        URL_SAFE_NO_PAD.decode(parsed.signature).map_err(|_| BadCheckpoint::Signature)?;
    if !key.verifies(body.as_bytes(), &signature) {
        return Err(BadCheckpoint::Signature);
    }
    let checkpoint = read_body(body).ok_or(BadCheckpoint::Malformed)?;
    Ok(SignedCheckpoint { checkpoint, hash: hash(body) })
}

fn read_body(text: &str) -> Option<Checkpoint> {
    let body: Body = serde_json::from_str(text).ok()?;
    let head = |(root, length, hash): (String, u64, String)| {
        let root = AccountId::parse_native(&root).ok()?;
        Some(ChainHead { root, length, hash: from_hex(&hash)? })
    };
    Some(Checkpoint {
        number: body.number,
        at: Timestamp::parse_rfc3339(&body.at)?,
        previous: from_hex(&body.previous)?,
        heads: body.heads.into_iter().map(head).collect::<Option<_>>()?,
    })
}

/// What the next checkpoint calls a stored line, whether or not that line is what was written: a
/// line that was altered is told by `audit verify`, and must not keep further ones from being made.
pub(super) fn hash_of_line(line: &str) -> CheckpointHash {
    let parsed = serde_json::from_str::<Line<'_>>(line);
    hash(parsed.map_or(line, |parsed| parsed.checkpoint.get()))
}

fn hash(body: &str) -> CheckpointHash {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, body.as_bytes()).as_ref());
    bytes
}

fn to_hex(bytes: &[u8; 32]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(text: &str) -> Option<LinkHash> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use crate::secrets::SecretsMaterial;

    fn secrets(seed: u64) -> Secrets {
        Secrets::new(&SecretsMaterial::generate(&SeededRng::new(seed)).expect("secrets"))
    }

    fn checkpoint() -> Checkpoint {
        let head = |byte| ChainHead {
            root: AccountId::from_bytes([byte; 16]),
            length: u64::from(byte) * 1000,
            hash: [byte; 32],
        };
        Checkpoint {
            number: 7,
            at: Timestamp::from_micros(1_752_158_100_123_456),
            previous: [0xa5; 32],
            heads: vec![head(1), head(0xfe)],
        }
    }

    #[test]
    fn a_line_reads_back_for_whoever_has_the_public_key() {
        let secrets = secrets(1);
        let line = checkpoint().sign(&secrets).expect("a line");
        assert!(!line.contains('\n'));
        let read = read(&line, &secrets.checkpoint_key()).expect("a checkpoint");
        assert_eq!(read.checkpoint, checkpoint());
        assert_eq!(read.hash, hash_of_line(&line));
    }

    #[test]
    fn another_planes_line_or_one_byte_of_difference_is_refused() {
        let own = secrets(1);
        let line = checkpoint().sign(&own).expect("a line");
        assert_eq!(read(&line, &secrets(2).checkpoint_key()), Err(BadCheckpoint::Signature));
        for at in 0..line.len() {
            for with in ["0", "9", "a", " "] {
                let mut changed = line.clone();
                changed.replace_range(at..=at, with);
                assert!(changed == line || read(&changed, &own.checkpoint_key()).is_err(), "{at}");
            }
            let torn = &line[..at];
            assert_eq!(read(torn, &own.checkpoint_key()), Err(BadCheckpoint::Malformed), "{at}");
        }
    }
}
