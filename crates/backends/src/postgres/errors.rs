//! Why a store does not open, and how PostgreSQL's failures read to callers.

use std::path::PathBuf;
use tenantry_core::error::{BoxError, Conflict, Error};
use tokio_postgres::error::SqlState;

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error("the database's address: {0}")]
    Address(String),
    /// A file of certificates cannot be used.
    #[error("{} holds no certificate of an authority that can be used", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The machine trusts no authority.
    #[error("this machine has no certificates of authorities: name a file with --database-ca-cert")]
    NoAuthorities,
    /// TLS does not work at all.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// Nobody answers as PostgreSQL.
    #[error("the database cannot be reached: {cause}")]
    Unreachable {
        /// What was tried and failed, without an address or a password.
        cause: String,
    },
    /// The server is older than what the store was made for.
    #[error("PostgreSQL {found} is too old: {wanted} or later is needed")]
    ServerTooOld {
        /// The server's version.
        found: String,
        /// The oldest that will do.
        wanted: &'static str,
    },
    /// The database's texts are not UTF-8.
    #[error("the database's encoding is {found}: it has to be UTF8")]
    Encoding {
        /// The encoding.
        found: String,
    },
    /// A later version of Tenantry has been here.
    #[error("the database has migration {number}, this version knows {known}: install a later one")]
    SchemaTooNew {
        /// The newest migration of the database.
        number: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// A migration that was applied is not the one that this version has.
    #[error("migration {number} ({name}) is not the one that was applied to the database")]
    MigrationChanged {
        /// Its number.
        number: u32,
        /// Its name in this version.
        name: &'static str,
    },
    /// A migration failed; it left nothing behind.
    #[error("migration {number} ({name}) failed")]
    Migration {
        /// Its number.
        number: u32,
        /// Its name.
        name: &'static str,
        /// What PostgreSQL says.
        #[source]
        source: Refused,
    },
    /// PostgreSQL refuses.
    #[error("the database does not open")]
    Refused(#[source] Refused),
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Refused(Refused::from(&error))
    }
}

/// What PostgreSQL, or the way to it, says, without the values that its details quote.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}{}", code.as_ref().map(|code| format!(" (SQLSTATE {})", code.code())).unwrap_or_default())]
pub struct Refused {
    code: Option<SqlState>,
    message: String,
}

impl Refused {
    /// Nobody answered, for this reason.
    pub(super) fn unreachable(message: String) -> Self {
        Self { code: None, message }
    }

    /// True where the session is of no more use, or its end is not known.
    pub(super) fn is_lost(&self) -> bool {
        let Some(code) = &self.code else {
            return true;
        };
        // 08: the connection; 57P01 to 57P03: the server stops or starts; 25P03: idle for too long;
        // 25006: a standby that was a primary, and 0A000, where it is told to begin a change.
        code.code().starts_with("08")
            || code.code().starts_with("57P")
            || [
                SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                SqlState::READ_ONLY_SQL_TRANSACTION,
                SqlState::FEATURE_NOT_SUPPORTED,
            ]
            .contains(code)
    }

    /// True where a lock was not had in time.
    pub(super) fn is_lock_timeout(&self) -> bool {
        self.code.as_ref() == Some(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// True where the same once more may do: another transaction was in the way.
    pub(super) fn is_collision(&self) -> bool {
        let collisions = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        self.code.as_ref().is_some_and(|code| collisions.contains(code))
    }
}

impl From<&tokio_postgres::Error> for Refused {
    fn from(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(said) => {
                Self { code: Some(said.code().clone()), message: said.message().to_owned() }
            }
            None => Self { code: None, message: chain(error) },
        }
    }
}

/// An error and what caused it, in one line.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = next.source();
    }
    line
}

/// What a caller can do about a failure of PostgreSQL.
pub(super) fn from_refused(refused: Refused) -> Error {
    let Some(code) = &refused.code else {
        return Error::unavailable(refused);
    };
    match code.code() {
        "23505" => Error::Conflict(Conflict::Taken),
        "53100" => Error::StorageFull,
        "XX001" | "XX002" => {
            tracing::error!(alarm = "database_corrupt", error = %refused,
                "PostgreSQL says that its data is damaged");
            Error::unavailable(refused)
        }
        // The rules hand over finished records and the SQL is this version's own: what breaks a CHECK
        // or a reference, or names what is not there, is a defect.
        code if ["22", "23", "42"].iter().any(|class| code.starts_with(class)) => {
            Error::internal(refused)
        }
        _ => Error::unavailable(refused),
    }
}
