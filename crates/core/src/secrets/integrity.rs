//! Seals on stored records: a row that somebody wrote, altered or moved by SQL is not believed.
//!
//! A backend can only build [`Unverified`] records; the rules can only read a record after its
//! seal was checked; a store method takes only [`Sealed`] ones.

use super::{SealKey, Secrets};
use crate::error::{Error, Result};
use aws_lc_rs::hmac;

/// A record whose stored form carries a seal.
pub trait Protected {
    /// The table it lives in; part of what is sealed, so that no row moves between tables.
    const TABLE: &'static str;
    /// The key that seals it.
    const KEY: SealKey;

    /// The record's id, printed, for the alarm.
    fn printed_id(&self) -> String;

    /// Writes every column that is believed because of the seal.
    fn write_to(&self, mac: &mut MacWriter);
}

/// A record as it came from the store, not yet believed.
#[derive(Clone)]
pub struct Unverified<T> {
    record: T,
    seal: [u8; 32],
}

impl<T> Unverified<T> {
    /// A record and the seal beside it.
    pub fn new(record: T, seal: [u8; 32]) -> Self {
        Self { record, seal }
    }

    /// The bytes that are stored as its seal, right or not.
    #[must_use]
    pub fn seal(&self) -> &[u8; 32] {
        &self.seal
    }
}

impl<T: Protected> Unverified<T> {
    /// The record, after its seal was found to be right.
    ///
    /// # Errors
    /// [`Error::Integrity`] where it is not. The caller decides what to answer; the alarm is
    /// raised here, without any of the row's values but its id.
    pub fn open(self, secrets: &Secrets) -> Result<T> {
        let mac = mac_of(&self.record, secrets);
        if bool::from(subtle::ConstantTimeEq::ct_eq(mac.as_ref(), &self.seal[..])) {
            return Ok(self.record);
        }
        let error = Error::Integrity {
            table: T::TABLE,
            id: self.record.printed_id(),
            problem: "the seal does not match",
        };
        tracing::error!(alarm = "row_integrity", table = T::TABLE, id = %self.record.printed_id(),
            "a stored row is not what was written; it is not used");
        Err(error)
    }
}

/// A record with the seal to store beside it.
#[derive(Clone)]
pub struct Sealed<T> {
    record: T,
    seal: [u8; 32],
}

impl<T: Protected> Sealed<T> {
    /// Seals a finished record.
    #[must_use]
    pub fn new(record: T, secrets: &Secrets) -> Self {
        let mut seal = [0; 32];
        seal.copy_from_slice(mac_of(&record, secrets).as_ref());
        Self { record, seal }
    }

    /// The record.
    pub fn record(&self) -> &T {
        &self.record
    }

    /// The bytes to store.
    pub fn seal(&self) -> &[u8; 32] {
        &self.seal
    }

    /// Gives the record back.
    #[must_use]
    pub fn into_record(self) -> T {
        self.record
    }
}

fn mac_of<T: Protected>(record: &T, secrets: &Secrets) -> hmac::Tag {
    let mut writer = MacWriter::new();
    writer.text(T::TABLE);
    record.write_to(&mut writer);
    hmac::sign(secrets.seal_key(T::KEY), &writer.0)
}

/// What most records write.
const MAC_INPUT_BYTES: usize = 512;

/// Takes a record's columns one after the other, each with its length, so that no two different
/// records write the same bytes.
pub struct MacWriter(Vec<u8>);

impl MacWriter {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(MAC_INPUT_BYTES))
    }

    pub(crate) fn written(&self) -> &[u8] {
        &self.0
    }

    /// Some bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.push(1);
        self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A number.
    pub fn number(&mut self, number: i64) {
        self.bytes(&number.to_be_bytes());
    }

    /// A column that may be null.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => write(self, value),
            None => self.0.push(0),
        }
    }
}
