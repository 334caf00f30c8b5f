//! The one thread that writes.
//!
//! A commit waits for the disk. Jobs that arrive meanwhile share the next commit (group commit).
//! There is no timer: a job that is alone does not wait for company. The refusal of one does not
//! touch the others: a batch with one is rolled back and run again with a savepoint for each job.
//!
//! No outcome leaves before the commit, refusals included: a refusal may rest on what another job
//! of the batch wrote, and that is true only once it is committed.
//!
//! Where the system could not bring something to the disk, the writer ends: see [`DiskFailed`].

mod acceptance;
mod checkpoint;
#[cfg(test)]
mod tests;

use super::errors::{from_sqlite, is_unsynced};
use acceptance::Acceptance;
use rusqlite::Connection;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use tenantry_core::error::{Error, Result};
use tenantry_core::store::Committed;
use tokio::sync::{mpsc, oneshot};

/// Most jobs that wait for the writer. A job above that is refused at once: the writer is some
/// seconds behind, and a queue that grows would only make its callers give up later.
pub(super) const QUEUE_JOBS_MAX: usize = 4096;

/// Most jobs that share a commit: what bounds the wait of the first of them.
pub(super) const BATCH_JOBS_MAX: usize = 256;

/// Batches that are run with savepoints after one in which a job failed. Who makes jobs fail costs
/// the others a second run of one batch in so many.
const CAREFUL_BATCHES: u32 = 64;

/// What a job does within its transaction. It may run more than once, each time on a database
/// that does not have the effects of the time before.
pub(super) type Run = Box<dyn FnMut(&Connection) -> Result<Committed> + Send>;

/// Called once, on the writer's thread, where an fsync failed; the writer then ends without another
/// answer.
///
/// The system has dropped what it could not write and a further fsync would report success, so
/// only what is read back from the disk can be believed: the process must end and start again.
pub type DiskFailed = fn();

struct Job {
    run: Run,
    reply: oneshot::Sender<Result<Committed>>,
    /// Its outcome tells whether changes are accepted.
    probes: bool,
}

/// What the writer has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs that were answered, refused ones included.
    pub jobs: u64,
    /// Transactions that were committed, each one wait for the disk. Jobs by commits is how many
    /// share one.
    pub commits: u64,
    /// Batches whose common transaction was lost (no space, an I/O error, a failed commit) and
    /// whose jobs were then run one by one.
    pub batches_split: u64,
}

#[derive(Default)]
struct Counters {
    jobs: AtomicU64,
    commits: AtomicU64,
    batches_split: AtomicU64,
}

/// The writer's end that jobs are handed to. Dropped, it waits until every job in the queue is
/// done, the log is checkpointed and the connection closed.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Counters>,
    acceptance: Arc<Acceptance>,
}

impl Writer {
    pub(super) fn start(
        mut connection: Connection,
        disk_failed: DiskFailed,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS_MAX);
        let counters = Arc::new(Counters::default());
        let unsynced = Arc::new(AtomicBool::new(false));
        checkpoint::install(&mut connection, unsynced.clone()).map_err(std::io::Error::other)?;
        let acceptance = Arc::new(Acceptance::default());
        let worker = Worker {
            connection,
            counters: counters.clone(),
            acceptance: acceptance.clone(),
            found_full: Cell::new(false),
            unsynced,
            disk_failed,
            alarmed: Cell::new(false),
            careful: Cell::new(0),
        };
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || worker.work(jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), counters, acceptance })
    }

    /// Queues a job and waits for its outcome. A caller that goes away takes nothing back: a
    /// queued job is done.
    ///
    /// # Errors
    /// What the job says; `Unavailable` where the queue is full, nothing being done, or where the
    /// writer ended, what was done not being known.
    pub(super) async fn run(&self, run: Run) -> Result<Committed> {
        self.queue(run, false).await
    }

    /// Whether changes are accepted: `StorageFull` or `Unavailable` where they are refused.
    pub(super) fn check(&self) -> Result<()> {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(stopped());
        }
        self.acceptance.get()
    }

    /// Where changes are refused, tries one that changes nothing.
    ///
    /// # Errors
    /// What changes are refused with.
    pub(super) async fn probe(&self) -> Result<()> {
        if self.check().is_ok() {
            return Ok(());
        }
        self.queue(acceptance::probe(), true).await.map(|_| ())
    }

    async fn queue(&self, run: Run, probes: bool) -> Result<Committed> {
        let (reply, outcome) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.try_send(Job { run, reply, probes }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::unavailable("the write queue is full"),
            mpsc::error::TrySendError::Closed(_) => stopped(),
        })?;
        outcome.await.map_err(|_| stopped())?
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            jobs: self.counters.jobs.load(Ordering::Relaxed),
            commits: self.counters.commits.load(Ordering::Relaxed),
            batches_split: self.counters.batches_split.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer ended in a panic");
        }
    }
}

