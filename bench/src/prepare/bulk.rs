//! Rows by the million. Each is the plane's own row with other ids, tag and seal, so that a new
//! column needs nothing here.
//!
//! Rows go in by ascending tag and ascending ids: every index grows at its end, or at as many ends
//! as there are organizations. They have no audit events.

use super::draw::{self, Drawn};
use super::{Store, Template};
use crate::Outcome;
use rusqlite::types::Value;
use rusqlite::{Connection, Statement};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use tenantry_core::accounts::Account;
use tenantry_core::clock::{Clock as _, SystemClock, Timestamp};
use tenantry_core::commit::shard_of;
use tenantry_core::credentials::{Credential, Owner};
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::Sealed;

/// Rows that go from the thread that seals to the one that writes at once.
const BATCH: usize = 1024;

/// A key, and its account where it is the account's first.
type Pair = (Option<Sealed<Account>>, Sealed<Credential>);

/// Fills a store that the plane has begun.
pub(super) fn fill(store: &Store, template: &Template) -> Outcome {
    let drawn = draw::draw(&template.secrets, store.keys, &store.key_file())?;
    let database = Connection::open(store.data().join("tenantry.db"))?;
    // What is half made is made again, so nothing has to survive.
    database.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
         PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -524288; BEGIN;",
    )?;
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(64);
        let keys_per_account = store.keys_per_account;
        scope.spawn(move || seal(template, &drawn, keys_per_account, &sender));
        write(&database, template, receiver)
    })?;
    database.execute_batch("COMMIT; PRAGMA journal_mode = WAL;")?;
    database.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn seal(
    template: &Template,
    drawn: &[Drawn],
    keys_per_account: u64,
    batches: &SyncSender<Vec<Pair>>,
) {
    // An id for each millisecond, all in the past.
    let now = SystemClock.now().micros();
    let span = i64::try_from(drawn.len()).unwrap_or(0);
    let mut at = now - span * 1000;
    let mut owners = template.organizations.iter().cycle();
    let mut account = template.created.account.clone();
    let mut left = 0;
    for some in drawn.chunks(BATCH) {
        let batch = some.iter().map(|drawn| {
            at += 1000;
            let time = Timestamp::from_micros(at);
            let first = left == 0;
            if first && let Some((root, member)) = owners.next() {
                left = keys_per_account;
                account.id = AccountId::generate(&SystemRng, time);
                account.parent = Some(*root);
                account.created_by = *member;
            }
            left -= 1;
            let (root, member) = (account.root(), account.created_by);
            let mut key = template.created.key.clone();
            key.id = CredentialId::generate(&SystemRng, time);
            key.lineage = key.id;
            key.owner = Owner::Account { account: account.id, root, member };
            key.tag = drawn.tag();
            key.start = drawn.start();
            let account = first.then(|| Sealed::new(account.clone(), &template.secrets));
            (account, Sealed::new(key, &template.secrets))
        });
        if batches.send(batch.collect()).is_err() {
            return;
        }
    }
}

fn write(database: &Connection, template: &Template, batches: Receiver<Vec<Pair>>) -> Outcome {
    let created = &template.created;
    let mut accounts = Copies::of(database, "accounts", created.account.id.as_bytes())?;
    let mut keys = Copies::of(database, "credentials", created.key.id.as_bytes())?;
    for (account, key) in batches.into_iter().flatten() {
        if let Some(account) = account {
            let (seal, account) = (account.seal(), account.record());
            accounts.set("id", account.id.as_bytes())?;
            accounts.set("parent_id", account.root().as_bytes())?;
            accounts.set("shard", shard_of(account.root()))?;
            accounts.set("created_by_member", account.created_by.as_bytes())?;
            accounts.set("row_mac", seal)?;
            accounts.insert()?;
        }
        let (seal, key) = (key.seal(), key.record());
        let Owner::Account { account, root, member } = key.owner else {
            return Err("a key without an account".into());
        };
        keys.set("id", key.id.as_bytes())?;
        keys.set("account_id", account.as_bytes())?;
        keys.set("root_id", root.as_bytes())?;
        keys.set("member_id", member.as_bytes())?;
        keys.set("tag", key.tag.as_bytes())?;
        keys.set("start", key.start.as_str())?;
        keys.set("lineage", key.lineage.as_bytes())?;
        keys.set("row_mac", seal)?;
        keys.insert()?;
    }
    Ok(())
}

/// A statement that inserts copies of one row.
struct Copies<'a> {
    statement: Statement<'a>,
    columns: Vec<String>,
}

impl<'a> Copies<'a> {
    fn of(database: &'a Connection, table: &str, id: &[u8; 16]) -> Outcome<Self> {
        let mut select = database.prepare(&format!("SELECT * FROM {table} WHERE id = ?1"))?;
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let values: Vec<Value> = select.query_row([id], |row| {
            (0..columns.len()).map(|index| row.get::<_, Value>(index)).collect()
        })?;
        let holes = vec!["?"; columns.len()].join(", ");
        let names = columns.join(", ");
        let mut statement =
            database.prepare(&format!("INSERT INTO {table} ({names}) VALUES ({holes})"))?;
        for (index, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(index + 1, value)?;
        }
        Ok(Self { statement, columns })
    }

    fn set(&mut self, column: &str, value: impl rusqlite::ToSql) -> Outcome {
        let index = self.columns.iter().position(|name| name == column);
        let index = index.ok_or_else(|| format!("there is no column {column}"))?;
        Ok(self.statement.raw_bind_parameter(index + 1, value)?)
    }

    fn insert(&mut self) -> Outcome {
        self.statement.raw_execute()?;
        Ok(())
    }
}
