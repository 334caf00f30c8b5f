//! A damaged file: no wrong answer, no panic, and an end of service that says what to do.

use crate::support::Draw;
use crate::{open, options};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use tenantry_backends::sqlite::{DATABASE_FILE, OpenError, SqliteStore};
use tenantry_core::credentials::{Credential, CredentialStatus};
use tenantry_core::rng::{Rng, SeededRng, draw};
use tenantry_core::secrets::Tag;
use tenantry_core::store::{CredentialStore, HealthStore};

const PAGE_BYTES: usize = 4096;

/// Damaged files that are tried, unless `TENANTRY_CORRUPTIONS` says otherwise.
const CORRUPTIONS: u64 = 20;

/// A database with keys that open, keys that were revoked and tags that are nobody's.
struct Plane {
    directory: tempfile::TempDir,
    draw: Draw,
    active: Vec<Credential>,
    revoked: Vec<Credential>,
}

impl Plane {
    async fn make() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (store, draw) = (open(directory.path()), Draw::new());
        let root = draw.organization(&store).await.account.id;
        let (mut active, mut revoked) = (Vec::new(), Vec::new());
        for number in 0..60 {
            let (_, mut key) = draw.stored_sub_account(&store, root).await;
            if number % 3 == 0 {
                key.status = CredentialStatus::Revoked { at: crate::support::NOW };
                key.version += 1;
                let sealed = draw.seal(key.clone());
                store.update_credential(&sealed, draw.commit(root)).await.expect("revoked");
                revoked.push(key);
            } else {
                active.push(key);
            }
        }
        drop(store);
        Self { directory, draw, active, revoked }
    }

    fn database(&self) -> Vec<u8> {
        fs::read(self.directory.path().join(DATABASE_FILE)).expect("the database")
    }

    /// Asks about every key. The number of answers; panics at a wrong one.
    async fn ask(&self, store: &SqliteStore) -> usize {
        let mut answers = 0;
        for key in self.active.iter().chain(&self.revoked) {
            if let Some(found) = self.find(store, key.tag).await {
                assert_eq!(&found, key, "an answer that was never true");
                answers += 1;
            }
        }
        for number in 0..20 {
            assert_eq!(self.find(store, Tag::from_bytes([number; 32])).await, None);
        }
        answers
    }

    /// What a verification would go by.
    async fn find(&self, store: &SqliteStore, tag: Tag) -> Option<Credential> {
        let found = store.find_credential_by_tag(&tag).await.ok()??;
        found.account?.open(&self.draw.secrets).ok()?;
        found.parent?.open(&self.draw.secrets).ok()?;
        found.credential.open(&self.draw.secrets).ok()
    }
}

fn put(directory: &Path, bytes: &[u8]) {
    for file in ["tenantry.db-wal", "tenantry.db-shm"] {
        let _ = fs::remove_file(directory.join(file));
    }
    fs::write(directory.join(DATABASE_FILE), bytes).expect("written");
}

#[tokio::test]
async fn a_page_of_random_bytes_never_gives_a_wrong_answer() {
    let plane = Plane::make().await;
    let sound = plane.database();
    let tries = std::env::var("TENANTRY_CORRUPTIONS").ok().and_then(|text| text.parse().ok());
    let (mut refused, mut answered, mut silent) = (0, 0, 0);
    for seed in 0..tries.unwrap_or(CORRUPTIONS) {
        let rng = SeededRng::new(seed);
        let draw_below =
            |end: usize| usize::try_from(u32::from_be_bytes(draw(&rng))).expect("fits") % end;
        let mut bytes = sound.clone();
        if seed % 2 == 0 {
            let page = draw_below(sound.len() / PAGE_BYTES);
            rng.fill(&mut bytes[page * PAGE_BYTES..][..PAGE_BYTES]);
        } else {
            // Single bits beyond the header and the schema: what the file's own structure does not
            // show, and only a seal does. Without the check of seals this test fails.
            for _ in 0..12 {
                let at = 8 * PAGE_BYTES + draw_below(sound.len() - 8 * PAGE_BYTES);
                bytes[at] ^= 1;
            }
        }
        let directory = tempfile::tempdir().expect("a directory");
        put(directory.path(), &bytes);
        match SqliteStore::open(&options(directory.path())) {
            Err(error) => {
                let text = error.to_string();
                let named = text.contains("tenantry restore BACKUP")
                    || matches!(error, OpenError::Sqlite(_) | OpenError::MigrationChanged { .. });
                assert!(named, "seed {seed}: {text}");
                refused += 1;
            }
            Ok(store) => match plane.ask(&store).await {
                0 => silent += 1,
                _ => answered += 1,
            },
        }
    }
    // The test sees nothing where nothing is answered.
    assert!(answered > 0, "{refused} refused, {answered} answered, {silent} silent");
}

