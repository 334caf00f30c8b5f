//! A Valkey, or Redis, server that can be killed, stopped for a while, and started again empty.

use crate::ports;
use crate::process::{Folder, START_MAX, Supervised, unprivileged};
use crate::within;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

/// A running server. Dropped, it is ended.
pub struct Valkey {
    program: PathBuf,
    settings: Vec<String>,
    process: Option<Supervised>,
    folder: Folder,
    port: u16,
}

impl Valkey {
    /// Starts one that keeps everything in memory, with further settings as its command line takes them.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(program: &Path, settings: &[&str]) -> Self {
        let mut server = Self {
            program: program.to_owned(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
            process: None,
            folder: Folder::new("tenantry-valkey-"),
            port: ports::take(),
        };
        server.start_again();
        server
    }

    /// Starts it again, on the same port, with nothing in it.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&mut self) {
        let mut command = unprivileged(&self.program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(self.port.to_string()).arg("--dir").arg(self.folder.path());
        command.args(&self.settings);
        let log = self.folder.path().join("log");
        self.process = Some(Supervised::start(&command, &log, "KILL"));
        let port = self.port;
        let listens = within(START_MAX, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listens, "Valkey: {}", std::fs::read_to_string(&log).unwrap_or_default());
    }

    /// Kills it.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Where it is, for a node.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}
