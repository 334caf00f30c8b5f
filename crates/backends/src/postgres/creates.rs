//! Creates that share a commit.
//!
//! Those that gather while others are committed are written by statements of many rows, in one
//! transaction: all of them or none. Where the database, or a rule, refuses one, all are done again
//! one by one, so that it alone is refused. Only creates are gathered: a change that writes the
//! change log holds the head of its shard, and is wanted with a place of its own there.

use super::changes::write_commits;
use super::errors::chain;
use super::gather::{Asked, Bounds, deadlines};
use super::session::{CALL_DEADLINE, Expect, Grouped, Work, unavailable};
use super::{PostgresStore, accounts, credentials};
use futures_util::future::join_all;
use tenantry_core::commit::Commit;
use tenantry_core::credentials::Credential;
use tenantry_core::error::{Error, Result};
use tenantry_core::secrets::Sealed;
use tenantry_core::store::{Committed, NewRows};
use tokio::time::Instant;

/// How creates are gathered. One that nothing answers may have been made.
pub(super) const BOUNDS: Bounds = Bounds {
    under_way: 2,
    together: 64,
    waiting: 4096,
    within: CALL_DEADLINE,
    unanswered: || Error::outcome_unknown("the create was given up"),
};

/// How long a group waits for a row that another transaction has locked, before its creates are
/// done one by one and only the one that needs the row waits.
const HURRY: &str = "SET LOCAL lock_timeout = 100";

/// Something new.
pub(super) enum Create {
    /// A sub-account with its first key.
    Account(Box<NewRows>),
    /// A key, where its account has fewer than so many that live.
    Key(Box<(Sealed<Credential>, u32, Commit)>),
}

impl Create {
    fn commit(&self) -> &Commit {
        match self {
            Self::Account(rows) => &rows.2,
            Self::Key(key) => &key.2,
        }
    }

    /// Rows of one table are locked by id, whoever comes first.
    fn place(&self) -> [u8; 16] {
        let id = match self {
            Self::Account(rows) => rows.0.record().root(),
            Self::Key(key) => key.0.record().owner.root(),
        };
        *id.as_bytes()
    }
}

impl PostgresStore {
    /// Creates one thing, beside whatever else is created now.
    pub(super) async fn create(&self, create: Create) -> Result<Committed> {
        if create.commit().change.is_some() {
            return self.create_alone(&create, Instant::now() + CALL_DEADLINE).await;
        }
        let store = self.clone();
        let answer_all = move |batch| {
            let store = store.clone();
            async move { store.create_all(batch).await }
        };
        self.creates.ask(create, answer_all).await
    }

    async fn create_alone(&self, create: &Create, until: Instant) -> Result<Committed> {
        self.write_until(&work([create])?, until).await.map(|done| done.committed)
    }

    async fn create_all(&self, mut batch: Vec<Asked<Create, Committed>>) {
        if batch.len() > 1 {
            batch.sort_by_key(|asked| asked.question.place());
            match self.create_group(&batch).await {
                // None of them writes the change log.
                Ok(Grouped::Made) => return answer(batch, || Ok(None)),
                Ok(Grouped::NotMade) => {}
                Err(error) => return answer(batch, || Err(told(&error))),
            }
        }
        join_all(batch.into_iter().map(|asked| async move {
            let outcome = self.create_alone(&asked.question, asked.until).await;
            asked.answer(outcome);
        }))
        .await;
    }

    async fn create_group(&self, batch: &[Asked<Create, Committed>]) -> Result<Grouped> {
        let Ok(mut work) = work(batch.iter().map(|asked| &asked.question)) else {
            // One of them cannot be written down: it is found alone.
            return Ok(Grouped::NotMade);
        };
        work.push_first(HURRY);
        self.write_group(&work, deadlines(batch)).await
    }
}

/// What became of all, told to one of them.
fn told(error: &Error) -> Error {
    let why = chain(error);
    match error {
        Error::OutcomeUnknown(_) => Error::outcome_unknown(why),
        _ => unavailable(&why),
    }
}

fn answer(batch: Vec<Asked<Create, Committed>>, outcome: impl Fn() -> Result<Committed>) {
    for asked in batch {
        asked.answer(outcome());
    }
}

/// What creates all of these, or nothing.
fn work<'a>(creates: impl IntoIterator<Item = &'a Create>) -> Result<Work<'a>> {
    let mut work = Work::default();
    let (mut new_accounts, mut new_keys, mut commits) = (Vec::new(), Vec::new(), Vec::new());
    let mut counted = Vec::new();
    for create in creates {
        commits.push(create.commit());
        match create {
            Create::Account(rows) => {
                new_accounts.push(&rows.0);
                new_keys.push(&rows.1);
            }
            Create::Key(key) => {
                counted.push((&key.0, key.1));
                new_keys.push(&key.0);
            }
        }
    }
    if !new_accounts.is_empty() {
        accounts::insert(&mut work, &new_accounts)?;
    }
    credentials::count(&mut work, &counted);
    credentials::insert(&mut work, &new_keys)?;
    write_commits(&mut work, &commits)?;
    Ok(work)
}

impl Expect {
    /// Below `max`, less the keys of the same account that are created before in the same group.
    pub(super) fn keys_below(max: u32, before: usize) -> Self {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        Self::Below { limit: "keys", max: max.saturating_sub(before) }
    }
}
