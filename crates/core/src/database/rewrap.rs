//! Data keys under another key-encryption key: online, one row at a time, and begun again where it
//! stopped.

use crate::Plane;
use crate::actor::{Actor, Context};
use crate::error::{Conflict, Denial, Error, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::secrets::Sealed;

/// How far the data keys are under the newest key-encryption key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Data keys that were put under it now.
    pub rewrapped: u64,
    /// Data keys that were under it already.
    pub current: u64,
    /// Rows that somebody changed meanwhile, or that cannot be read: another run finds them.
    pub left: u64,
    /// Other values that the plane keeps sealed, sealed anew with the last page.
    pub resealed: u64,
    /// Where the next page begins.
    pub next: Option<AccountId>,
}

impl Plane {
    /// Puts the data keys of a page of tenant databases under the newest key-encryption key; with the
    /// last page, all else that the plane keeps sealed.
    ///
    /// # Errors
    /// [`Denial::OperatorOnly`], what the store says.
    pub async fn rewrap_databases(
        &self,
        context: &Context,
        after: Option<AccountId>,
    ) -> Result<Rewrapped> {
        if !matches!(context.actor, Actor::Operator(_)) {
            return Err(Error::Forbidden(Denial::OperatorOnly));
        }
        let mut done = Rewrapped::default();
        let rows = self.store.list_databases(None, after, limits::LIST_PAGE_MAX).await?;
        if rows.len() == usize::try_from(limits::LIST_PAGE_MAX).unwrap_or(usize::MAX) {
            done.next = rows.last().map(|(id, _)| AccountId::from_bytes(*id));
        }
        for (_, row) in rows {
            let Ok(mut database) = row.and_then(|row| row.open(&self.secrets)) else {
                done.left += 1;
                continue;
            };
            let wrapped = &database.key;
            let Some(key) = self.secrets.rewrap_data_key(&*self.rng, database.account, wrapped)?
            else {
                done.current += 1;
                continue;
            };
            database.key = key;
            database.touch(self.clock.now());
            let sealed = Sealed::new(database, &self.secrets);
            match self.store.update_database(&sealed, None).await {
                Ok(()) => done.rewrapped += 1,
                Err(Error::Conflict(Conflict::Changed)) => done.left += 1,
                Err(error) => return Err(error),
            }
        }
        if done.next.is_none() {
            let others = self.reseal_values(context).await?;
            done.resealed = others.resealed.into();
            done.left += u64::from(others.unreadable);
        }
        Ok(done)
    }
}
