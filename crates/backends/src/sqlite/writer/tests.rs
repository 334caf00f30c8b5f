//! Jobs that no feature has: they fill the disk, panic, lose their transaction.

use super::*;
use crate::sqlite::connection;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc as std_mpsc;
use tenantry_core::error::Conflict;

const PAGE_BYTES: u64 = 4096;

struct Fixture {
    directory: tempfile::TempDir,
    writer: Writer,
}

impl Fixture {
    /// A writer on a table `notes` in a database of at most `pages`.
    fn start(pages: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notes.db");
        let connection =
            connection::open_writer(&path, Some(pages * PAGE_BYTES)).expect("a connection");
        connection
            .execute_batch("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
            .expect("a table");
        Self { writer: Writer::start(connection, || ()).expect("a thread"), directory }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("notes.db")
    }

    fn ids(&self) -> Vec<i64> {
        ids(&self.path())
    }

    /// Queues `jobs` while the writer is busy, so that they share a batch, and awaits them.
    async fn run_together(&self, jobs: Vec<Run>) -> Vec<Result<Committed>> {
        let (started, is_started) = std_mpsc::channel::<()>();
        let (go_on, may_go_on) = std_mpsc::channel::<()>();
        let busy = self.writer.run(Box::new(move |_| {
            started.send(()).expect("the test listens");
            may_go_on.recv().expect("the test goes on");
            Ok(None)
        }));
        let mut busy = std::pin::pin!(busy);
        queue(busy.as_mut()).await;
        is_started.recv().expect("the writer is busy");
        let mut waiting: Vec<_> =
            jobs.into_iter().map(|job| Box::pin(self.writer.run(job))).collect();
        for job in &mut waiting {
            queue(job.as_mut()).await;
        }
        go_on.send(()).expect("the writer listens");
        busy.await.expect("the first job does nothing");
        let mut outcomes = Vec::new();
        for job in waiting {
            outcomes.push(job.await);
        }
        outcomes
    }
}

/// Polls once, which is what queues a job.
async fn queue<F: Future + Unpin>(mut job: F) {
    std::future::poll_fn(|context| {
        assert!(std::pin::Pin::new(&mut job).poll(context).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
}

fn ids(path: &Path) -> Vec<i64> {
    let connection = connection::open_reader(path).expect("a connection");
    let mut statement = connection.prepare("SELECT id FROM notes ORDER BY id").expect("a query");
    let ids = statement.query_map([], |row| row.get(0)).expect("rows");
    ids.collect::<rusqlite::Result<_>>().expect("ids")
}

fn insert(id: i64, body_bytes: u64) -> Run {
    Box::new(move |connection| {
        connection
            .prepare_cached("INSERT INTO notes (id, body) VALUES (?1, zeroblob(?2))")
            .and_then(|mut statement| {
                statement.execute((id, i64::try_from(body_bytes).expect("small")))
            })
            .map(|_| None)
            .map_err(from_sqlite)
    })
}

#[tokio::test]
async fn jobs_that_queue_up_share_a_commit() {
    let fixture = Fixture::start(100);
    let outcomes = fixture.run_together((1..=50).map(|id| insert(id, 1)).collect()).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let expected = Stats { jobs: 51, commits: 2, batches_split: 0 };
    assert_eq!(fixture.writer.stats(), expected);
    assert_eq!(fixture.ids(), (1..=50).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_refused_job_undoes_its_own_changes_only() {
    let fixture = Fixture::start(100);
    let refused: Run = Box::new(|connection| {
        insert(7, 1)(connection)?;
        Err(Error::Conflict(Conflict::Changed))
    });
    let outcomes =
        fixture.run_together(vec![insert(1, 1), refused, insert(1, 1), insert(2, 1)]).await;
    assert!(matches!(
        outcomes[..],
        [
            Ok(_),
            Err(Error::Conflict(Conflict::Changed)),
            Err(Error::Conflict(Conflict::Taken)),
            Ok(_)
        ]
    ));
    assert_eq!(fixture.writer.stats().commits, 2);
    assert_eq!(fixture.ids(), [1, 2]);
}

#[tokio::test]
async fn a_batch_that_lost_its_transaction_is_done_one_by_one() {
    let fixture = Fixture::start(20);
    let lost = Arc::new(AtomicBool::new(false));
    let witness = lost.clone();
    let mut insert_too_much = insert(2, 40 * PAGE_BYTES);
    let full: Run = Box::new(move |connection| {
        let outcome = insert_too_much(connection);
        witness.fetch_or(connection.is_autocommit(), Ordering::SeqCst);
        outcome
    });
    let outcomes = fixture.run_together(vec![insert(1, 1), full, insert(3, 1)]).await;
    assert!(lost.load(Ordering::SeqCst), "SQLite rolls everything back when the disk is full");
    assert!(matches!(outcomes[..], [Ok(_), Err(Error::StorageFull), Ok(_)]));
    assert_eq!(fixture.ids(), [1, 3]);
    // The busy job, and the two that were stored.
    let expected = Stats { jobs: 4, commits: 3, batches_split: 1 };
    assert_eq!(fixture.writer.stats(), expected);
}

#[tokio::test]
async fn a_job_that_hides_the_loss_of_its_transaction_is_refused() {
    let fixture = Fixture::start(20);
    for together in [false, true] {
        let hides: Run = Box::new(|connection| {
            drop(insert(1, 40 * PAGE_BYTES)(connection));
            Ok(None)
        });
        let mut jobs = vec![hides];
        if together {
            jobs.push(insert(2, 1));
        }
        let outcomes = fixture.run_together(jobs).await;
        assert!(matches!(outcomes[0], Err(Error::Unavailable(_))));
    }
    assert_eq!(fixture.ids(), [2]);
}

#[tokio::test]
async fn a_panic_is_one_jobs_refusal() {
    let fixture = Fixture::start(100);
    let panics = || -> Run {
        Box::new(|connection| {
            insert(9, 1)(connection)?;
            panic!("a defect")
        })
    };
    let outcomes = fixture.run_together(vec![insert(1, 1), panics(), insert(2, 1)]).await;
    assert!(matches!(outcomes[..], [Ok(_), Err(Error::Internal(_)), Ok(_)]));
    assert!(matches!(fixture.writer.run(panics()).await, Err(Error::Internal(_))));
    assert!(fixture.writer.run(insert(3, 1)).await.is_ok());
    assert_eq!(fixture.ids(), [1, 2, 3]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_does_nothing() {
    let fixture = Fixture::start(1000);
    let count = QUEUE_JOBS_MAX + 10;
    let first: Vec<i64> = (1..).take(QUEUE_JOBS_MAX).collect();
    let (started, is_started) = std_mpsc::channel::<()>();
    let (go_on, may_go_on) = std_mpsc::channel::<()>();
    let mut busy = Box::pin(fixture.writer.run(Box::new(move |_| {
        started.send(()).expect("the test listens");
        may_go_on.recv().expect("the test goes on");
        Ok(None)
    })));
    queue(busy.as_mut()).await;
    is_started.recv().expect("the writer is busy");
    let mut waiting = Vec::new();
    let mut refused = 0;
    for id in (1..).take(count) {
        let mut job = Box::pin(fixture.writer.run(insert(id, 1)));
        let poll =
            std::future::poll_fn(|context| std::task::Poll::Ready(job.as_mut().poll(context)));
        match poll.await {
            std::task::Poll::Pending => waiting.push(job),
            std::task::Poll::Ready(outcome) => {
                assert!(matches!(outcome, Err(Error::Unavailable(_))));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 10);
    go_on.send(()).expect("the writer listens");
    busy.await.expect("the first job does nothing");
    for job in waiting {
        job.await.expect("stored");
    }
    assert_eq!(fixture.ids(), first);
    let most = 1 + QUEUE_JOBS_MAX.div_ceil(BATCH_JOBS_MAX);
    assert_eq!(fixture.writer.stats().commits, most as u64);
}

#[tokio::test]
async fn a_writer_that_is_dropped_does_what_is_queued() {
    let fixture = Fixture::start(100);
    for id in 1..=20 {
        // Nobody awaits it: the caller went away after the job was queued.
        queue(std::pin::pin!(fixture.writer.run(insert(id, 1)))).await;
    }
    let Fixture { directory, writer } = fixture;
    drop(writer);
    let path = directory.path().join("notes.db");
    assert!(!directory.path().join("notes.db-wal").exists(), "the log is cleared away");
    assert_eq!(ids(&path).len(), 20);
}
