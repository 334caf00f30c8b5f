//! A private PostgreSQL for tests: one server of a test program, a database of each test.
//!
//! The server is one of `tenantry_testbed`: it has a folder and a socket of its own, needs neither root
//! nor a port, and is gone when the program ends, however that is.

mod administrator;

pub use administrator::{Database, execute, query};
pub use tenantry_testbed::postgres::Durability;
pub use tokio_postgres::Row;

use administrator::Administrator;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use tenantry_testbed::postgres::Postgres;
use tenantry_testbed::programs;

/// A running server.
pub struct Server {
    // Dropped in this order.
    administrator: Administrator,
    postgres: Postgres,
}

impl Server {
    /// The server of this program, started by whoever asks first. None where the machine has no
    /// PostgreSQL and may leave its tests out.
    ///
    /// # Panics
    /// Where it does not start, and where there is none and `CI=true`.
    #[must_use]
    pub fn shared() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        let start = || programs::find_postgres().map(|found| Self::start(&found, Durability::None));
        let server = SERVER.get_or_init(start).as_ref();
        let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(server.is_some() || !demanded, "CI=true, and there is no PostgreSQL to test with");
        server
    }

    /// A server of the programs in a folder.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(programs: &Path, durability: Durability) -> Self {
        Self::run(Postgres::make(programs, durability))
    }

    /// A server that speaks TLS on loopback, and nothing else there, with a certificate and its key,
    /// both PEM.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start_with_tls(programs: &Path, certificate: &str, key: &str) -> Self {
        let mut postgres = Postgres::make(programs, Durability::None);
        postgres.serve_tls(certificate, key);
        Self::run(postgres)
    }

    /// The same, where who comes has to know a password too.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start_with_tls_and_passwords(programs: &Path, certificate: &str, key: &str) -> Self {
        let mut postgres = Postgres::make(programs, Durability::None);
        postgres.serve_tls(certificate, key);
        postgres.want_passwords();
        Self::run(postgres)
    }

    /// A server that listens on loopback without TLS, to whoever proves a password; of which customers
    /// name databases.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start_plain(programs: &Path) -> Self {
        let mut postgres = Postgres::make(programs, Durability::None);
        postgres.serve_plain();
        Self::run(postgres)
    }

    /// What somebody with all rights reads from a database of it.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn query(&self, database: &str, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.administrator.query(database, sql)
    }

    /// What somebody with all rights changes there: how many rows each statement.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn execute(&self, database: &str, sql: &str) -> Result<Vec<u64>, tokio_postgres::Error> {
        self.administrator.execute(database, sql)
    }

    /// What a role reads who logs in over the network.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn query_as(
        &self,
        (user, password): (&str, &str),
        database: &str,
        sql: &str,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.administrator.query_as((user, password), database, sql)
    }

    /// Stops the server, as a crash does.
    pub fn stop(&mut self) {
        self.postgres.stop(tenantry_testbed::postgres::Shutdown::Immediate);
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.postgres.log()
    }

    fn run(mut postgres: Postgres) -> Self {
        postgres.start();
        let administrator = Administrator::start(postgres.folder(), postgres.port());
        Self { administrator, postgres }
    }

    /// Its port: on loopback, where it speaks TLS, and in the name of its socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// A new database with the schema in it; dropped with what is returned.
    ///
    /// # Panics
    /// Where PostgreSQL refuses.
    #[must_use]
    pub fn database(&self) -> Database {
        self.administrator.create(true)
    }

    /// A new database with nothing in it.
    ///
    /// # Panics
    /// Where PostgreSQL refuses.
    #[must_use]
    pub fn empty_database(&self) -> Database {
        self.administrator.create(false)
    }

    /// The folder with the server's data and socket.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.postgres.folder()
    }
}

/// Bytes as SQL text has them.
#[must_use]
pub fn literal(bytes: &[u8]) -> String {
    let mut text = "'\\x".to_owned();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text + "'::bytea"
}
