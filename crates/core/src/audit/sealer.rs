//! Sealing: events into chains, chains into checkpoints, checkpoints to a place outside the store.
//!
//! One node seals, a moment after the events were committed. So a change waits for none of it, and
//! a chain has one writer. Each step is one transaction that says what it found, and is refused
//! where that has changed: a crash between any two leaves a chain that the next step continues.

use super::chain::{ChainHead, NewLinks, Unsealed};
use super::checkpoint::{self, Checkpoint, StoredCheckpoint};
use crate::Plane;
use crate::clock::Timestamp;
use crate::error::{Conflict, Error, Result};
use crate::ids::AccountId;
use crate::leads::{Lead, NodeId, Task};
use crate::limits;
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A place outside the store where checkpoints are kept, one line each.
#[async_trait]
pub trait CheckpointSink: Send + Sync {
    /// The last line, where there is one.
    ///
    /// # Errors
    /// What keeps it from being read.
    async fn last_line(&self) -> std::io::Result<Option<String>>;

    /// Adds lines, each whole and lasting when this returns.
    ///
    /// # Errors
    /// What keeps them from being kept; some may have been.
    async fn append(&self, lines: Vec<String>) -> std::io::Result<()>;
}

/// What one node needs to seal.
pub struct Sealer {
    node: NodeId,
    sink: Box<dyn CheckpointSink>,
    lead: Option<Lead>,
    /// When checkpoints were last looked to, by the monotonic clock.
    looked: Option<Duration>,
    /// The checkpoint up to which the sink has them; unknown at first and after a failure.
    sunk: Option<u64>,
}

impl Sealer {
    /// A sealer of `node` whose checkpoints go to `sink`, too.
    #[must_use]
    pub fn new(node: NodeId, sink: Box<dyn CheckpointSink>) -> Self {
        Self { node, sink, lead: None, looked: None, sunk: None }
    }
}

/// What sealing did, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Events that were put into chains.
    pub events: u64,
    /// When the newest checkpoint was made, as far as this process knows.
    pub checkpoint_at: Option<Timestamp>,
    /// Failed attempts to seal.
    pub failures: u64,
    /// Failed attempts to write to the sink.
    pub sink_failures: u64,
}

/// The same, as it is counted.
#[derive(Debug)]
pub(crate) struct Tally {
    events: AtomicU64,
    checkpoint_at: AtomicI64,
    failures: AtomicU64,
    sink_failures: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            events: AtomicU64::new(0),
            checkpoint_at: AtomicI64::new(i64::MIN),
            failures: AtomicU64::new(0),
            sink_failures: AtomicU64::new(0),
        }
    }
}

/// What is still to be done after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing that this node has to do.
    Nothing,
    /// More events wait than one step takes.
    More,
}

impl Plane {
    /// What sealing has done in this process.
    #[must_use]
    pub fn sealed(&self) -> Sealed {
        let at = self.sealing.checkpoint_at.load(Ordering::Relaxed);
        Sealed {
            events: self.sealing.events.load(Ordering::Relaxed),
            checkpoint_at: (at != i64::MIN).then(|| Timestamp::from_micros(at)),
            failures: self.sealing.failures.load(Ordering::Relaxed),
            sink_failures: self.sealing.sink_failures.load(Ordering::Relaxed),
        }
    }

    /// A step of sealing, to be made every [`limits::AUDIT_SEAL_EVERY`]: puts events into their
    /// chains and, every [`limits::AUDIT_CHECKPOINT_EVERY`], makes checkpoints.
    ///
    /// # Errors
    /// What the store says; the next step goes on. A sink that fails is no error but an alarm.
    pub async fn seal_audit_events(&self, sealer: &mut Sealer) -> Result<Left> {
        let now = self.clock.monotonic();
        let due = sealer.looked.is_none_or(|at| now >= at + limits::AUDIT_CHECKPOINT_EVERY);
        let step = async {
            let left = self.seal_some(sealer).await?;
            if due {
                self.make_checkpoints(sealer).await?;
                sealer.looked = Some(now);
            }
            Ok(left)
        };
        let outcome = step.await;
        self.note(sealer, outcome)
    }

    /// Seals all that waits, and makes checkpoints of it: for the end of a process.
    ///
    /// # Errors
    /// What the store says.
    pub async fn finish_sealing(&self, sealer: &mut Sealer) -> Result<()> {
        let step = async {
            while self.seal_some(sealer).await? == Left::More {}
            self.make_checkpoints(sealer).await
        };
        let outcome = step.await;
        self.note(sealer, outcome)
    }

