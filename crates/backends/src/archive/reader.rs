//! Reading a backup's file.

use super::head::Head;
use super::manifest::{Content, Manifest};
use super::stream::OpeningReader;
use super::writer::hex;
use super::{ArchiveError, MANIFEST_BYTES_MAX, OpenWith, SECRETS_BYTES_MAX, Sealing, Section};
use aws_lc_rs::digest;
use std::io::{BufRead, Write};
use zeroize::Zeroizing;

/// A backup of which nothing is read but the head: how it is sealed is known, and what opens it can
/// be asked for.
#[derive(Debug)]
pub struct SealedArchive<R> {
    from: R,
    head: Head,
}

impl<R: BufRead> SealedArchive<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// Something else than a backup, another version's, a damaged head.
    pub fn read(mut from: R) -> Result<Self, ArchiveError> {
        let head = Head::read(&mut from)?;
        Ok(Self { from, head })
    }

    /// How it is sealed.
    pub fn sealing(&self) -> Sealing {
        self.head.sealing()
    }

    /// Finds its keys. Takes as long as the key takes to be made.
    ///
    /// # Errors
    /// A wrong passphrase or identity, or the one where the other is wanted.
    pub fn open(self, with: OpenWith<'_>) -> Result<ArchiveReader<R>, ArchiveError> {
        let keys = self.head.open(with)?;
        let stream = OpeningReader::new(self.from, &keys.stream);
        Ok(ArchiveReader { stream, database: None, secrets: None })
    }
}

/// Reads a backup: database, secrets, then [`ArchiveReader::finish`], which says whether all of it
/// may be believed.
pub struct ArchiveReader<R> {
    stream: OpeningReader<R>,
    database: Option<Content>,
    secrets: Option<Content>,
}

impl<R: BufRead> ArchiveReader<R> {
    /// Copies the database to `to`, telling `progress` how many of how many bytes are done.
    ///
    /// # Errors
    /// Damage, what the file system says.
    pub fn database(
        &mut self,
        to: &mut dyn Write,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ArchiveError> {
        let bytes = self.section(Section::Database, u64::MAX)?;
        self.database = Some(self.copy(bytes, to, &mut |done| progress(done, bytes))?);
        Ok(())
    }

    /// The file of secrets.
    ///
    /// # Errors
    /// Damage, what the file system says.
    pub fn secrets(&mut self) -> Result<Zeroizing<Vec<u8>>, ArchiveError> {
        let bytes = self.section(Section::Secrets, SECRETS_BYTES_MAX)?;
        // Roomy from the start: a vector that grows leaves copies behind.
        let room = usize::try_from(bytes).unwrap_or_default();
        let mut secrets = Zeroizing::new(Vec::with_capacity(room));
        self.secrets = Some(self.copy(bytes, &mut *secrets, &mut |_| {})?);
        Ok(secrets)
    }

    /// The manifest, after what was read was found to be what it says and nothing follows it.
    ///
    /// # Errors
    /// Damage, what the file system says.
    pub fn finish(mut self) -> Result<Manifest, ArchiveError> {
        let bytes = self.section(Section::Manifest, MANIFEST_BYTES_MAX)?;
        let mut text = Vec::new();
        self.copy(bytes, &mut text, &mut |_| {})?;
        if !self.stream.next(1)?.is_empty() {
            return Err(ArchiveError::Damaged("something follows its end"));
        }
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|_| ArchiveError::Damaged("its manifest cannot be read"))?;
        let database = self.database.as_ref() == Some(&manifest.database);
        if !database || self.secrets.as_ref() != Some(&manifest.secrets) {
            return Err(ArchiveError::Damaged("a checksum of its manifest does not match"));
        }
        Ok(manifest)
    }

    fn section(&mut self, section: Section, bytes_max: u64) -> Result<u64, ArchiveError> {
        let mut kind = Vec::with_capacity(1);
        self.copy(1, &mut kind, &mut |_| {})?;
        let mut length = Vec::with_capacity(8);
        self.copy(8, &mut length, &mut |_| {})?;
        let bytes = length.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        if kind != [section as u8] || bytes > bytes_max {
            return Err(ArchiveError::Damaged("its parts are not in their order"));
        }
        Ok(bytes)
    }

    fn copy(
        &mut self,
        bytes: u64,
        to: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Content, ArchiveError> {
        let mut sum = digest::Context::new(&digest::SHA256);
        let mut done = 0;
        while done < bytes {
            let next = self.stream.next(bytes - done)?;
            if next.is_empty() {
                return Err(ArchiveError::Damaged("its end is missing"));
            }
            sum.update(next);
            to.write_all(next)?;
            done += next.len() as u64;
            progress(done);
        }
        Ok(Content { bytes, sha256: hex(sum.finish().as_ref()) })
    }
}
