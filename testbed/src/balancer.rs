//! `HAProxy` before the nodes: asks each whether it is ready, and sends requests to those that are.

use crate::ports;
use crate::process::{Folder, START_MAX, Supervised, unprivileged, write_for_servers};
use crate::within;
use std::fmt::Write as _;
use std::net::TcpStream;
use std::path::Path;

/// A running balancer. Dropped, it is ended.
pub struct Balancer {
    _process: Supervised,
    _folder: Folder,
    port: u16,
}

impl Balancer {
    /// Starts one before nodes at these ports of loopback.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(program: &Path, nodes: &[u16]) -> Self {
        let folder = Folder::new("tenantry-haproxy-");
        let port = ports::take();
        let mut settings = format!(
            "global\n  maxconn 2000\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  \
             timeout server 30s\n  option redispatch 1\n  retries 3\n\
             frontend api\n  bind 127.0.0.1:{port}\n  default_backend nodes\n\
             backend nodes\n  balance leastconn\n  option httpchk GET /readyz\n"
        );
        for (number, node) in nodes.iter().enumerate() {
            let _ = writeln!(
                settings,
                "  server node{number} 127.0.0.1:{node} check inter 500ms fall 1 rise 1"
            );
        }
        let file = folder.path().join("haproxy.cfg");
        write_for_servers(&file, &settings);
        let mut command = unprivileged(program);
        command.arg("-db").arg("-f").arg(&file);
        let log = folder.path().join("log");
        let process = Supervised::start(&command, &log, "KILL");
        let listens = within(START_MAX, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listens, "HAProxy: {}", std::fs::read_to_string(&log).unwrap_or_default());
        Self { _process: process, _folder: folder, port }
    }

    /// Where it listens, `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}