fn stopped() -> Error {
    Error::unavailable("the writer has stopped")
}

struct Worker {
    connection: Connection,
    counters: Arc<Counters>,
    acceptance: Arc<Acceptance>,
    /// A change found no room: others may still.
    found_full: Cell<bool>,
    /// An fsync failed: nothing is answered, written or synced any more.
    unsynced: Arc<AtomicBool>,
    disk_failed: DiskFailed,
    /// That was called.
    alarmed: Cell<bool>,
    /// Batches that are still run with savepoints.
    careful: Cell<u32>,
}

/// How a batch's common transaction ended.
enum Together {
    /// Committed: an outcome for each job.
    Committed(Vec<Result<Committed>>),
    /// Rolled back, with everything that any job did.
    Lost,
    /// It never began.
    NotBegun(Error),
}

impl Worker {
    fn work(self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH_JOBS_MAX);
        while queue.blocking_recv_many(&mut batch, BATCH_JOBS_MAX) > 0 {
            self.do_batch(&mut batch);
            if self.unsynced.load(Ordering::Relaxed) {
                return self.abandon();
            }
            batch.clear();
        }
        self.close();
    }

    fn do_batch(&self, batch: &mut Vec<Job>) {
        if let [job] = &mut batch[..] {
            let outcome = self.alone(&mut job.run);
            self.answer(batch.drain(..).zip([outcome]));
            return;
        }
        let together = self.together(batch);
        if self.unsynced.load(Ordering::Relaxed) {
            return;
        }
        match together {
            Together::Committed(outcomes) => self.answer(batch.drain(..).zip(outcomes)),
            Together::NotBegun(error) => {
                // Not one by one: each would wait as long as all of them did.
                let problem = error.to_string();
                let refusals = std::iter::repeat_with(|| Err(Error::unavailable(&*problem)));
                tracing::error!(error = &error as &dyn std::error::Error, "no transaction begins");
                self.answer(batch.drain(..).zip(refusals));
            }
            Together::Lost => {
                self.counters.batches_split.fetch_add(1, Ordering::Relaxed);
                for mut job in batch.drain(..) {
                    let outcome = self.alone(&mut job.run);
                    self.answer([(job, outcome)]);
                }
            }
        }
    }

    /// Runs the jobs in one transaction.
    fn together(&self, batch: &mut [Job]) -> Together {
        let careful = self.careful.get();
        if careful > 0 {
            self.careful.set(careful - 1);
        } else if let Some(together) = self.trusting(batch) {
            return together;
        } else {
            self.careful.set(CAREFUL_BATCHES);
        }
        self.each_by_itself(batch)
    }

    /// Runs the jobs without savepoints, each of which would copy every page that its job
    /// touches. None where one of them failed: then nothing is left of any.
    fn trusting(&self, batch: &mut [Job]) -> Option<Together> {
        if let Err(error) = self.begin() {
            return Some(Together::NotBegun(error));
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for job in batch {
            let outcome = self.note(guarded(&mut job.run, &self.connection));
            if outcome.is_err() || self.connection.is_autocommit() {
                self.roll_back();
                // Where an fsync failed nothing is tried again.
                return self.unsynced.load(Ordering::Relaxed).then_some(Together::Lost);
            }
            outcomes.push(outcome);
        }
        Some(self.commit_all(outcomes))
    }

    /// Runs the jobs with a savepoint each, so that one that fails leaves the others alone.
    fn each_by_itself(&self, batch: &mut [Job]) -> Together {
        if let Err(error) = self.begin() {
            return Together::NotBegun(error);
        }
        let mut outcomes = Vec::with_capacity(batch.len());
        for job in batch {
            let Some(outcome) = self.in_savepoint(&mut job.run) else {
                self.roll_back();
                return Together::Lost;
            };
            outcomes.push(outcome);
        }
        self.commit_all(outcomes)
    }

    fn commit_all(&self, outcomes: Vec<Result<Committed>>) -> Together {
        match self.commit() {
            Ok(()) => Together::Committed(outcomes),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a commit failed");
                Together::Lost
            }
        }
    }

    /// Runs a job so that its failure undoes its own changes only. `None` where the transaction is
    /// gone.
    fn in_savepoint(&self, run: &mut Run) -> Option<Result<Committed>> {
        self.execute("SAVEPOINT job").ok()?;
        let outcome = self.note(guarded(run, &self.connection));
        // SQLite answers some errors (no space, an I/O error, no memory) by rolling the whole
        // transaction back. Statements after that would each commit by themselves, and the jobs
        // before would be acknowledged without being stored.
        if self.connection.is_autocommit() {
            return None;
        }
        if outcome.is_err() {
            self.execute("ROLLBACK TO job").ok()?;
        }
        self.execute("RELEASE job").ok()?;
        Some(outcome)
    }

    /// Runs a job in a transaction of its own.
    fn alone(&self, run: &mut Run) -> Result<Committed> {
        self.begin()?;
        let outcome = self.note(guarded(run, &self.connection));
        if self.connection.is_autocommit() {
            // Rolled back by SQLite. A job that did not notice was not stored either.
            return outcome.and(Err(Error::unavailable("the transaction was lost")));
        }
        if outcome.is_err() {
            self.roll_back();
            return outcome;
        }
        self.commit()?;
        outcome
    }

    fn begin(&self) -> Result<()> {
        // Only where a rollback failed before.
        self.roll_back();
        self.execute("BEGIN IMMEDIATE")
    }

    fn commit(&self) -> Result<()> {
        let outcome = self.execute("COMMIT");
        match outcome {
            Ok(()) => {
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
            }
            // Some errors leave the transaction open, others have rolled it back.
            Err(_) => self.roll_back(),
        }
        outcome
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(error = &error as &dyn std::error::Error, "a rollback failed");
        }
    }

    fn execute(&self, sql: &str) -> Result<()> {
        let mut statement = self.connection.prepare_cached(sql).map_err(from_sqlite)?;
        self.note(statement.execute([]).map(|_| ()).map_err(from_sqlite))
    }

    /// Looks whether an outcome tells that an fsync failed, or that changes are refused.
    fn note<T>(&self, outcome: Result<T>) -> Result<T> {
        if outcome.as_ref().is_err_and(is_unsynced) {
            self.unsynced.store(true, Ordering::Relaxed);
        }
        match &outcome {
            Err(Error::StorageFull) => self.found_full.set(true),
            Err(Error::Unavailable(_)) => self.acceptance.set(&outcome),
            _ => {}
        }
        outcome
    }

    /// Where a change found no room, finds out whether that one only was too large. Before anybody
    /// is answered, so that whoever was refused finds readiness turned.
    fn settle(&self) {
        if self.found_full.take() && self.acceptance.get().is_ok() {
            let outcome = self.alone(&mut acceptance::probe());
            if !self.unsynced.load(Ordering::Relaxed) {
                self.acceptance.set(&outcome);
            }
            self.found_full.set(false);
        }
    }

    fn answer(&self, answers: impl IntoIterator<Item = (Job, Result<Committed>)>) {
        self.settle();
        for (job, outcome) in answers {
            if self.unsynced.load(Ordering::Relaxed) {
                // Nobody knows whether it is stored. Dropped, its caller is told just that, unless
                // the process ends first, which is what is meant.
                self.raise_alarm();
                continue;
            }
            if job.probes {
                self.acceptance.set(&outcome);
            } else {
                self.counters.jobs.fetch_add(1, Ordering::Relaxed);
            }
            // Nobody may be waiting any more; the job is done all the same.
            let _ = job.reply.send(outcome);
        }
    }

    /// Ends without touching the files again: a checkpoint would sync them once more, be told that
    /// all is well, and clear away the log that may hold the only good copy.
    fn abandon(self) {
        self.raise_alarm();
        std::mem::forget(self.connection);
    }

    /// Does once what is to be done where an fsync failed.
    fn raise_alarm(&self) {
        if !self.alarmed.replace(true) {
            tracing::error!(
                alarm = "disk_failed",
                "an fsync failed: the disk may lack what was written"
            );
            (self.disk_failed)();
        }
    }

    fn close(self) {
        self.roll_back();
        // Moves the log into the database, so that a copy of the one file is complete.
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        match checkpoint {
            Ok(0) => {}
            Ok(_) => tracing::warn!("the log was not checkpointed: the database is being read"),
            Err(error) => tracing::warn!(error = %error, "the log was not checkpointed"),
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(error = %error, "the database did not close");
        }
    }
}

/// Runs a job. One that panics is refused, and the writer goes on.
fn guarded(run: &mut Run, connection: &Connection) -> Result<Committed> {
    // What a panic leaves half-done is in the transaction, which the caller rolls back, and in the
    // job, whose outcome is then known and which runs again only together with its whole batch.
    catch_unwind(AssertUnwindSafe(|| run(connection))).unwrap_or_else(|_| {
        tracing::error!(alarm = "writer_panic", "a write panicked and was rolled back");
        Err(Error::internal("a write panicked"))
    })
}
