//! Plaintext keys and their tags, drawn on two threads.

use crate::Outcome;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::ids::CredentialId;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::plain::KeyPrefix;
use tenantry_core::secrets::{KeyFormat, PlainSecret, Secrets, Start, Tag};

const THREADS: u64 = 2;

/// What a row needs of a key.
#[derive(Clone, Copy)]
pub(super) struct Drawn {
    tag: [u8; 32],
    start: [u8; 7],
}

impl Drawn {
    pub(super) fn tag(&self) -> Tag {
        Tag::from_bytes(self.tag)
    }

    pub(super) fn start(&self) -> Start {
        Start::from_stored(std::str::from_utf8(&self.start).unwrap_or_default())
    }
}

/// Draws `count` keys and writes their plaintexts to `file`, a line each. What is returned is in
/// the order of the tags, while the file stays in the order of drawing: neighbours in the file are
/// no neighbours in the database.
pub(super) fn draw(secrets: &Secrets, count: u64, file: &Path) -> Outcome<Vec<Drawn>> {
    let parts = std::thread::scope(|scope| {
        let share = |index| count * (index + 1) / THREADS - count * index / THREADS;
        let threads: Vec<_> =
            (0..THREADS).map(|index| scope.spawn(move || some(secrets, share(index)))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a panic"))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut file = BufWriter::new(File::create(file)?);
    let mut all = Vec::with_capacity(usize::try_from(count)?);
    for (drawn, lines) in parts {
        all.extend(drawn);
        file.write_all(&lines)?;
    }
    file.flush()?;
    all.sort_unstable_by_key(|drawn| drawn.tag);
    Ok(all)
}

fn some(secrets: &Secrets, count: u64) -> (Vec<Drawn>, Vec<u8>) {
    let unused = CredentialId::generate(&SystemRng, SystemClock.now());
    let prefix = KeyPrefix::default();
    let mut lines = Vec::new();
    let one = |_| {
        let secret = PlainSecret::generate(&SystemRng, KeyFormat::SubAccount, unused, &prefix);
        let text = secret.reveal().as_bytes();
        lines.extend_from_slice(text);
        lines.push(b'\n');
        let mut start = [0; 7];
        start.copy_from_slice(&text[..7]);
        Drawn { tag: *secret.tag(secrets).as_bytes(), start }
    };
    let drawn = (0..count).map(one).collect();
    (drawn, lines)
}
