//! A private PostgreSQL for tests: one server of a test program, a database of each test.
//!
//! The server has a directory and a socket of its own and needs neither root nor a port. It is stopped
//! and its directory removed when the program ends, however that is: whoever starts it waits for the
//! end of a pipe that only the program holds.

mod administrator;
mod program;

pub use administrator::Database;
pub use tokio_postgres::Row;

use administrator::Administrator;
use program::{Pair, Program};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The name of the role, which may do everything.
const ROLE: &str = "tenantry";

/// A running server.
pub struct Server {
    // Dropped in this order.
    administrator: Administrator,
    program: Program,
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
        let start = || Self::programs().map(|found| Self::start(&found, None));
        let server = SERVER.get_or_init(start).as_ref();
        let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(server.is_some() || !demanded, "CI=true, and there is no PostgreSQL to test with");
        server
    }

    /// The folder of the machine's PostgreSQL.
    #[must_use]
    pub fn programs() -> Option<PathBuf> {
        Program::find()
    }

    /// A server of the programs in a folder that speaks TLS on loopback, and nothing else there, with a
    /// certificate and its key, both PEM.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start_with_tls(programs: &Path, certificate: &str, key: &str) -> Self {
        Self::start(programs, Some((certificate, key)))
    }

    fn start(programs: &Path, tls: Option<Pair<'_>>) -> Self {
        let program = Program::start(programs, tls);
        let administrator = Administrator::start(program.socket_directory(), program.port());
        Self { administrator, program }
    }

    /// Its port: on loopback, where it speaks TLS, and in the name of its socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.program.port()
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
        self.program.socket_directory()
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
