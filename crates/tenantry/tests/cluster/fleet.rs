//! Nodes on a PostgreSQL of their own. Each reaches it through a network of its own, and is told of
//! changes through another.

use crate::support::http::{Connection, Reply};
use crate::support::site::{Credentials, Server, Site};
use crate::support::{say, within};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tenantry_backends::testing::{self, Row};
use tenantry_testbed::fault_proxy::{FaultProxy, Upstream};
use tenantry_testbed::postgres::{Durability, Postgres, ROLE};
use tenantry_testbed::{ports, programs};

/// How long a node may take until it serves again.
pub(crate) const READY_MAX: Duration = Duration::from_secs(30);
/// The bound that nodes publish.
pub(crate) const BOUND: Duration = Duration::from_secs(5);

/// Whether a second server follows the first, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standby {
    None,
    /// Commits do not wait for it.
    Asynchronous,
    /// No commit is acknowledged without it.
    Synchronous,
}

/// Nodes, servers and networks. Dropped in this order.
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<Node>,
    pub(crate) primary: Postgres,
    pub(crate) standby: Option<Postgres>,
    /// Between the servers.
    pub(crate) replication: FaultProxy,
    pub(crate) credentials: Credentials,
    pub(crate) folder: TempDir,
}

/// A node, and its ways to the database.
pub(crate) struct Node {
    pub(crate) server: Option<Server>,
    pub(crate) site: Site,
    pub(crate) network: FaultProxy,
    pub(crate) hints: FaultProxy,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Fleet {
    /// A fleet of that many nodes, all serving; none where the machine has no PostgreSQL and may leave
    /// it out.
    pub(crate) fn start(count: usize, standby: Standby) -> Option<Self> {
        let mut fleet = Self::prepare(count, standby)?;
        for node in &mut fleet.nodes {
            node.start();
        }
        fleet.await_ready();
        Some(fleet)
    }

    /// The same, of nodes that are not started.
    pub(crate) fn prepare(count: usize, standby: Standby) -> Option<Self> {
        let Some(found) = programs::find_postgres() else {
            let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!demanded, "CI=true, and there is no PostgreSQL to test with");
            say("left out: no initdb and postgres");
            return None;
        };
        let mut primary = Postgres::make(&found, Durability::None);
        let replication = FaultProxy::start(Upstream::Unix(primary.socket()));
        let follow = format!("host=127.0.0.1 port={}", replication.address().port());
        let mut second = (standby != Standby::None).then(|| primary.standby(&follow));
        if standby == Standby::Synchronous {
            primary.configure(&["synchronous_standby_names=*"]);
        }
        primary.start();
        if let Some(second) = &mut second {
            second.start();
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut nodes: Vec<Node> =
            (0..count).map(|number| Node::new(folder.path(), number, &primary)).collect();
        let secrets = folder.path().join("secrets.toml").display().to_string();
        let first = &mut nodes[0];
        Site { settings: Vec::new(), ..Site::new(folder.path()) }
            .print(&["secrets", "generate", &secrets]);
        let words = ["init", "--organization", "Fleet", "--name", "O", "--email", "o@example.com"];
        let created = first.site.print(&[&words[..], &["--json"]].concat());
        let created: Value = serde_json::from_str(&created).expect("JSON");
        let text = |name: &str| created[name].as_str().expect("a string").to_owned();
        let tenant = text("organization_id");
        let credentials =
            Credentials { token: first.site.token(&tenant), tenant, master: text("api_key") };
        Some(Self { nodes, primary, standby: second, replication, credentials, folder })
    }

    /// Waits until every node that runs is ready.
    pub(crate) fn await_ready(&self) {
        for node in self.nodes.iter().filter(|node| node.server.is_some()) {
            let ready = within(READY_MAX, || node.is_ready());
            assert!(ready.is_some(), "not ready: {}", node.site.last_log());
        }
    }

    /// Leads every node to the standby, which is promoted; the primary is stopped already.
    pub(crate) fn fail_over(&mut self) {
        self.promote();
        for node in &self.nodes {
            self.lead(node);
        }
    }

    /// Promotes the standby; the primary is stopped already. No node is led there yet.
    pub(crate) fn promote(&mut self) {
        let standby = self.standby.take().expect("a standby");
        standby.promote();
        self.primary = standby;
    }

    /// Leads a node to the primary, and cuts what it has open.
    pub(crate) fn lead(&self, node: &Node) {
        for way in [&node.network, &node.hints] {
            way.lead_to(Upstream::Unix(self.primary.socket()));
        }
    }

    /// What somebody with SQL reads.
    pub(crate) fn query(&self, sql: &str) -> Vec<Row> {
        testing::query(self.primary.folder(), "postgres", sql).expect("rows")
    }

    /// What somebody with SQL changes.
    pub(crate) fn execute(&self, sql: &str) {
        testing::execute(self.primary.folder(), "postgres", sql).expect("done");
    }

    /// Waits until the standby has all that the primary has.
    pub(crate) fn await_standby(&self) {
        let behind = "SELECT count(*) FROM pg_stat_replication \
                      WHERE replay_lsn = pg_current_wal_lsn()";
        let caught_up = within(READY_MAX, || self.query(behind)[0].get::<_, i64>(0) == 1);
        assert!(caught_up.is_some(), "the standby follows");
    }

    /// How many sessions are in a transaction that nobody works in.
    pub(crate) fn idle_in_transaction(&self) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE state LIKE 'idle in transaction%' AND application_name LIKE 'tenantry%'";
        self.query(sql)[0].get(0)
    }

