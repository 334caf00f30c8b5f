//! Verifying one chain for its organization, a bounded part of it at a time.
//!
//! This shows an organization that its own trail is whole as far as the store tells. The operator's
//! command also compares rows, checkpoints and the copy outside the store.

use super::chain::ChainHead;
use super::checkpoint;
use super::trail::{ChainCheck, Findings, Problem};
use crate::Plane;
use crate::actor::Context;
use crate::error::Result;
use crate::ids::AccountId;
use crate::limits;
use crate::page::List;

/// What was found of a part of a chain.
#[derive(Debug)]
pub struct VerifiedChain {
    /// Whose chain; [`AccountId::PLANE`] for the operator's own.
    pub root: AccountId,
    /// How many links the chain has.
    pub length: u64,
    /// The number after which this part began.
    pub after: u64,
    /// The number of its last link.
    pub to: u64,
    /// What is wrong.
    pub findings: Findings,
    /// Where the next part begins; none after the last.
    pub next: Option<String>,
}

impl Plane {
    /// Verifies at most [`limits::AUDIT_VERIFY_EVENTS_MAX`] links of the caller's chain and their
    /// events; with the last of them, that the chain ends where its head and its checkpoint say.
    /// Events of the last second may not be in the chain yet.
    ///
    /// # Errors
    /// As for [`Plane::list_audit_events`].
    pub async fn verify_audit_chain(
        &self,
        context: &Context,
        cursor: Option<&str>,
    ) -> Result<VerifiedChain> {
        let root = self.trail_of(context).await?;
        let links = List { name: "audit_links", tenant: root, narrowed: &[] };
        let after = self.after(&links, cursor)?.map_or(0, number_of);
        let head = self.chain_head(root).await?;
        let mut findings = Findings::default();
        let begin = self.begin_after(root, after, &mut findings).await?;
        let mut check = ChainCheck::after(begin, &self.secrets);
        let to = head.length.min(after.saturating_add(u64::from(limits::AUDIT_VERIFY_EVENTS_MAX)));
        while check.last().length < to {
            let last = check.last().length;
            let most = u64::from(limits::AUDIT_VERIFY_BATCH).min(to - last);
            let most = u32::try_from(most).unwrap_or(limits::AUDIT_VERIFY_BATCH);
            let found = self.store.list_audit_links(root, last, most).await?;
            if found.is_empty() {
                break;
            }
            for link in found {
                check.next(link, &mut findings);
            }
            // The rows were read here and now; others have their turn in between.
            tokio::task::yield_now().await;
        }
        let last = check.last().length;
        let more = last >= to && to < head.length;
        if !more {
            self.check_end(head, &check, &mut findings).await?;
        }
        let next = more.then(|| self.cursor(&links, bytes_of(last)));
        Ok(VerifiedChain { root, length: head.length, after, to: last, findings, next })
    }

    async fn chain_head(&self, root: AccountId) -> Result<ChainHead> {
        let head = self.store.find_chain_heads(&[root]).await?.into_iter().next();
        Ok(head.unwrap_or(ChainHead::empty(root)))
    }

    /// The link after which a part begins.
    async fn begin_after(
        &self,
        root: AccountId,
        after: u64,
        findings: &mut Findings,
    ) -> Result<ChainHead> {
        if after == 0 {
            return Ok(ChainHead::empty(root));
        }
        let found = self.store.list_audit_links(root, after - 1, 1).await?;
        if let Some(stored) = found.first().filter(|stored| stored.link.sequence == after) {
            return Ok(ChainHead::of(&stored.link));
        }
        findings.add(Some(root), Some(after), Problem::LinksDropped(after));
        Ok(ChainHead { length: after, ..ChainHead::empty(root) })
    }

    async fn check_end(
        &self,
        head: ChainHead,
        check: &ChainCheck<'_>,
        findings: &mut Findings,
    ) -> Result<()> {
        check.end(Some(head), findings);
        let beyond = self.store.list_audit_links(head.root, head.length, 1).await?;
        let covering = self.store.find_covering_checkpoint(head.root).await?;
        let wrong = match covering {
            Some(number) if head.length > 0 => self.check_covering(head, number).await?,
            _ => None,
        };
        // Events are sealed while this looks on: what was read is of different instants then.
        if self.chain_head(head.root).await? != head {
            return Ok(());
        }
        if !beyond.is_empty() {
            findings.add(Some(head.root), Some(head.length), Problem::HeadAltered);
        }
        if let Some(problem) = wrong {
            findings.add(Some(head.root), Some(head.length), problem);
        }
        Ok(())
    }

    /// Whether the checkpoint that is said to cover a chain does.
    async fn check_covering(&self, head: ChainHead, number: u64) -> Result<Option<Problem>> {
        let found = self.store.list_checkpoints(number.saturating_sub(1), 1).await?;
        let Some(stored) = found.first().filter(|stored| stored.number == number) else {
            return Ok(Some(Problem::CheckpointDropped(number)));
        };
        Ok(match checkpoint::read(&stored.line, &self.secrets.checkpoint_key()) {
            Ok(signed) if signed.checkpoint.number != number => {
                Some(Problem::CheckpointAltered(number))
            }
            Ok(signed) if signed.checkpoint.heads.contains(&head) => None,
            Ok(_) => Some(Problem::NotCovered(number)),
            Err(_) => Some(Problem::CheckpointAltered(number)),
        })
    }
}

/// A cursor holds sixteen bytes; a number takes the last eight.
fn bytes_of(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

fn number_of(bytes: [u8; 16]) -> u64 {
    u64::try_from(u128::from_be_bytes(bytes)).unwrap_or(u64::MAX)
}
