//! Hints: a node that has changed something says so to the others, which then read the change log
//! sooner than in a second. Nothing depends on one that arrives, late or never.
//!
//! Said in a statement of its own and not in the change's transaction, where commits that notify
//! would wait for each other; and once for all changes of a moment. One connection listens and
//! speaks. It leads past the pooler, which would give another session to each.

use super::PostgresStore;
use super::address::Address;
use super::errors::{OpenError, Refused};
use super::tls;
use std::convert::Infallible;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, SimpleQueryMessage};

const LISTEN: &str = "LISTEN tenantry_changes";
const NOTIFY: &str = "NOTIFY tenantry_changes";
/// A server process, as which a session's own hints come back to it.
const WHO: &str = "SELECT pg_backend_pid()";

/// How long what is said may be without an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
/// The shortest time between two hints of one node.
const PAUSE: Duration = Duration::from_millis(10);
/// How long after a connection has failed the next one is tried.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// What this node has to say to the others, and the way there.
pub(super) struct Hints {
    changed: Notify,
    direct: Address,
    authorities: Option<PathBuf>,
}

impl Hints {
    pub(super) fn new(direct: Address, authorities: Option<PathBuf>) -> Self {
        Self { changed: Notify::new(), direct, authorities }
    }

    /// Says that the change log has grown.
    pub(super) fn note_change(&self) {
        self.changed.notify_one();
    }

    /// Hears and says hints until the connection breaks.
    async fn carry(&self, hinted: &(impl Fn() + Sync)) -> Result<Infallible, Refused> {
        let config = &self.direct.config;
        let refused = |error: &tokio_postgres::Error| Refused::from(error);
        if self.direct.encrypted {
            let tls = tls::connector(self.authorities.as_deref());
            let tls = tls.map_err(|error: OpenError| Refused::unreachable(error.to_string()))?;
            let (client, connection) =
                config.connect(tls).await.map_err(|error| refused(&error))?;
            self.converse(&client, connection, hinted).await
        } else {
            let connected = config.connect(NoTls).await;
            let (client, connection) = connected.map_err(|error| refused(&error))?;
            self.converse(&client, connection, hinted).await
        }
    }

    async fn converse<S, T>(
        &self,
        client: &Client,
        mut connection: Connection<S, T>,
        hinted: &(impl Fn() + Sync),
    ) -> Result<Infallible, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let own = AtomicI32::new(0);
        let hearing = async {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(hint) =
                    message.map_err(|error| Refused::from(&error))?
                    && hint.process_id() != own.load(Ordering::Relaxed)
                {
                    hinted();
                }
            }
            Err(Refused::unreachable("the connection was closed".to_owned()))
        };
        let saying = async {
            let who = answered(client.simple_query(WHO)).await?;
            own.store(read_process(&who), Ordering::Relaxed);
            answered(client.batch_execute(LISTEN)).await?;
            // What changed while nobody listened.
            hinted();
            loop {
                self.changed.notified().await;
                answered(client.batch_execute(NOTIFY)).await?;
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            broken = hearing => broken,
            broken = saying => broken,
        }
    }
}

async fn answered<T>(
    asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Refused> {
    match tokio::time::timeout(ANSWER_DEADLINE, asked).await {
        Ok(answer) => answer.map_err(|error| Refused::from(&error)),
        Err(_) => Err(Refused::unreachable("PostgreSQL does not answer".to_owned())),
    }
}

fn read_process(answer: &[SimpleQueryMessage]) -> i32 {
    let id = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    id.unwrap_or_default()
}

impl PostgresStore {
    /// Tells the other nodes of this one's changes, and calls `hinted` when they tell of theirs, until
    /// `stop`; and when another server answers than the one that the change log was read from, since
    /// nothing it says is used until that is read again. A connection that breaks is made anew;
    /// meanwhile nobody is told.
    pub async fn carry_hints(
        &self,
        hinted: impl Fn() + Send + Sync,
        stop: impl Future<Output = ()> + Send,
    ) {
        let carrying = async {
            loop {
                let Err(broken) = self.hints.carry(&hinted).await;
                tracing::warn!(error = %broken, "no hints: changes of others are seen each second");
                tokio::time::sleep(RECONNECT_AFTER).await;
            }
        };
        let meeting = async {
            loop {
                self.connections.meet_another().await;
                hinted();
            }
        };
        tokio::select! {
            () = stop => {}
            () = carrying => {}
            () = meeting => {}
        }
    }
}