#[tokio::test]
async fn a_damaged_header_is_refused_with_what_to_do() {
    let plane = Plane::make().await;
    let sound = plane.database();
    for at in [0, 15, 16, 18, 19, 21, 68] {
        let mut bytes = sound.clone();
        bytes[at] ^= 0xff;
        let directory = tempfile::tempdir().expect("a directory");
        put(directory.path(), &bytes);
        let refused = SqliteStore::open(&options(directory.path()));
        let Err(refused) = refused else { panic!("{at}: opened") };
        let text = refused.to_string();
        assert!(text.contains("tenantry restore BACKUP"), "{at}: {text}");
    }
}

#[tokio::test]
async fn once_damage_is_seen_nothing_is_answered_from_the_file() {
    let plane = Plane::make().await;
    let mut bytes = plane.database();
    // Everything that is asked about; not the schema, without which nothing opens.
    let pages =
        "SELECT pageno FROM dbstat WHERE name LIKE '%accounts%' OR name LIKE '%credentials%'";
    let database = Connection::open(plane.directory.path().join(DATABASE_FILE)).expect("a file");
    let mut statement = database.prepare(pages).expect("a statement");
    let pages = statement.query_map([], |row| row.get(0)).expect("pages");
    for page in pages {
        let page: u32 = page.expect("a page");
        let page = usize::try_from(page).expect("a number");
        bytes[(page - 1) * PAGE_BYTES..page * PAGE_BYTES].fill(0);
    }
    drop(statement);
    drop(database);
    put(plane.directory.path(), &bytes);
    let store = open(plane.directory.path());
    store.check().await.expect("nothing is known yet");
    assert!(!store.quick_check()().expect("a check").is_empty());
    assert!(store.check().await.is_err(), "ready in spite of damage");
    assert_eq!(plane.ask(&store).await, 0);
    let written = plane.draw.sub_account(plane.active[0].owner.root());
    let key = plane.draw.key(&written);
    let commit = plane.draw.commit(written.root());
    assert!(store.insert_credential(&plane.draw.seal(key), commit).await.is_err());
}

#[tokio::test]
async fn a_cut_log_gives_a_state_that_once_was() {
    let plane = Plane::make().await;
    let store = open(plane.directory.path());
    let root = plane.active[0].owner.root();
    let mut keys = Vec::new();
    for _ in 0..10 {
        keys.push(plane.draw.stored_sub_account(&store, root).await.1);
    }
    let log = fs::read(plane.directory.path().join("tenantry.db-wal")).expect("the log");
    let database = plane.database();
    let rng = SeededRng::new(1);
    for cut in (0..CORRUPTIONS).map(|_| u32::from_be_bytes(draw(&rng)) as usize % log.len()) {
        let directory = tempfile::tempdir().expect("a directory");
        put(directory.path(), &database);
        fs::write(directory.path().join("tenantry.db-wal"), &log[..cut]).expect("written");
        let after = open(directory.path());
        assert!(plane.ask(&after).await >= 60, "what was in the file before");
        let mut there = Vec::new();
        for key in &keys {
            there.push(plane.find(&after, key.tag).await.is_some());
        }
        assert!(there.is_sorted_by(|a, b| a >= b), "a later change without an earlier: {there:?}");
    }
}
