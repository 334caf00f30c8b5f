//! The sealed chunks.

use super::ArchiveError;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::io::{BufRead, Read as _, Write};
use zeroize::Zeroizing;

/// Plain bytes of every chunk but the last.
pub(super) const CHUNK_BYTES: usize = 64 * 1024;

const TAG_BYTES: usize = 16;

/// A key that is used for one file, and for each of its chunks once.
fn file_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes 32 bytes"))
}

/// Eleven bytes of the chunk's number and one that says whether it is the last.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut bytes = [0; 12];
    bytes[3..11].copy_from_slice(&number.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// Seals what is written to it.
pub(super) struct SealingWriter<W> {
    to: W,
    key: LessSafeKey,
    number: u64,
    chunk: Zeroizing<Vec<u8>>,
}

impl<W: Write> SealingWriter<W> {
    pub(super) fn new(to: W, key: &[u8; 32]) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        Self { to, key: file_key(key), number: 0, chunk }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        while !bytes.is_empty() {
            // A full chunk waits until it is known that it is not the last.
            if self.chunk.len() == CHUNK_BYTES {
                self.seal(false)?;
            }
            let room = CHUNK_BYTES - self.chunk.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Seals the last chunk and gives the file back.
    pub(super) fn finish(mut self) -> Result<W, ArchiveError> {
        self.seal(true)?;
        Ok(self.to)
    }

    fn seal(&mut self, last: bool) -> Result<(), ArchiveError> {
        self.key
            .seal_in_place_append_tag(nonce(self.number, last), Aad::empty(), &mut *self.chunk)
            .map_err(|_| ArchiveError::TooLarge("a chunk could not be sealed"))?;
        self.to.write_all(&self.chunk)?;
        self.chunk.clear();
        self.number += 1;
        Ok(())
    }
}

/// Opens what it reads. Nothing of a chunk is given out before its tag was checked.
pub(super) struct OpeningReader<R> {
    from: R,
    key: LessSafeKey,
    number: u64,
    chunk: Zeroizing<Vec<u8>>,
    /// Plain bytes of the chunk, and how many of them were given out.
    plain: usize,
    given: usize,
    ended: bool,
}

impl<R: BufRead> OpeningReader<R> {
    pub(super) fn new(from: R, key: &[u8; 32]) -> Self {
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        Self { from, key: file_key(key), number: 0, chunk, plain: 0, given: 0, ended: false }
    }

    /// The next plain bytes, at most `max` of them; none at the end.
    pub(super) fn next(&mut self, max: u64) -> Result<&[u8], ArchiveError> {
        if self.given == self.plain && !self.ended {
            self.open()?;
        }
        let left = self.plain - self.given;
        let now = usize::try_from(max).map_or(left, |max| left.min(max));
        self.given += now;
        Ok(&self.chunk[self.given - now..self.given])
    }

    fn open(&mut self) -> Result<(), ArchiveError> {
        const FULL: usize = CHUNK_BYTES + TAG_BYTES;
        self.chunk.clear();
        (&mut self.from).take(FULL as u64).read_to_end(&mut self.chunk)?;
        let last = self.chunk.len() < FULL || self.from.fill_buf()?.is_empty();
        let plain = self
            .key
            .open_in_place(nonce(self.number, last), Aad::empty(), &mut self.chunk[..])
            .map_err(|_| ArchiveError::Damaged("a part of it is not what was written"))?
            .len();
        (self.plain, self.given, self.ended) = (plain, 0, last);
        self.number += 1;
        Ok(())
    }
}
