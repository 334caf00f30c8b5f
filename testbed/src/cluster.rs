//! A whole cluster: PostgreSQL with a standby, a pooler, nodes, and a balancer before them.

use crate::balancer::Balancer;
use crate::pooler::Pooler;
use crate::postgres::{Durability, Postgres};
use crate::process::{Folder, START_MAX, Supervised};
use crate::{ports, programs, within};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Most nodes of a cluster on one machine.
pub const NODES_MAX: usize = 16;

/// Seconds in which a node that stops goes on: the balancer looks twice a second.
const DRAIN_DELAY: &str = "2";

/// The programs that a cluster is of.
pub struct Programs {
    /// The binary of Tenantry.
    pub tenantry: PathBuf,
    /// The folder of PostgreSQL's.
    pub postgres: PathBuf,
    /// pgbouncer.
    pub pgbouncer: PathBuf,
    /// `HAProxy`.
    pub haproxy: PathBuf,
}

impl Programs {
    /// Those of this machine.
    ///
    /// # Errors
    /// The name of the first that it has not.
    pub fn find(tenantry: PathBuf) -> Result<Self, &'static str> {
        Ok(Self {
            tenantry,
            postgres: programs::find_postgres().ok_or("PostgreSQL")?,
            pgbouncer: programs::find_pgbouncer().ok_or("pgbouncer")?,
            haproxy: programs::find_haproxy().ok_or("HAProxy")?,
        })
    }
}

/// A running cluster. Dropped, all of it is ended and its data is gone.
pub struct Cluster {
    // Dropped in this order.
    balancer: Balancer,
    nodes: Vec<Node>,
    pooler: Pooler,
    standby: Postgres,
    primary: Postgres,
    folder: Folder,
    settings: Vec<String>,
}

struct Node {
    _process: Supervised,
    port: u16,
}

impl Cluster {
    /// Starts all of it and waits until every node serves.
    ///
    /// # Errors
    /// What the first node says instead of serving, and whatever the folder refuses.
    ///
    /// # Panics
    /// Where one of the other programs does not start.
    pub fn start(programs: &Programs, count: usize) -> io::Result<Self> {
        let count = count.clamp(1, NODES_MAX);
        let folder = Folder::new("tenantry-cluster-");
        // Nodes are not servers of others: they run as whoever starts them.
        let mut primary = Postgres::make(&programs.postgres, Durability::None);
        let follow = format!("host={} port={}", primary.folder().display(), primary.port());
        let mut standby = primary.standby(&follow);
        primary.start();
        standby.start();
        let pooler = Pooler::start(&programs.pgbouncer, primary.folder());
        let secrets = folder.path().join("secrets.toml").display().to_string();
        run(&programs.tenantry, folder.path(), &[], &["secrets", "generate", &secrets])?;
        let settings = ["--database", &pooler.url("postgres"), "--database-direct"]
            .into_iter()
            .chain([&*primary.url("postgres"), "--secrets-file", &secrets])
            .map(str::to_owned)
            .collect::<Vec<_>>();
        let words = ["init", "--organization", "Cluster", "--name", "Owner", "--email"];
        let words = [&words[..], &["owner@example.com", "--json"]].concat();
        let made = run(&programs.tenantry, folder.path(), &settings, &words)?;
        let key = member(&made, "api_key").ok_or_else(|| io::Error::other(made.clone()))?;
        write_private(&folder.path().join("master-key"), key)?;
        let nodes: Vec<Node> = (1..=count)
            .map(|number| Node::start(&programs.tenantry, folder.path(), number, &settings))
            .collect::<io::Result<_>>()?;
        for (number, node) in nodes.iter().enumerate() {
            if !within(START_MAX, || is_ready(&node.address())) {
                let log = folder.path().join(format!("node{}.log", number + 1));
                return Err(io::Error::other(std::fs::read_to_string(log)?));
            }
        }
        let ports: Vec<u16> = nodes.iter().map(|node| node.port).collect();
        let balancer = Balancer::start(&programs.haproxy, &ports);
        if !within(START_MAX, || is_ready(&balancer.address())) {
            return Err(io::Error::other("HAProxy finds no node that is ready"));
        }
        Ok(Self { balancer, nodes, pooler, standby, primary, folder, settings })
    }

    /// Where the balancer listens, `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.balancer.address()
    }

    /// Where each node listens.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        self.nodes.iter().map(Node::address).collect()
    }

    /// The file with the organization's master key.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        self.folder.path().join("master-key")
    }

    /// The folder with secrets, logs and each node's data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings that every command shares.
    #[must_use]
    pub fn settings(&self) -> &[String] {
        &self.settings
    }

    /// The database past the pooler and through it, and the standby's.
    #[must_use]
    pub fn databases(&self) -> [String; 3] {
        [self.primary.url("postgres"), self.pooler.url("postgres"), self.standby.url("postgres")]
    }
}

impl Node {
    fn start(
        tenantry: &Path,
        folder: &Path,
        number: usize,
        settings: &[String],
    ) -> io::Result<Self> {
        let data = folder.join(format!("node{number}"));
        std::fs::create_dir(&data)?;
        let port = ports::take();
        let mut command = command(tenantry, &data, settings);
        command.args(["serve", "--listen", &format!("127.0.0.1:{port}")]);
        command.args(["--metrics-listen", "off", "--drain-delay", DRAIN_DELAY]);
        let log = folder.join(format!("node{number}.log"));
        Ok(Self { _process: Supervised::start(&command, &log, "TERM"), port })
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn command(tenantry: &Path, folder: &Path, settings: &[String]) -> Command {
    let mut command = Command::new(tenantry);
    // No settings of whoever runs it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TENANTRY_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).arg("--data-dir").arg(folder.join("data")).args(settings);
    command
}

fn run(tenantry: &Path, folder: &Path, settings: &[String], words: &[&str]) -> io::Result<String> {
    let output = command(tenantry, folder, settings).args(words).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// The string of that name in an object of JSON whose strings need no escapes.
fn member<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(&format!("\"{name}\""))?;
    rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, "")?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(path, text)
}

/// Whether who listens there says at `/readyz` that it can answer.
fn is_ready(address: &str) -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(START_MAX))?;
        write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    };
    ask().is_ok_and(|reply| reply.starts_with("HTTP/1.1 200"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_however_it_is_spaced() {
        assert_eq!(member("{\n \"a\": \"x\",\n \"api_key\" : \"sk_1\"}", "api_key"), Some("sk_1"));
        assert_eq!(member(r#"{"api_key":"sk_2"}"#, "api_key"), Some("sk_2"));
        assert_eq!(member(r#"{"api_key":7}"#, "api_key"), None);
    }
}
