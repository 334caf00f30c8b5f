//! pgbouncer in transaction mode.

use crate::ports;
use crate::postgres::ROLE;
use crate::process::{Folder, START_MAX, Supervised, unprivileged, write_for_servers};
use crate::within;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;

/// Transactions at once.
const POOL_SIZE: u32 = 20;

/// A running pooler. Dropped, it is ended.
pub struct Pooler {
    _process: Supervised,
    _folder: Folder,
    port: u16,
}

impl Pooler {
    /// Starts one before the server whose socket is in `socket_folder`.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(program: &Path, socket_folder: &Path) -> Self {
        let folder = Folder::new("tenantry-pgbouncer-");
        let port = ports::take();
        let users = folder.path().join("users");
        write_for_servers(&users, &format!("\"{ROLE}\" \"\"\n"));
        let mut settings = String::new();
        let _ = write!(
            settings,
            "[databases]\n* = host={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = {POOL_SIZE}\nmax_client_conn = 1000\n\
             ignore_startup_parameters = extra_float_digits\n",
            socket_folder.display(),
            users.display(),
        );
        let file = folder.path().join("pgbouncer.ini");
        write_for_servers(&file, &settings);
        let mut command = unprivileged(program);
        command.arg(&file);
        let log = folder.path().join("log");
        let process = Supervised::start(&command, &log, "KILL");
        let listens = within(START_MAX, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listens, "pgbouncer: {}", std::fs::read_to_string(&log).unwrap_or_default());
        Self { _process: process, _folder: folder, port }
    }

    /// The address of a database for a store.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}