    fn note<T>(&self, sealer: &mut Sealer, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.sealing.failures.fetch_add(1, Ordering::Relaxed);
            // Another node may lead by now.
            sealer.lead = None;
        }
        outcome
    }

    async fn seal_some(&self, sealer: &mut Sealer) -> Result<Left> {
        for _ in 0..limits::AUDIT_SEAL_BATCHES {
            let found = self.store.list_unsealed_events(limits::AUDIT_SEAL_BATCH).await?;
            let full = found.events.len() >= limits::AUDIT_SEAL_BATCH as usize;
            let Some(upto) = found.upto.filter(|upto| found.mark != Some(*upto)) else {
                return Ok(Left::Nothing);
            };
            let Some(lead) = self.take_lead(sealer).await? else {
                return Ok(Left::Nothing);
            };
            let new = self.link(&found, upto).await?;
            let count = new.links.len() as u64;
            match self.store.insert_audit_links(&lead, new).await {
                Ok(()) => {
                    self.sealing.events.fetch_add(count, Ordering::Relaxed);
                }
                // Another node sealed these.
                Err(Error::Conflict(Conflict::Changed)) => sealer.lead = None,
                Err(error) => return Err(error),
            }
            if !full {
                return Ok(Left::Nothing);
            }
        }
        Ok(Left::More)
    }

    async fn take_lead(&self, sealer: &mut Sealer) -> Result<Option<Lead>> {
        sealer.lead = self.lead(Task::SealAudit, sealer.node, sealer.lead).await?;
        Ok(sealer.lead)
    }

    /// The links of what was found.
    async fn link(&self, found: &Unsealed, upto: crate::ids::EventId) -> Result<NewLinks> {
        let mut roots: Vec<AccountId> = found.events.iter().map(|event| event.root).collect();
        roots.sort_unstable();
        roots.dedup();
        let known = self.store.find_chain_heads(&roots).await?;
        let mut heads: HashMap<AccountId, ChainHead> =
            roots.iter().map(|root| (*root, ChainHead::empty(*root))).collect();
        heads.extend(known.into_iter().map(|head| (head.root, head)));
        let before: Vec<(AccountId, u64)> =
            roots.iter().map(|root| (*root, heads[root].length)).collect();
        let mut links = Vec::with_capacity(found.events.len());
        for event in &found.events {
            let head = heads.entry(event.root).or_insert_with(|| ChainHead::empty(event.root));
            let link = head.next(event.id, &event.seal, &self.secrets);
            *head = ChainHead::of(&link);
            links.push(link);
        }
        let heads = before.into_iter().map(|(root, length)| (length, heads[&root])).collect();
        Ok(NewLinks { links, heads, mark_before: found.mark, mark: upto })
    }

    async fn make_checkpoints(&self, sealer: &mut Sealer) -> Result<()> {
        loop {
            let heads = self.store.list_uncovered_chains(limits::AUDIT_CHECKPOINT_HEADS).await?;
            if heads.is_empty() {
                break;
            }
            let full = heads.len() >= limits::AUDIT_CHECKPOINT_HEADS as usize;
            let Some(lead) = self.take_lead(sealer).await? else {
                break;
            };
            let last = self.store.find_last_checkpoint().await?;
            let at = self.clock.now();
            let number = last.as_ref().map_or(1, |last| last.number + 1);
            let previous = last.map_or([0; 32], |last| checkpoint::hash_of_line(&last.line));
            let checkpoint = Checkpoint { number, at, previous, heads };
            let line = checkpoint.sign(&self.secrets)?;
            let stored = StoredCheckpoint { number, line };
            let sunk = sealer.sunk;
            match self.store.insert_checkpoint(&lead, &stored, &checkpoint.heads, sunk).await {
                Ok(()) => self.sealing.checkpoint_at.store(at.micros(), Ordering::Relaxed),
                Err(Error::Conflict(_)) => {
                    sealer.lead = None;
                    break;
                }
                Err(error) => return Err(error),
            }
            if !full {
                break;
            }
        }
        // What a crash kept from the sink is made good by whoever leads after it.
        if sealer.sunk.is_none() {
            self.take_lead(sealer).await?;
        }
        if sealer.lead.is_some() {
            self.write_to_sink(sealer).await?;
        }
        Ok(())
    }

    /// Hands the sink what it does not have yet. Where it fails the plane goes on: the store has
    /// the checkpoints, and the sink gets them once it works again.
    async fn write_to_sink(&self, sealer: &mut Sealer) -> Result<()> {
        loop {
            let after = match sealer.sunk {
                Some(number) => Ok(number),
                None => self.find_sunk(&*sealer.sink).await?,
            };
            let written = match after {
                Ok(after) => {
                    let most = limits::AUDIT_SINK_BATCH;
                    let waiting = self.store.list_checkpoints(after, most).await?;
                    let Some(last) = waiting.last().map(|last| last.number) else {
                        sealer.sunk = Some(after);
                        return Ok(());
                    };
                    let lines = waiting.into_iter().map(|waiting| waiting.line).collect();
                    sealer.sink.append(lines).await.map(|()| last)
                }
                Err(error) => Err(error),
            };
            match written {
                Ok(last) => sealer.sunk = Some(last),
                Err(error) => {
                    self.sealing.sink_failures.fetch_add(1, Ordering::Relaxed);
                    sealer.sunk = None;
                    tracing::error!(alarm = "audit_sink", %error,
                        "checkpoints of the audit trail are not kept outside the store");
                    return Ok(());
                }
            }
        }
    }

    /// Up to which checkpoint the sink has this store's: what its last line says where that is ours,
    /// all of them for a new one. Where the last line is of a history that a restore ended, what this
    /// store remembers; a line that is then there twice does no harm.
    async fn find_sunk(&self, sink: &dyn CheckpointSink) -> Result<std::io::Result<u64>> {
        let line = match sink.last_line().await {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(Ok(0)),
            Err(error) => return Ok(Err(error)),
        };
        if let Ok(signed) = checkpoint::read(&line, &self.secrets.checkpoint_key()) {
            let number = signed.checkpoint.number;
            let stored = self.store.list_checkpoints(number.saturating_sub(1), 1).await?;
            if stored.first().is_some_and(|stored| stored.line == line) {
                return Ok(Ok(number));
            }
        }
        self.store.find_sunk().await.map(Ok)
    }
}