    /// A caller of one node with the master key.
    pub(crate) fn caller(&self, node: usize) -> Caller<'_> {
        Caller { address: &self.nodes[node].address, master: &self.credentials.master, to: None }
    }

    /// Makes keys through the nodes in turn.
    pub(crate) fn make_keys(&self, count: usize) -> Vec<Key> {
        let mut callers: Vec<Caller<'_>> =
            (0..self.nodes.len()).map(|node| self.caller(node)).collect();
        let callers_count = callers.len();
        (0..count).map(|number| callers[number % callers_count].make_key()).collect()
    }
}

impl Node {
    fn new(folder: &Path, number: usize, primary: &Postgres) -> Self {
        let own = folder.join(format!("node{number}"));
        std::fs::create_dir(&own).expect("a folder");
        let network = FaultProxy::start(Upstream::Unix(primary.socket()));
        let hints = FaultProxy::start(Upstream::Unix(primary.socket()));
        let url = |proxy: &FaultProxy| format!("postgres://{ROLE}@{}/postgres", proxy.address());
        let mut site = Site::new(&own);
        site.listen = format!("127.0.0.1:{}", ports::take());
        site.settings = vec![
            "--database".to_owned(),
            url(&network),
            "--database-direct".to_owned(),
            url(&hints),
            "--secrets-file".to_owned(),
            folder.join("secrets.toml").display().to_string(),
        ];
        site.options.extend(["--metrics-listen".to_owned(), "off".to_owned()]);
        Self { server: None, address: site.listen.clone(), site, network, hints }
    }

    /// Starts it; another process than before.
    pub(crate) fn start(&mut self) {
        self.server = Some(self.site.start());
    }

    /// Its process.
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("a node that runs")
    }

    /// Whether it says that it can answer.
    pub(crate) fn is_ready(&self) -> bool {
        self.server().get("/readyz").is_ok_and(|reply| reply.status == 200)
    }
}

/// A key that was made.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// What a node says of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is good.
    Valid,
    /// It is not, for this reason.
    Refused(String),
    /// Nothing can be said now: the status.
    Unavailable(u16),
    /// No reply came.
    Nothing,
}

/// Calls with the master key on one kept connection.
pub(crate) struct Caller<'a> {
    pub(crate) address: &'a str,
    pub(crate) master: &'a str,
    pub(crate) to: Option<Connection>,
}

impl Caller<'_> {
    /// One call; on a new connection after one that failed.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<Reply> {
        let mut connection = match self.to.take() {
            Some(connection) => connection,
            None => Connection::open(self.address)?,
        };
        let bearer = format!("Bearer {}", self.master);
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        let reply = connection.send(method, path, &headers, body)?;
        self.to = Some(connection);
        Ok(reply)
    }

    /// A new account's key.
    pub(crate) fn make_key(&mut self) -> Key {
        self.try_make_key().expect("a key")
    }

    /// A new account's key, where that is acknowledged.
    pub(crate) fn try_make_key(&mut self) -> Option<Key> {
        let reply = self.call("POST", "/v1/accounts", r#"{"name":"fleet"}"#).ok()?;
        let made = || Key { id: reply.text_at("/key/id"), secret: reply.text_at("/key/secret") };
        (reply.status == 201).then(made)
    }

    /// Asks about a key.
    pub(crate) fn ask(&mut self, key: &Key) -> Said {
        let question = json!({ "key": key.secret }).to_string();
        match self.call("POST", "/v1/keys/verify", &question) {
            Err(_) => Said::Nothing,
            Ok(reply) if reply.status == 200 => match reply.text_at("/code").as_str() {
                "VALID" => Said::Valid,
                code => Said::Refused(code.to_owned()),
            },
            Ok(reply) => Said::Unavailable(reply.status),
        }
    }

    /// Revokes a key; true once that is acknowledged.
    pub(crate) fn revoke(&mut self, key: &Key, wait: bool) -> bool {
        let query = if wait { "?wait=true" } else { "" };
        let path = format!("/v1/keys/{}/revoke{query}", key.id);
        self.call("POST", &path, "").is_ok_and(|reply| reply.status == 200)
    }
}
