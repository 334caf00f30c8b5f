//! How statements are run: reads one by one, changes as one transaction.
//!
//! A read is a transaction, too: the beginning, the statement and the end are sent at once. So it has
//! its time-out on the server, and through a pooler is answered by the session that was looked at.
//!
//! A change is a list of statements with what each has to find. They are sent at once, the beginning
//! of the transaction before them, and answered in one round trip; what they found is looked at, and
//! only then is the commit sent. So a change takes two round trips however many statements it has, can
//! be run again as it is, and leaves no choice to SQL.

use super::errors::{Refused, from_refused};
use super::pool::{Begun, Connections, Lent, WAIT_DEADLINE, begun};
use super::rows::{Param, number, one};
use super::{PostgresStore, audit};
use crate::rows::{audit_event_cells, damaged};
use futures_util::future::{BoxFuture, join, join3, maybe_done};
use futures_util::{FutureExt as _, TryStreamExt as _};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;
use tenantry_core::audit::AuditEvent;
use tenantry_core::commit::Revision;
use tenantry_core::error::{Conflict, Error, Result};
use tenantry_core::secrets::Sealed;
use tenantry_core::store::Committed;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Client, Row};

/// How long a call may take, attempts and waiting for a connection included.
pub(super) const CALL_DEADLINE: Duration = Duration::from_millis(4500);
/// How often a transaction is begun where others are in its way, or its session breaks.
const ATTEMPTS_MAX: u32 = 5;
/// How long the second attempt waits; each further one twice as long as the one before.
const BACKOFF: Duration = Duration::from_millis(5);

/// What is said of a call that took longer.
const TOO_LONG: &str = "the database took too long to answer";

/// Begins a transaction in a session that is in none, with an end to each way of waiting in it. The
/// first word begins it: one that comes after a query cannot set the isolation.
const BEGIN: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL statement_timeout = 3000;
    SET LOCAL lock_timeout = 2000;
    SET LOCAL idle_in_transaction_session_timeout = 5000;",
    begun!()
);

/// The same for a single statement that reads.
const BEGIN_READ: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
    SET LOCAL statement_timeout = 3000;
    SET LOCAL idle_in_transaction_session_timeout = 5000;",
    begun!()
);

/// What a statement has to find for the change to be made.
pub(super) enum Expect {
    /// Nothing.
    Nothing,
    /// At least one row, or the change is refused.
    Rows(Conflict),
    /// Exactly so many rows, or the change is refused.
    All(u64, Conflict),
    /// A number below this.
    Below {
        /// Which cap.
        limit: &'static str,
        /// Its value.
        max: u32,
    },
    /// The number of this shard's last row.
    Revision(u8),
    /// Any number of rows, which are counted.
    Counted,
    /// Any rows, which are the change's answer.
    Answer,
}

struct Step<'a> {
    sql: &'static str,
    params: Vec<Param<'a>>,
    expect: Expect,
}

/// The statements of one change.
#[derive(Default)]
pub(super) struct Work<'a> {
    steps: Vec<Step<'a>>,
    /// By which the change is found where the answer to its commit was lost.
    event: Option<&'a Sealed<AuditEvent>>,
}

/// What a change did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What it left in the change log.
    pub(super) committed: Committed,
    /// The rows that were counted.
    pub(super) rows: u64,
    /// The rows that are its answer.
    pub(super) answer: Vec<Row>,
}

impl<'a> Work<'a> {
    /// Adds a statement.
    pub(super) fn push(&mut self, sql: &'static str, params: Vec<Param<'a>>, expect: Expect) {
        self.steps.push(Step { sql, params, expect });
    }

    /// Adds a statement without values before all others.
    pub(super) fn push_first(&mut self, sql: &'static str) {
        self.steps.insert(0, Step { sql, params: Vec::new(), expect: Expect::Nothing });
    }

