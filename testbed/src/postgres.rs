//! PostgreSQL servers: made, started, stopped in every way, followed by a standby, promoted.
//!
//! A server has a folder with its data and its socket, and no port unless it speaks TLS.

use crate::process::{Folder, START_MAX, Supervised, unprivileged, write_for_servers};
use crate::within;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of the role, which may do everything.
pub const ROLE: &str = "tenantry";

/// The port in the socket's name, where it is no port at all.
pub const USUAL_PORT: u16 = 5432;

/// Who may come in, where there is TLS: over the network nobody without it.
const ADMITTED: &str = "local all all trust\nhostssl all all all trust\n";

/// Who may come in, where it speaks TLS and wants a password.
const ADMITTED_BY_BOTH: &str = "local all all trust\nhostssl all all all scram-sha-256\n";

/// Who may come in, where there is no TLS: over the network whoever proves a password.
const ADMITTED_BY_PASSWORD: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// What every server is started with.
const SETTINGS: [&str; 7] = [
    "listen_addresses=",
    "max_connections=300",
    "shared_buffers=32MB",
    "log_statement=none",
    // For standbys, which are copies of before the first start.
    "wal_keep_size=512MB",
    "wal_sender_timeout=5s",
    "wal_receiver_timeout=5s",
];

/// What outlasts a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: the disk is not waited for.
    None,
    /// Every commit.
    Full,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended, and all is written.
    Fast,
    /// As in a crash, with a word to the sessions.
    Immediate,
    /// As in a crash.
    Kill,
}

/// A server. Dropped, it is stopped and its folder removed.
pub struct Postgres {
    // Dropped in this order.
    process: Option<Supervised>,
    folder: Folder,
    programs: PathBuf,
    durability: Durability,
    settings: Vec<String>,
    port: u16,
}

impl Postgres {
    /// A server of the programs in a folder, not yet started.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn make(programs: &Path, durability: Durability) -> Self {
        let server = Self::empty(programs, durability);
        let mut initdb = unprivileged(&programs.join("initdb"));
        initdb.arg("--pgdata").arg(server.data());
        initdb.args(["--username", ROLE, "--auth", "trust", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C", "--no-sync", "--no-instructions"]);
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server
    }

    fn empty(programs: &Path, durability: Durability) -> Self {
        Self {
            process: None,
            folder: Folder::new("tenantry-postgres-"),
            programs: programs.to_owned(),
            durability,
            settings: Vec::new(),
            port: USUAL_PORT,
        }
    }

    /// A server that follows this one, once both are started. To be made before this one is started
    /// for the first time. `primary` is the libpq address of this one.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn standby(&self, primary: &str) -> Self {
        let standby = Self::empty(&self.programs, self.durability);
        let mut copy = unprivileged(Path::new("cp"));
        copy.arg("-r").arg(self.data()).arg(standby.data());
        assert!(copy.status().expect("cp runs").success(), "the data is copied");
        standby.follow(primary);
        standby
    }

    /// Follows another server from its next start.
    ///
    /// # Panics
    /// Where its settings cannot be written.
    pub fn follow(&self, primary: &str) {
        write_for_servers(&self.data().join("standby.signal"), "");
        let settings =
            format!("primary_conninfo = '{primary} user={ROLE} application_name=standby'\n");
        write_for_servers(&self.data().join("postgresql.auto.conf"), &settings);
    }

    /// Settings from the next start, `name=value`.
    pub fn configure(&mut self, settings: &[&str]) {
        self.settings = settings.iter().map(|&setting| setting.to_owned()).collect();
    }

    /// Speaks TLS on loopback from its next start, with a certificate and its key, both PEM.
    ///
    /// # Panics
    /// Where they cannot be written.
    pub fn serve_tls(&mut self, certificate: &str, key: &str) {
        for (name, text) in
            [("server.crt", certificate), ("server.key", key), ("pg_hba.conf", ADMITTED)]
        {
            write_for_servers(&self.data().join(name), text);
        }
        self.port = crate::ports::take();
        self.settings.extend(["listen_addresses=127.0.0.1".to_owned(), "ssl=on".to_owned()]);
    }

    /// Lets nobody in over TLS who does not prove by SCRAM that they know a password, and logs who came.
    ///
    /// # Panics
    /// Where that cannot be written.
    pub fn want_passwords(&mut self) {
        write_for_servers(&self.data().join("pg_hba.conf"), ADMITTED_BY_BOTH);
        self.settings.push("log_connections=on".to_owned());
    }

    /// Listens on loopback without TLS from its next start, to whoever proves by SCRAM that they know a
    /// password.
    ///
    /// # Panics
    /// Where that cannot be written.
    pub fn serve_plain(&mut self) {
        write_for_servers(&self.data().join("pg_hba.conf"), ADMITTED_BY_PASSWORD);
        self.port = crate::ports::take();
        self.settings.push("listen_addresses=127.0.0.1".to_owned());
    }

    /// Its port: on loopback, where it listens there, and in the name of its socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// Where it does not.
    pub fn start(&mut self) {
        let mut command: Command = unprivileged(&self.programs.join("postgres"));
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        command.arg("-p").arg(self.port.to_string());
        for setting in SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        if self.durability == Durability::None {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let before = self.log().len();
        self.process = Some(Supervised::start(&command, &self.log_file(), "QUIT"));
        self.await_log(before, "ready to accept");
    }

    /// Stops the server and waits for its end.
    ///
    /// # Panics
    /// Where its end cannot be waited for.
    pub fn stop(&mut self, how: Shutdown) {
        let signal = match how {
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
            Shutdown::Kill => Signal::KILL,
        };
        if let Some(process) = self.process.take() {
            let _ = process.end(signal);
        }
        if how == Shutdown::Kill {
            // Its sessions see the end of the server by themselves; a new one waits for them.
            let _ = std::fs::remove_file(self.data().join("postmaster.pid"));
        }
    }

    /// Makes a standby the primary and waits until it is.
    ///
    /// # Panics
    /// Where it does not become one.
    pub fn promote(&self) {
        let before = self.log().len();
        // Under its name once it is done: the server may look without the signal, and removes it.
        let sign = self.data().join("promote.new");
        write_for_servers(&sign, "");
        std::fs::rename(&sign, self.data().join("promote")).expect("a sign to promote");
        if let Some(process) = &self.process {
            process.signal(Signal::USR1);
        }
        self.await_log(before, "database system is ready to accept connections");
    }

    /// The folder with the server's data and socket.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }

    /// The address of a database for a store.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{ROLE}@{folder}:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn await_log(&self, before: usize, line: &str) {
        let there =
            within(START_MAX, || self.log().get(before..).is_some_and(|log| log.contains(line)));
        assert!(there, "PostgreSQL does not say {line:?}: {}", self.log());
    }
}
