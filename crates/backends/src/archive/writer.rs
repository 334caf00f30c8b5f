//! Writing a backup's file.

use super::manifest::{Content, Counts, Manifest};
use super::stream::SealingWriter;
use super::{ArchiveError, MANIFEST_BYTES_MAX, SECRETS_BYTES_MAX, SealTo, Section, head};
use aws_lc_rs::digest;
use std::io::{Read, Write};
use tenantry_core::rng::Rng;
use zeroize::Zeroizing;

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// Writes a backup: database, secrets, then [`ArchiveWriter::finish`].
pub struct ArchiveWriter<W> {
    stream: SealingWriter<W>,
}

impl<W: Write> ArchiveWriter<W> {
    /// Writes the head. Takes as long as the key takes to be made.
    ///
    /// # Errors
    /// What the file system says, a recipient that is no public key.
    pub fn create(mut file: W, to: SealTo<'_>, rng: &dyn Rng) -> Result<Self, ArchiveError> {
        let (head, keys) = head::create(to, rng)?;
        file.write_all(&head)?;
        Ok(Self { stream: SealingWriter::new(file, &keys.stream) })
    }

    /// Writes a database of `bytes` bytes, telling `progress` how many are done.
    ///
    /// # Errors
    /// What the file system says, a database that is shorter or longer than it was said to be.
    pub fn database(
        &mut self,
        bytes: u64,
        from: impl Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Content, ArchiveError> {
        self.section(Section::Database, bytes, from, progress)
    }

    /// Writes the file of secrets.
    ///
    /// # Errors
    /// What the file system says, a file above [`SECRETS_BYTES_MAX`].
    pub fn secrets(&mut self, secrets: &[u8]) -> Result<Content, ArchiveError> {
        let bytes = secrets.len() as u64;
        if bytes > SECRETS_BYTES_MAX {
            return Err(ArchiveError::TooLarge("the file of secrets is too long"));
        }
        self.section(Section::Secrets, bytes, secrets, &mut |_| {})
    }

    /// Writes the manifest and gives the file back, which is whole then but not yet on the disk.
    ///
    /// # Errors
    /// What the file system says.
    pub fn finish(mut self, manifest: &Manifest) -> Result<W, ArchiveError> {
        let text = serde_json::to_vec(manifest).map_err(std::io::Error::other)?;
        let bytes = text.len() as u64;
        debug_assert!(bytes <= MANIFEST_BYTES_MAX, "a manifest has a few lines");
        self.section(Section::Manifest, bytes, &text[..], &mut |_| {})?;
        self.stream.finish()
    }

    fn section(
        &mut self,
        section: Section,
        bytes: u64,
        mut from: impl Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Content, ArchiveError> {
        self.stream.write(&[section as u8])?;
        self.stream.write(&bytes.to_be_bytes())?;
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut buffer = Zeroizing::new(vec![0; COPY_BYTES]);
        let mut done = 0;
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            sum.update(&buffer[..read]);
            self.stream.write(&buffer[..read])?;
            done += read as u64;
            progress(done);
        }
        if done != bytes {
            return Err(ArchiveError::Damaged("its source changed while it was read"));
        }
        Ok(Content { bytes, sha256: hex(sum.finish().as_ref()) })
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

impl Counts {
    /// The rows of every table together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { accounts, members, service_accounts, credentials, audit_events } = self;
        accounts + members + service_accounts + credentials + audit_events
    }
}