    /// Notes the event by which the change is found.
    pub(super) fn found_by(&mut self, event: &'a Sealed<AuditEvent>) {
        self.event = Some(event);
    }
}

/// What became of changes that were made together.
pub(super) enum Grouped {
    /// All were made.
    Made,
    /// None was, and each may be tried by itself.
    NotMade,
}

/// Why a transaction was not committed, or may not have been.
enum Failed {
    /// The rules or the store say no.
    Refused(Error),
    /// It was not committed, and may be once more.
    Again(Refused),
    /// It may have been committed: nothing answered.
    Unanswered(Refused),
}

impl PostgresStore {
    /// Makes a change.
    pub(super) async fn write(&self, work: &Work<'_>) -> Result<Done> {
        self.write_until(work, Instant::now() + CALL_DEADLINE).await
    }

    /// The same, with less time than a call has where others had some of it.
    pub(super) async fn write_until(&self, work: &Work<'_>, until: Instant) -> Result<Done> {
        let in_doubt = AtomicBool::new(false);
        let outcome = timeout_at(until, self.attempts(work, &in_doubt)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(over(&in_doubt)));
        self.acceptance.note(&outcome);
        if outcome.as_ref().is_ok_and(|done| done.committed.is_some()) {
            self.hints.note_change();
        }
        outcome
    }

    /// Makes changes that have nothing to do with each other in one transaction, once.
    ///
    /// # Errors
    /// `Unavailable` where nothing answers, so none of them was made and none would be by itself;
    /// `OutcomeUnknown` where it is not known whether all were or none.
    pub(super) async fn write_group(
        &self,
        work: &Work<'_>,
        (wait_until, until): (Instant, Instant),
    ) -> Result<Grouped> {
        let in_doubt = AtomicBool::new(false);
        let group = async {
            let lent = self.connections.take_until(wait_until).await.map_err(from_refused)?;
            match attempt(lent, work, &in_doubt).await {
                Ok(_) => Ok(Grouped::Made),
                Err(Failed::Refused(_) | Failed::Again(_)) => Ok(Grouped::NotMade),
                Err(Failed::Unanswered(refused)) => {
                    let made = self.resolve(work, &refused).await?;
                    Ok(made.map_or(Grouped::NotMade, |_| Grouped::Made))
                }
            }
        };
        let outcome = timeout_at(until, group).await.unwrap_or_else(|_| Err(over(&in_doubt)));
        if !matches!(outcome, Ok(Grouped::NotMade)) {
            self.acceptance.note(&outcome);
        }
        outcome
    }

    /// Runs a read of one statement.
    pub(super) async fn read(&self, sql: &'static str, params: Vec<Param<'_>>) -> Result<Vec<Row>> {
        let now = Instant::now();
        let deadlines = (now + WAIT_DEADLINE, now + CALL_DEADLINE);
        self.try_read(sql, params, deadlines).await.map_err(from_refused)
    }

    /// The same, with what the database says of it: by when it needs a connection, and an answer.
    pub(super) async fn try_read(
        &self,
        sql: &'static str,
        params: Vec<Param<'_>>,
        (wait_until, until): (Instant, Instant),
    ) -> Result<Vec<Row>, Refused> {
        let step = Step { sql, params, expect: Expect::Nothing };
        let attempts = async {
            // A session that broke may have been the last of a server that is there again. One that
            // cannot be had is not waited for twice.
            let lent = self.connections.take_until(wait_until).await?;
            match read_once(lent, &step).await {
                Err(refused) if refused.is_lost() => {
                    read_once(self.connections.take().await?, &step).await
                }
                outcome => outcome,
            }
        };
        let outcome = timeout_at(until, attempts).await;
        outcome.unwrap_or_else(|_| Err(Refused::unreachable(TOO_LONG.to_owned())))
    }

