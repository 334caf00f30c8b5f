//! Case 100: whoever can write to the database changes the trail, or the rows that it is about.
//!
//! Each change is made by SQL to a fresh copy of one store, all of whose events are older than a
//! checkpoint, and `audit verify` has to name it. Seen failing: without the comparison of rows and
//! trail the older rows pass, without heads in checkpoints the consistent cuts do, and without the
//! count of each chain's events those that were slipped in.

use crate::audit::{busy, copy_path, seal, trail};
use crate::support::TestApp;
use rusqlite::Connection;
use serde_json::json;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use tenantry_backends::sqlite::{DATABASE_FILE, Inspection, TrailReport};
use tenantry_core::rng::{self, SeededRng};
use tenantry_core::secrets::{Secrets, SecretsMaterial};

/// Changes of each kind.
const EACH: u64 = 8;

/// A store that was closed, as it was at some time.
struct Prepared {
    directory: tempfile::TempDir,
    secrets: Secrets,
}

impl Prepared {
    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The whole database in one file.
fn keep(app: &TestApp, path: &Path) {
    let database = app.embedded().expect("the embedded store");
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
    fs::copy(app.directory().join(DATABASE_FILE), path).expect("a copy");
}

/// `older.db`, in which nothing is revoked, suspended or sealed since; `newest.db`; and the copy of
/// the newest's checkpoints.
async fn prepare() -> Option<Prepared> {
    let directory = tempfile::tempdir().expect("a directory");
    let app = busy().await;
    if app.is_shared() {
        return None;
    }
    seal(&app).await;
    keep(&app, &directory.path().join("older.db"));
    for number in 0..6 {
        let account = app.sub_account(&format!("c{number}")).await;
        app.owner().post(&format!("/v1/keys/{}/revoke", account.key_id), json!({})).await;
        if number % 2 == 0 {
            seal(&app).await;
        }
    }
    let database = app.embedded().expect("the embedded store");
    let mut statement =
        database.prepare("SELECT id FROM credentials WHERE status = 'active'").expect("a query");
    let keys = statement.query_map([], |row| row.get::<_, [u8; 16]>(0)).expect("keys");
    let keys: Vec<[u8; 16]> = keys.map(|key| key.expect("an id")).collect();
    for key in keys.into_iter().take(8) {
        let id = tenantry_core::ids::CredentialId::from_bytes(key);
        app.owner().delete(&format!("/v1/keys/{id}")).await;
    }
    let path = format!("/operator/organizations/{}/suspended", app.organization.uuid);
    app.operator().post(&path, json!({ "suspended": true })).await;
    seal(&app).await;
    let report = trail(&app);
    assert_eq!((report.unsealed, report.uncovered, report.findings.wrong), (0, 0, 0), "{report:?}");
    keep(&app, &directory.path().join("newest.db"));
    fs::copy(copy_path(&app), directory.path().join("checkpoints")).expect("a copy");
    let material = SecretsMaterial::generate(&SeededRng::new(7)).expect("secrets");
    Some(Prepared { directory, secrets: Secrets::new(&material) })
}

/// What `audit verify` says of the newest store after `edit`.
fn verify(prepared: &Prepared, edit: &str, with_copy: bool) -> TrailReport {
    let directory = tempfile::tempdir().expect("a directory");
    let database = directory.path().join(DATABASE_FILE);
    fs::copy(prepared.file("newest.db"), &database).expect("a copy");
    let connection = Connection::open(&database).expect("the database");
    let older = prepared.file("older.db");
    connection
        .execute("ATTACH ?1 AS older", [older.to_str().expect("UTF-8")])
        .expect("the older database");
    connection.execute_batch("PRAGMA foreign_keys = OFF").expect("a setting");
    connection.execute_batch(edit).unwrap_or_else(|error| panic!("{error}: {edit}"));
    drop(connection);
    let mut copy = BufReader::new(File::open(prepared.file("checkpoints")).expect("the copy"));
    let copy = with_copy.then_some(&mut copy as &mut dyn BufRead);
    let inspection = Inspection::open(directory.path()).expect("the database");
    inspection.check_trail(&prepared.secrets, copy, &mut |_| {}).expect("a report")
}

/// Draws numbers.
struct Chance(SeededRng);

impl Chance {
    fn below(&self, limit: u64) -> u64 {
        u64::from_be_bytes(rng::draw(&self.0)) % limit
    }

