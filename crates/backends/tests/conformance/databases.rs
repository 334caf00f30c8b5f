//! `DatabaseStore`.

use crate::backend::Backend;
use crate::support::{Draw, NOW};
use std::time::Duration;
use tenantry_core::database::{
    CredentialKind, DatabaseHost, DatabaseIdentifier, DatabasePort, DatabaseState, Login, Nonce,
    Origin, Step, TenantDatabase,
};
use tenantry_core::error::{Conflict, Error};
use tenantry_core::ids::AccountId;
use tenantry_core::page::Listed;
use tenantry_core::secrets::WrappedKey;
use tokio::task::JoinSet;

fn database(draw: &Draw, root: AccountId, name: &str) -> TenantDatabase {
    TenantDatabase {
        account: AccountId::generate(&draw.rng, NOW),
        root,
        host: DatabaseHost::parse("DB.example.com").expect("a host"),
        port: DatabasePort::DEFAULT,
        name: DatabaseIdentifier::parse(name).expect("a name"),
        server: None,
        user: DatabaseIdentifier::parse("root-user").expect("a name"),
        nonce: Nonce([7; 8]),
        state: DatabaseState::Provisioning,
        step: Step::Requested,
        acknowledged: false,
        origin: None,
        credential: None,
        key: WrappedKey { kek: 3, bytes: vec![1, 2, 3] },
        root_password: Some(vec![4, 5]),
        passwords: [None, None],
        next_password: None,
        login: Login::A,
        overlap_until: None,
        pending: Some(vec![6]),
        schema_version: 0,
        failure: None,
        attempts: 0,
        due_at: Some(NOW),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

/// Everything that may stand in a row.
fn full(mut database: TenantDatabase) -> TenantDatabase {
    database.server = Some("eu-1".into());
    database.state = DatabaseState::Active;
    database.step = Step::Active;
    database.acknowledged = true;
    database.origin = Some(Origin::Adopted);
    database.credential = Some(CredentialKind::Limited);
    database.root_password = None;
    database.passwords = [Some(vec![1]), Some(vec![2, 0, 255])];
    database.next_password = Some(vec![3]);
    database.login = Login::B;
    database.overlap_until = Some(NOW.plus(Duration::from_secs(1)));
    database.pending = None;
    database.schema_version = 42;
    database.failure = Some("unreachable".into());
    database.attempts = 7;
    database.due_at = None;
    database.touch(NOW);
    database
}

fn opened(draw: &Draw, rows: Listed<TenantDatabase>) -> Vec<TenantDatabase> {
    let open = |(id, row): ([u8; 16], tenantry_core::Result<_>)| {
        let row: tenantry_core::secrets::Unverified<TenantDatabase> = row.expect("readable");
        let database = row.open(&draw.secrets).expect("its seal");
        assert_eq!(*database.account.as_bytes(), id);
        database
    };
    rows.into_iter().map(open).collect()
}

pub(crate) async fn a_database_reads_back_with_its_seal_in_every_form(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let mut wanted = database(&draw, root, "one");
    let id = wanted.account;
    let find = async |root| {
        let found = store.find_database(root, id).await.expect("a read");
        found.map(|row| row.open(&draw.secrets).expect("its seal"))
    };
    assert_eq!(find(root).await, None);
    store.insert_database(&draw.seal(wanted.clone())).await.expect("stored");
    assert_eq!(find(root).await, Some(wanted.clone()));
    assert_eq!(find(other).await, None);
    wanted = full(wanted);
    store.update_database(&draw.seal(wanted.clone()), None).await.expect("stored");
    assert_eq!(find(root).await, Some(wanted.clone()));
    let any = store.find_any_database(id).await.expect("a read").expect("it");
    assert_eq!(any.open(&draw.secrets).expect("its seal"), wanted);
}

pub(crate) async fn a_place_has_one_database_that_has_not_failed(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let mut inserts = JoinSet::new();
    for _ in 0..20 {
        let (store, row) = (store.clone(), draw.seal(database(&draw, root, "one")));
        inserts.spawn(async move { store.insert_database(&row).await });
    }
    let outcomes = inserts.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let taken = |outcome: &tenantry_core::Result<()>| {
        matches!(outcome, Err(Error::Conflict(Conflict::Taken)))
    };
    assert_eq!(outcomes.iter().filter(|outcome| taken(outcome)).count(), 19);
    let rows = store.list_databases(Some(root), None, 10).await.expect("a list");
    let mut first = opened(&draw, rows).remove(0);
    let mut twice = database(&draw, root, "another");
    twice.account = first.account;
    assert!(taken(&store.insert_database(&draw.seal(twice)).await));
    // Another port is another place, and what failed holds none.
    let mut beside = database(&draw, root, "one");
    beside.port = DatabasePort::from_number(5433).expect("a port");
    store.insert_database(&draw.seal(beside)).await.expect("stored");
    first.state = DatabaseState::Failed;
    first.touch(NOW);
    store.update_database(&draw.seal(first), None).await.expect("stored");
    store.insert_database(&draw.seal(database(&draw, root, "one"))).await.expect("stored");
}

pub(crate) async fn a_database_is_replaced_by_its_next_version_only(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let first = database(&draw, root, "one");
    store.insert_database(&draw.seal(first.clone())).await.expect("stored");
    let changed = |outcome: &tenantry_core::Result<()>| {
        matches!(outcome, Err(Error::Conflict(Conflict::Changed)))
    };
    assert!(changed(&store.update_database(&draw.seal(first.clone()), None).await));
    let mut moved = full(first.clone());
    moved.root = other;
    assert!(changed(&store.update_database(&draw.seal(moved), None).await));
    let next = full(first.clone());
    let commit = draw.commit(root);
    store.update_database(&draw.seal(next.clone()), Some(commit)).await.expect("stored");
    assert!(changed(&store.update_database(&draw.seal(next), None).await));
    // Nor is another version deleted.
    let delete = async |root, version| {
        store.delete_database(root, first.account, version, draw.commit(root)).await
    };
    assert!(changed(&delete(root, 1).await));
    assert!(changed(&delete(other, 2).await));
    delete(root, 2).await.expect("deleted");
    assert!(changed(&delete(root, 2).await));
    assert!(store.find_database(root, first.account).await.expect("a read").is_none());
}

pub(crate) async fn an_account_comes_with_its_database_or_not_at_all(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let organization = draw.organization(&*store).await;
    let root = organization.account.id;
    let account = draw.sub_account(root);
    let key = draw.key(&account);
    let mut row = database(&draw, root, "one");
    row.account = account.id;
    store.insert_database(&draw.seal(row.clone())).await.expect("stored");
    let insert = async |row: &TenantDatabase| {
        let (row, account, key) =
            (draw.seal(row.clone()), draw.seal(account.clone()), draw.seal(key.clone()));
        store.insert_database_account(&row, &account, &key, draw.commit(root)).await
    };
    // Somebody else was at the row.
    let outcome = insert(&row).await;
    assert!(matches!(outcome, Err(Error::Conflict(Conflict::Changed))));
    assert!(store.find_account(root, account.id).await.expect("a read").is_none());
    let next = full(row);
    insert(&next).await.expect("stored");
    assert!(store.find_account(root, account.id).await.expect("a read").is_some());
    assert!(store.find_credential(root, key.id).await.expect("a read").is_some());
    // Both are replaced together, or neither.
    let (mut later, mut renamed) = (next.clone(), account.clone());
    later.touch(NOW);
    renamed.touch(NOW);
    let update = async |row: &TenantDatabase, account: &tenantry_core::accounts::Account| {
        let (row, account) = (draw.seal(row.clone()), draw.seal(account.clone()));
        store.update_database_account(&row, &account, draw.commit(root)).await
    };
    assert!(update(&next, &renamed).await.is_err());
    assert!(update(&later, &account).await.is_err());
    let version = async || {
        let found = store.find_database(root, account.id).await.expect("a read").expect("it");
        found.open(&draw.secrets).expect("its seal").version
    };
    assert_eq!(version().await, next.version);
    update(&later, &renamed).await.expect("stored");
    assert_eq!(version().await, later.version);
}

pub(crate) async fn databases_are_listed_by_account_and_by_when_they_are_due(
    backend: &dyn Backend,
) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    let other = draw.organization(&*store).await.account.id;
    let mut made = Vec::new();
    for number in 0..5_u64 {
        let mut row = database(&draw, root, &format!("db_{number}"));
        row.due_at = (number != 2).then(|| NOW.plus(Duration::from_secs(9 - number)));
        store.insert_database(&draw.seal(row.clone())).await.expect("stored");
        made.push(row);
    }
    let theirs = full(database(&draw, other, "theirs"));
    store.insert_database(&draw.seal(theirs.clone())).await.expect("stored");
    let mut sorted = made.clone();
    sorted.sort_by_key(|row| row.account);
    let list = async |root, after, limit| {
        opened(&draw, store.list_databases(root, after, limit).await.expect("a list"))
    };
    assert_eq!(list(Some(root), None, 10).await, sorted);
    assert_eq!(list(Some(root), None, 2).await, sorted[..2]);
    assert_eq!(list(Some(root), Some(sorted[1].account), 2).await, sorted[2..4]);
    assert_eq!(list(Some(other), None, 10).await, std::slice::from_ref(&theirs));
    assert_eq!(list(None, None, 10).await.len(), 6);
    let ids = [sorted[3].account, theirs.account, AccountId::generate(&draw.rng, NOW)];
    let found = store.list_databases_of(root, &ids).await.expect("a list");
    assert_eq!(opened(&draw, found), [sorted[3].clone()]);
    let due = async |seconds, limit| {
        let at = NOW.plus(Duration::from_secs(seconds));
        opened(&draw, store.list_due_databases(at, limit).await.expect("a list"))
    };
    assert_eq!(due(4, 10).await, []);
    assert_eq!(due(8, 10).await, [made[4].clone(), made[3].clone(), made[1].clone()]);
    assert_eq!(due(100, 1).await, [made[4].clone()]);
}

pub(crate) async fn managed_databases_that_have_not_failed_are_counted(backend: &dyn Backend) {
    let (store, draw) = (backend.store(), Draw::new());
    let root = draw.organization(&*store).await.account.id;
    for (name, server, state) in [
        ("a", Some("one"), DatabaseState::Active),
        ("b", Some("one"), DatabaseState::Provisioning),
        ("c", Some("two"), DatabaseState::Cleaning),
        ("d", Some("two"), DatabaseState::Failed),
        ("e", None, DatabaseState::Active),
    ] {
        let mut row = database(&draw, root, name);
        row.server = server.map(Into::into);
        row.state = state;
        store.insert_database(&draw.seal(row)).await.expect("stored");
    }
    let mut counts = store.count_managed_databases().await.expect("counts");
    counts.sort();
    assert_eq!(counts, [("one".into(), 2), ("two".into(), 1)]);
}