    /// Runs a read of one statement and reads its first row.
    pub(super) async fn find<T>(
        &self,
        sql: &'static str,
        params: Vec<Param<'_>>,
        read: impl FnOnce(&Row) -> Result<T>,
    ) -> Result<Option<T>> {
        self.read(sql, params).await?.first().map(read).transpose()
    }

    /// Runs a read of one statement and reads each row.
    pub(super) async fn list<T>(
        &self,
        sql: &'static str,
        params: Vec<Param<'_>>,
        read: impl Fn(&Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.read(sql, params).await?.iter().map(read).collect()
    }

    /// Reads by one statement and, in the same transaction, writes by another what `decide` makes of
    /// it. Not tried again.
    pub(super) async fn read_then_write<T>(
        connections: &Connections,
        (sql, params): (&'static str, Vec<Param<'_>>),
        decide: impl Fn(&[Row]) -> Result<T>,
        write: &'static str,
        written: fn(&T) -> Vec<Param<'_>>,
    ) -> Result<T> {
        let lent = connections.take().await.map_err(from_refused)?;
        let client = lent.client().map_err(from_refused)?;
        let refused = |error: &tokio_postgres::Error| from_refused(Refused::from(error));
        let read = Step { sql, params, expect: Expect::Nothing };
        let (begun, rows) = join(client.simple_query(BEGIN), send(client, &read)).await;
        let outcome = async {
            lent.require_begun(begun).map_err(from_refused)?;
            let (rows, _) = rows.map_err(|error| refused(&error))?;
            let decided = decide(&rows)?;
            let params = written(&decided);
            let step = Step { sql: write, params, expect: Expect::Nothing };
            send(client, &step).await.map_err(|error| refused(&error))?;
            drop(step);
            client.simple_query("COMMIT").await.map_err(|error| refused(&error))?;
            Ok(decided)
        }
        .await;
        match &outcome {
            Ok(_) => lent.give_back(),
            Err(_) => roll_back(lent).await,
        }
        outcome
    }

    /// `in_doubt` says, whenever this is dropped, whether a commit was sent and not answered.
    async fn attempts(&self, work: &Work<'_>, in_doubt: &AtomicBool) -> Result<Done> {
        let mut number = 1;
        loop {
            // One that cannot be had is not tried again here: whoever waits is told.
            let lent = self.connections.take().await.map_err(from_refused)?;
            let again = match attempt(lent, work, in_doubt).await {
                Ok(done) => return Ok(done),
                Err(Failed::Refused(error)) => return Err(error),
                Err(Failed::Again(refused)) => refused,
                Err(Failed::Unanswered(refused)) => {
                    if let Some(done) = self.resolve(work, &refused).await? {
                        return Ok(done);
                    }
                    in_doubt.store(false, Ordering::Relaxed);
                    refused
                }
            };
            if number == ATTEMPTS_MAX {
                return Err(from_refused(again));
            }
            tokio::time::sleep(BACKOFF * (1 << number)).await;
            number += 1;
        }
    }

    /// Whether a change was made whose commit was not answered: its event cannot be stored a second
    /// time, and until the commit has ended one way or the other the attempt waits for it.
    async fn resolve(&self, work: &Work<'_>, refused: &Refused) -> Result<Option<Done>> {
        tracing::warn!(error = %refused, "a commit was not answered; looking whether it was made");
        let Some(event) = work.event else {
            return Err(Error::outcome_unknown(Refused::unreachable(refused.to_string())));
        };
        let mut probe = Work::default();
        probe.push(audit::INSERT_ALONE, one(audit_event_cells(event)?), Expect::Nothing);
        let mut wait = BACKOFF;
        loop {
            // Until the deadline of the call: a server that starts again takes a while.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_millis(200));
            let Ok(lent) = self.connections.take().await else { continue };
            let outcome = run(&lent, &probe).await;
            end(lent, outcome.as_ref().err()).await;
            match outcome {
                Ok(_) => return Ok(None),
                Err(Failed::Refused(Error::Conflict(Conflict::Taken))) => {
                    // It was made: until that can be told in full, the outcome is not known.
                    if let Ok(done) = self.find_done(work).await {
                        return Ok(Some(done));
                    }
                }
                Err(_) => {}
            }
        }
    }

    /// What a change that was made left in the change log.
    async fn find_done(&self, work: &Work<'_>) -> Result<Done> {
        let mut committed = None;
        for step in &work.steps {
            if let Expect::Revision(shard) = step.expect {
                committed = self.find_revision_of(shard, &step.params).await?;
            }
        }
        Ok(Done { committed, ..Done::default() })
    }
}

async fn attempt(lent: Lent, work: &Work<'_>, in_doubt: &AtomicBool) -> Result<Done, Failed> {
    match run(&lent, work).await {
        Ok(done) => commit(lent, done, in_doubt).await,
        Err(failed) => {
            end(lent, Some(&failed)).await;
            Err(failed)
        }
    }
}

async fn read_once(lent: Lent, step: &Step<'_>) -> Result<Vec<Row>, Refused> {
    let client = lent.client()?;
    // Not a commit: that would be one of whatever the session was in.
    let (first, last) = (client.simple_query(BEGIN_READ), client.simple_query("ROLLBACK"));
    let (begun, answer, ended) = join3(first, send(client, step), last).await;
    lent.require_begun(begun)?;
    let answer = answer.map_err(|error| Refused::from(&error));
    if ended.is_ok() && answer.as_ref().err().is_none_or(|refused| !refused.is_lost()) {
        lent.give_back();
    }
    answer.map(|(rows, _)| rows)
}

/// Sends all statements, looks at what they found, and leaves the transaction open.
async fn run(lent: &Lent, work: &Work<'_>) -> Result<Done, Failed> {
    let client = lent.client().map_err(refused_lent)?;
    let begin = client.simple_query(BEGIN).map(Answer::Begun).boxed();
    let steps = work.steps.iter().map(|step| send(client, step).map(Answer::Found).boxed());
    let answers = in_order(std::iter::once(begin).chain(steps)).await;
    let ran = answers.iter().any(|answer| matches!(answer, Answer::Found(Ok(_))));
    let mut done = Done::default();
    let mut expected = work.steps.iter().map(|step| &step.expect);
    for answer in answers {
        let (rows, count) = match answer {
            Answer::Begun(answer) => {
                lent.require_begun(answer).map_err(|refused| not_begun(refused, ran))?;
                continue;
            }
            Answer::Found(found) => found.map_err(|error| failed(Refused::from(&error)))?,
        };
        let Some(expect) = expected.next() else { break };
        match expect {
            Expect::Rows(conflict) if count == 0 => {
                return Err(Failed::Refused(Error::Conflict(*conflict)));
            }
            Expect::All(all, conflict) if count != *all => {
                return Err(Failed::Refused(Error::Conflict(*conflict)));
            }
            Expect::Nothing | Expect::Rows(_) | Expect::All(..) => {}
            Expect::Below { limit, max } => {
                let found = first_number(&rows).map_err(Failed::Refused)?;
                if found >= i64::from(*max) {
                    return Err(Failed::Refused(Error::LimitReached { limit, max: *max }));
                }
            }
            Expect::Revision(shard) => {
                let revision = read_revision(&rows, *shard).map_err(Failed::Refused)?;
                done.committed = Some(revision);
            }
            Expect::Counted => done.rows += count,
            Expect::Answer => done.answer = rows,
        }
    }
    Ok(done)
}

/// Why a transaction did not begin. The statements are on their way by then: each that ran, ran by
/// itself.
fn not_begun(refused: Refused, ran: bool) -> Failed {
    if !ran || refused.is_lost() {
        return Failed::Again(refused);
    }
    tracing::error!(alarm = "transaction_not_begun", error = %refused,
        "a transaction did not begin: of a change a part may have been made");
    Failed::Refused(Error::outcome_unknown(refused))
}

enum Answer {
    Begun(Begun),
    Found(Result<(Vec<Row>, u64), tokio_postgres::Error>),
}

fn read_revision(rows: &[Row], shard: u8) -> Result<Revision> {
    let rev = rows.last().map(|row| number(row, 0)).transpose()?;
    let number = rev.and_then(|rev| u64::try_from(rev).ok());
    number
        .map(|number| Revision { shard, number })
        .ok_or_else(|| damaged("change_head", shard.to_string(), "column rev"))
}

fn first_number(rows: &[Row]) -> Result<i64> {
    rows.first().map_or_else(|| Err(Error::internal("a count is missing")), |row| number(row, 0))
}

/// Sends one statement, which is parsed, bound and run by messages of its own: nothing stays in the
/// session, which may be another one's in a moment.
async fn send(client: &Client, step: &Step<'_>) -> Result<(Vec<Row>, u64), tokio_postgres::Error> {
    let params = step.params.iter().map(|param| (param, param.kind()));
    let mut stream = pin!(client.query_typed_raw(step.sql, params).await?);
    let mut rows = Vec::new();
    while let Some(row) = stream.as_mut().try_next().await? {
        rows.push(row);
    }
    let count = stream.rows_affected().unwrap_or_default();
    Ok((rows, count))
}

/// Polls each future for the first time in the order given, which is when it sends its message, and
/// waits for all.
async fn in_order<'f, T>(futures: impl Iterator<Item = BoxFuture<'f, T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(maybe_done).collect();
    poll_fn(|context| {
        let mut pending = false;
        for future in &mut running {
            pending |= Pin::new(future).poll(context).is_pending();
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.iter_mut().filter_map(|future| Pin::new(future).take_output()).collect()
}

async fn commit(lent: Lent, done: Done, in_doubt: &AtomicBool) -> Result<Done, Failed> {
    let client = lent.client().map_err(refused_lent)?;
    in_doubt.store(true, Ordering::Relaxed);
    let answer = client.simple_query("COMMIT").await;
    match answer {
        Ok(_) => {
            lent.give_back();
            Ok(done)
        }
        Err(error) => {
            let refused = Refused::from(&error);
            if refused.is_lost() {
                return Err(Failed::Unanswered(refused));
            }
            // A refused commit has ended the transaction.
            in_doubt.store(false, Ordering::Relaxed);
            lent.give_back();
            Err(failed(refused))
        }
    }
}

/// Ends a transaction that is not to be committed, and with it a session of no more use.
async fn end(lent: Lent, failed: Option<&Failed>) {
    match failed {
        Some(Failed::Again(refused) | Failed::Unanswered(refused)) if refused.is_lost() => {}
        _ => roll_back(lent).await,
    }
}

/// Ends a transaction; where that is not answered, by closing its session.
async fn roll_back(lent: Lent) {
    if let Ok(client) = lent.client()
        && client.simple_query("ROLLBACK").await.is_ok()
    {
        lent.give_back();
    }
}

fn failed(refused: Refused) -> Failed {
    if refused.is_lost() || refused.is_collision() {
        Failed::Again(refused)
    } else {
        Failed::Refused(from_refused(refused))
    }
}

fn refused_lent(refused: Refused) -> Failed {
    Failed::Refused(from_refused(refused))
}

/// What is said of a change whose time is over.
fn over(in_doubt: &AtomicBool) -> Error {
    // Only whoever asks again can find out.
    if in_doubt.load(Ordering::Relaxed) {
        Error::outcome_unknown("a commit was not answered")
    } else {
        too_long()
    }
}

/// The refusal of a call that took too long.
pub(super) fn too_long() -> Error {
    unavailable(TOO_LONG)
}

/// The refusal of a call that was to be answered with others.
pub(super) fn unavailable(why: &str) -> Error {
    Error::unavailable(Refused::unreachable(why.to_owned()))
}