    fn of<'a>(&self, texts: &[&'a str]) -> &'a str {
        texts[usize::try_from(self.below(texts.len() as u64)).expect("small")]
    }
}

/// A kind of change: its name, what it must be told as, and the statements of one such change.
type Kind = (&'static str, &'static [&'static str], fn(&Chance) -> String);

/// An event, link or row by chance, as an SQL expression of its id.
fn any(chance: &Chance, table: &str, of: &str, which: &str) -> String {
    let skip = chance.below(1 << 20);
    format!(
        "(SELECT {of} FROM {table} WHERE {which}
          LIMIT 1 OFFSET {skip} % (SELECT count(*) FROM {table} WHERE {which}))"
    )
}

/// A chain of at least 8 links, and a number in it that has three before and three behind it.
fn place(chance: &Chance) -> (String, String) {
    let root = any(chance, "audit_chains", "root_id", "length >= 8");
    let number = chance.below(1 << 20);
    let length = format!("(SELECT length FROM audit_chains WHERE root_id = {root})");
    (root, format!("(4 + {number} % ({length} - 6))"))
}

const KINDS: [Kind; 26] = [
    ("a column of an event", &["event_altered"], |chance| {
        let event = any(chance, "audit_events", "id", "1");
        let column = chance.of(&[
            "actor_kind",
            "actor_id",
            "action",
            "target_kind",
            "target_id",
            "request_id",
        ]);
        format!("UPDATE audit_events SET {column} = {column} || 'x' WHERE id = {event}")
    }),
    ("another column of an event", &["event_altered"], |chance| {
        let event = any(chance, "audit_events", "id", "1");
        let change = chance.of(&[
            "at = at + 1",
            "facts = '[]'",
            "facts = '[[\"a\",\"b\"]]'",
            "address = '192.0.2.9'",
            "mac = randomblob(32)",
            "facts = 'no JSON'",
        ]);
        // Some have no facts.
        format!(
            "UPDATE audit_events SET {change}, request_id = request_id || 'x' WHERE id = {event}"
        )
    }),
    // Findings come by root: a random one may sort before those of the store.
    (
        "an event's organization",
        &["event_dropped", "event_altered", "event_not_in_chain"],
        |chance| {
            let event = any(chance, "audit_events", "id", "1");
            format!("UPDATE audit_events SET root_id = randomblob(16) WHERE id = {event}")
        },
    ),
    ("an event's id", &["event_dropped"], |chance| {
        let event = any(chance, "audit_events", "id", "1");
        format!("UPDATE audit_events SET id = randomblob(16) WHERE id = {event}")
    }),
    ("an event dropped", &["event_dropped"], |chance| {
        let event = any(chance, "audit_events", "id", "1");
        format!("DELETE FROM audit_events WHERE id = {event}")
    }),
    ("an event and its link dropped", &["links_dropped"], |chance| {
        let (root, number) = place(chance);
        format!(
            "CREATE TEMP TABLE p AS SELECT root_id, sequence, event_id FROM audit_links
                 WHERE root_id = {root} AND sequence = {number};
             DELETE FROM audit_events WHERE id = (SELECT event_id FROM p);
             DELETE FROM audit_links WHERE event_id = (SELECT event_id FROM p)"
        )
    }),
    ("the same, and the later ones renumbered", &["link_altered"], |chance| {
        let (root, number) = place(chance);
        format!(
            "CREATE TEMP TABLE p AS SELECT root_id, sequence, event_id FROM audit_links
                 WHERE root_id = {root} AND sequence = {number};
             DELETE FROM audit_events WHERE id = (SELECT event_id FROM p);
             DELETE FROM audit_links WHERE event_id = (SELECT event_id FROM p);
             UPDATE audit_links SET sequence = -sequence
                 WHERE root_id = (SELECT root_id FROM p) AND sequence > (SELECT sequence FROM p);
             UPDATE audit_links SET sequence = -sequence - 1 WHERE sequence < 0;
             UPDATE audit_chains SET length = length - 1 WHERE root_id = (SELECT root_id FROM p)"
        )
    }),
    ("two numbers exchanged", &["link_altered"], |chance| {
        let (root, number) = place(chance);
        let other = 1 + chance.below(3);
        format!(
            "CREATE TEMP TABLE p AS SELECT root_id, sequence AS a, sequence + {other} AS b
                 FROM audit_links WHERE root_id = {root} AND sequence = {number};
             UPDATE audit_links SET sequence = -1
                 WHERE root_id = (SELECT root_id FROM p) AND sequence = (SELECT a FROM p);
             UPDATE audit_links SET sequence = (SELECT a FROM p)
                 WHERE root_id = (SELECT root_id FROM p) AND sequence = (SELECT b FROM p);
             UPDATE audit_links SET sequence = (SELECT b FROM p) WHERE sequence = -1"
        )
    }),
    ("two events exchanged in their chain", &["link_altered"], |chance| {
        let (root, number) = place(chance);
        format!(
            "CREATE TEMP TABLE p AS SELECT root_id, sequence, event_id FROM audit_links
                 WHERE root_id = {root} AND sequence IN ({number}, {number} + 1);
             UPDATE audit_links SET event_id = (SELECT event_id FROM p
                     WHERE p.root_id = audit_links.root_id AND p.sequence <> audit_links.sequence)
                 WHERE event_id IN (SELECT event_id FROM p)"
        )
    }),
    ("a link's hash", &["link_altered"], |chance| {
        let (root, number) = place(chance);
        format!(
            "UPDATE audit_links SET hash = randomblob(32)
             WHERE root_id = {root} AND sequence = {number}"
        )
    }),
    ("the tail of a chain with its head and events", &["cut_off"], |chance| cut(chance, "")),
    ("the same, with the checkpoints that cover it", CUT_WITHOUT_A_TRACE, |chance| {
        cut(chance, "DELETE FROM audit_checkpoints WHERE number > 1")
    }),
    ("the links of a tail", &["cut_off"], |chance| {
        let (root, number) = place(chance);
        format!(
            "CREATE TEMP TABLE p AS SELECT root_id, sequence FROM audit_links
                 WHERE root_id = {root} AND sequence = {number};
             DELETE FROM audit_links WHERE root_id = (SELECT root_id FROM p)
                 AND sequence > (SELECT sequence FROM p)"
        )
    }),
    ("a whole chain with its events", &["cut_off"], |chance| {
        let root = any(chance, "audit_chains", "root_id", "1");
        format!(
            "CREATE TEMP TABLE p AS SELECT {root} AS root_id;
             DELETE FROM audit_events WHERE root_id = (SELECT root_id FROM p);
             DELETE FROM audit_links WHERE root_id = (SELECT root_id FROM p);
             DELETE FROM audit_chains WHERE root_id = (SELECT root_id FROM p);
             UPDATE audit_progress SET event_id =
                 (SELECT id FROM audit_events ORDER BY rowid DESC LIMIT 1)"
        )
    }),
    ("a head", &["cut_off", "head_altered", "head_dropped", "chain_not_in_checkpoint"], |chance| {
        let root = any(chance, "audit_chains", "root_id", "1");
        let change = chance.of(&[
            "UPDATE audit_chains SET length = length + 1",
            "UPDATE audit_chains SET length = length - 1",
            "UPDATE audit_chains SET hash = randomblob(32)",
            "UPDATE audit_chains SET covered_by = covered_by + 1",
            "DELETE FROM audit_chains",
        ]);
        format!("{change} WHERE root_id = {root}")
    }),
    ("a checkpoint dropped", CHECKPOINT_DROPPED, |chance| {
        let number = any(chance, "audit_checkpoints", "number", "1");
        format!("DELETE FROM audit_checkpoints WHERE number = {number}")
    }),
    ("a checkpoint's text", &["checkpoint_altered"], |chance| {
        let number = any(chance, "audit_checkpoints", "number", "1");
        let with = chance.of(&[
            "replace(line, 'acc_', 'acc_2')",
            "replace(line, '\"heads\":[[', '\"heads\":[')",
            "replace(line, '\"signature\":\"', '\"signature\":\"A')",
            "replace(line, '\"at\":\"20', '\"at\":\"19')",
            "substr(line, 1, 40)",
            "''",
        ]);
        format!("UPDATE audit_checkpoints SET line = {with} WHERE number = {number}")
    }),
    ("two checkpoints exchanged", &["checkpoint_altered"], |chance| {
        let number = 1 + chance.below(4);
        format!(
            "UPDATE audit_checkpoints SET number = -1 WHERE number = {number};
             UPDATE audit_checkpoints SET number = {number} WHERE number = {number} + 1;
             UPDATE audit_checkpoints SET number = {number} + 1 WHERE number = -1"
        )
    }),
    ("an older authentic key row", &["row_put_back"], |chance| put_back(chance, "credentials")),
    ("an older authentic account row", &["row_put_back"], |chance| put_back(chance, "accounts")),
    ("a key row", &["row_altered"], |chance| {
        let key = any(chance, "credentials", "id", "1");
        let change = chance.of(&[
            "permissions = '[\"tenantry.*:read\"]'",
            "metadata = '{\"a\":1}'",
            "expires_at = 1",
            "tag = randomblob(32)",
            "created_at = created_at + 1",
            "version = version + 1",
            "status = 'disabled', revoked_at = NULL",
        ]);
        format!("UPDATE credentials SET {change} WHERE id = {key}")
    }),
    ("an account or service account", &["row_altered"], |chance| {
        let table = chance.of(&["accounts", "service_accounts"]);
        let row = any(chance, table, "id", "1");
        format!("UPDATE {table} SET name = name || 'x' WHERE id = {row}")
    }),
    ("a row dropped", &["row_dropped"], |chance| {
        let table = chance.of(&["credentials", "accounts", "service_accounts"]);
        let row = any(chance, table, "id", "1");
        format!("DELETE FROM {table} WHERE id = {row}")
    }),
    ("a key row made up", &["row_altered"], |chance| {
        let key = any(chance, "credentials", "id", "1");
        format!(
            "CREATE TEMP TABLE p AS SELECT * FROM credentials WHERE id = {key};
             UPDATE p SET id = randomblob(16), tag = randomblob(32);
             INSERT INTO credentials SELECT * FROM p"
        )
    }),
    ("an event slipped in", &["event_not_in_chain", "event_altered"], |chance| {
        let event = any(chance, "audit_events", "id", "1");
        // At the end, or in the place of nothing before all others.
        let place = chance.of(&["(SELECT max(rowid) + 1 FROM audit_events)", "-1"]);
        format!(
            "CREATE TEMP TABLE p AS SELECT * FROM audit_events WHERE id = {event};
             UPDATE p SET id = randomblob(16);
             INSERT INTO audit_events (id, root_id, at, actor_kind, actor_id, action, target_kind,
                 target_id, facts, request_id, address, mac) SELECT * FROM p;
             UPDATE audit_events SET rowid = {place} WHERE id = (SELECT id FROM p)"
        )
    }),
    ("the mark", &["mark_altered"], |chance| {
        let event = any(chance, "audit_events", "id", "rowid < 20");
        let change = chance.of(&["NULL", "randomblob(16)", &event]).to_owned();
        format!("UPDATE audit_progress SET event_id = {change}")
    }),
];

/// What only the copy outside the store can tell.
const CUT_WITHOUT_A_TRACE: &[&str] = &["checkpoint_not_in_store"];
/// The last one is missed by chains that name it.
const CHECKPOINT_DROPPED: &[&str] =
    &["checkpoint_dropped", "chain_not_in_checkpoint", "checkpoint_not_in_store"];

/// Cuts a chain off as if it had never been longer, as far as it was when `older.db` was kept.
fn cut(chance: &Chance, and: &str) -> String {
    let root = any(
        chance,
        "audit_chains",
        "root_id",
        "length > (SELECT length FROM older.audit_chains o WHERE o.root_id = audit_chains.root_id)",
    );
    format!(
        "CREATE TEMP TABLE p AS SELECT * FROM older.audit_chains WHERE root_id = {root};
         CREATE TEMP TABLE gone AS SELECT event_id FROM audit_links
             WHERE root_id = (SELECT root_id FROM p) AND sequence > (SELECT length FROM p);
         DELETE FROM audit_events WHERE id IN gone;
         DELETE FROM audit_links WHERE event_id IN gone;
         DELETE FROM audit_chains WHERE root_id = (SELECT root_id FROM p);
         INSERT INTO audit_chains SELECT * FROM p;
         {and};
         UPDATE audit_progress SET event_id =
             (SELECT id FROM audit_events ORDER BY rowid DESC LIMIT 1)"
    )
}

/// Puts a row back as it was when `older.db` was kept, which the plane itself had sealed.
fn put_back(chance: &Chance, table: &str) -> String {
    let row = any(
        chance,
        table,
        "id",
        &format!("version > (SELECT version FROM older.{table} o WHERE o.id = main.{table}.id)"),
    );
    format!(
        "CREATE TEMP TABLE p AS SELECT * FROM older.{table} WHERE id = {row};
         DELETE FROM main.{table} WHERE id = (SELECT id FROM p);
         INSERT INTO main.{table} SELECT * FROM p"
    )
}

#[tokio::test]
async fn case_100_every_change_by_sql_is_named_and_the_untouched_trail_is_clean() {
    let Some(prepared) = Box::pin(prepare()).await else { return };
    let untouched = verify(&prepared, "", true);
    assert_eq!(untouched.findings.wrong, 0, "{untouched:?}");
    let mut changes = 0;
    for (kind, expected, edit) in KINDS {
        for seed in 0..EACH {
            let edit = edit(&Chance(SeededRng::new(seed)));
            let report = verify(&prepared, &edit, true);
            let codes: Vec<&str> =
                report.findings.first.iter().map(|finding| finding.problem.code()).collect();
            assert!(!codes.is_empty(), "{kind}, seed {seed} is not found:\n{edit}");
            let named = expected.contains(&codes[0]);
            assert!(named, "{kind}, seed {seed}: {:?}\n{edit}", report.findings.first);
            changes += 1;
        }
    }
    assert!(changes >= 200, "{changes}");
}

/// The test can see what the copy is for: without it a store that was set back whole is clean.
#[tokio::test]
async fn a_store_that_was_set_back_whole_is_named_by_the_copy_alone() {
    let Some(prepared) = Box::pin(prepare()).await else { return };
    let older = |with_copy: bool| {
        fs::copy(prepared.file("older.db"), prepared.file("newest.db")).expect("set back");
        verify(&prepared, "", with_copy)
    };
    assert_eq!(older(false).findings.wrong, 0);
    let report = older(true);
    let codes: Vec<&str> = report.findings.first.iter().map(|f| f.problem.code()).collect();
    assert_eq!(codes[0], "checkpoint_not_in_store", "{report:?}");
    assert!(codes.contains(&"cut_off"), "{report:?}");
}
