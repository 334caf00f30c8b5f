//! A session with a tenant database: statements, each with a deadline, and nothing of the server's own
//! text.

use futures_util::future::poll_fn;
use std::time::Duration;
use tenantry_core::limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Connection, Row};

/// A session. Dropped, it is closed.
pub(super) struct Session {
    // None only once it is being closed.
    client: Option<Client>,
    driver: JoinHandle<()>,
    deadline: Duration,
}

/// Why a statement was not carried out.
#[derive(Debug)]
pub(super) enum StatementError {
    /// The session is gone.
    Lost,
    /// It took too long; the session is not to be used any more.
    TooSlow,
    /// The server refuses it, with this SQLSTATE.
    Failed(Box<str>),
}

impl StatementError {
    /// The SQLSTATE, where there is one.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Failed(code) => Some(code),
            Self::Lost | Self::TooSlow => None,
        }
    }
}

impl From<tokio_postgres::Error> for StatementError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => Self::Failed(word(code.code())),
            None => Self::Lost,
        }
    }
}

/// A SQLSTATE as it may be shown: five letters and digits, whatever the server sent.
pub(super) fn word(code: &str) -> Box<str> {
    let sound = code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if sound { code.into() } else { "XX000".into() }
}

impl Session {
    /// A session over a connection that is logged in.
    pub(super) fn new<S, T>(
        client: Client,
        mut connection: Connection<S, T>,
        deadline: Duration,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Message by message: the driver's own loop writes notices, which are the server's text, into
        // the log.
        let driver = tokio::spawn(async move {
            while let Some(Ok(_)) = poll_fn(|cx| connection.poll_message(cx)).await {}
        });
        Self { client: Some(client), driver, deadline }
    }

    fn client(&self) -> Result<&Client, StatementError> {
        self.client.as_ref().ok_or(StatementError::Lost)
    }

    /// Statements without parameters, and without an answer.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), StatementError> {
        self.batch_within(sql, self.deadline).await
    }

    /// The same with another deadline.
    pub(super) async fn batch_within(
        &self,
        sql: &str,
        deadline: Duration,
    ) -> Result<(), StatementError> {
        match tokio::time::timeout(deadline, self.client()?.batch_execute(sql)).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(StatementError::TooSlow),
        }
    }

    /// The rows of a query.
    pub(super) async fn rows(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StatementError> {
        let asked = self.client()?.query_typed(sql, params);
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(StatementError::TooSlow),
        }
    }

    /// The first row of a query.
    pub(super) async fn first(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Option<Row>, StatementError> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Whether a query has a row.
    pub(super) async fn has(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<bool, StatementError> {
        Ok(!self.rows(sql, params).await?.is_empty())
    }

    /// Says goodbye, so that the server knows that the session is over: what comes next may need nobody
    /// to be in the database.
    pub(super) async fn close(mut self) {
        drop(self.client.take());
        let _ = tokio::time::timeout(limits::DATABASE_CONNECT_DEADLINE, &mut self.driver).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
