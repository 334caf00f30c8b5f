//! Nodes on one store, each with a line of its own to it.

use rusqlite::Connection;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tempfile::TempDir;
use tenantry_backends::sqlite::{SqliteOptions, SqliteStore};
use tenantry_core::Plane;
use tenantry_core::accounts::NewOrganization;
use tenantry_core::actor::{Actor, Context, OperatorActor};
use tenantry_core::clock::{Clock as _, ManualClock, Timestamp};
use tenantry_core::cluster::{Followed, Membership};
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::{AccountId, CredentialId, ServiceAccountId};
use tenantry_core::keys::{NewKey, NewKeyLimits};
use tenantry_core::leads::NodeId;
use tenantry_core::oauth::{AuthenticatedClient, ClientAuthentication, TokenRequest};
use tenantry_core::permissions::PermissionSet;
use tenantry_core::plane::{Parts, Policy};
use tenantry_core::realms::Realms;
use tenantry_core::replay::Once;
use tenantry_core::rng::SeededRng;
use tenantry_core::secrets::{Secrets, SecretsMaterial};
use tenantry_core::service_accounts::NewServiceAccount;
use tenantry_core::store::{Interpose, Interposed};
use tenantry_core::text::{Line, Metadata, Name};
use tenantry_core::verify::{Asked, Code, Question, Verifier};

pub(crate) const BOUND: Duration = Duration::from_secs(5);

/// A store, and the planes on it.
pub(crate) struct Nodes {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) organization: AccountId,
    pub(crate) planes: Vec<Node>,
    store: Arc<SqliteStore>,
    folder: TempDir,
}

/// A plane, and its line to the store.
pub(crate) struct Node {
    pub(crate) plane: Arc<Plane>,
    wire: Arc<Interposed<SqliteStore, Wire>>,
}

/// A key.
pub(crate) struct Key {
    pub(crate) id: CredentialId,
    secret: Arc<str>,
}

/// A service account.
pub(crate) struct Machine {
    pub(crate) id: ServiceAccountId,
    client_id: Box<str>,
    secret: Box<str>,
}

/// What lies between a plane and the store.
#[derive(Default)]
struct Wire {
    cut: AtomicBool,
    answers: AtomicUsize,
    held: Mutex<Option<Held>>,
}

/// The next answer: says that it is there, then waits.
struct Held {
    arrived: mpsc::Sender<()>,
    released: mpsc::Receiver<()>,
}

/// An answer of the store that is on its way.
pub(crate) struct Late {
    arrived: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl Late {
    /// Waits until the store has answered.
    pub(crate) fn wait(&self) {
        self.arrived.recv().expect("an answer");
    }

    /// Lets the answer arrive.
    pub(crate) fn release(self) {
        self.release.send(()).expect("somebody waits for it");
    }
}

impl Wire {
    fn pass<T>(&self, outcome: Result<T>) -> Result<T> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the line is cut"));
        }
        self.answers.fetch_add(1, Ordering::SeqCst);
        let held = self.held.lock().expect("no panic").take();
        if let Some(held) = held {
            held.arrived.send(()).expect("the test waits");
            held.released.recv().expect("the test lets it go");
        }
        outcome
    }
}

impl Interpose for Wire {
    fn read<T>(&self, outcome: Result<T>) -> Result<T> {
        self.pass(outcome)
    }

    fn change<T>(&self, outcome: Result<T>) -> Result<T> {
        self.pass(outcome)
    }
}

impl Node {
    /// Cuts the line to the store, or mends it.
    pub(crate) fn cut(&self, cut: bool) {
        self.wire.between.cut.store(cut, Ordering::SeqCst);
    }

    /// How often the store has answered.
    pub(crate) fn answers(&self) -> usize {
        self.wire.between.answers.load(Ordering::SeqCst)
    }

    /// Moves paused time on, and waits for the answer of the store that this leads to. Never returns
    /// where it leads to none.
    pub(crate) async fn advance_to_answer(&self, time: Duration) {
        let before = self.wire.between.answers.load(Ordering::SeqCst);
        tokio::time::advance(time).await;
        while self.wire.between.answers.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    }

    /// Holds the next answer of the store back.
    pub(crate) fn hold(&self) -> Late {
        let (arrived, answer) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let held = Held { arrived, released };
        *self.wire.between.held.lock().expect("no panic") = Some(held);
        Late { arrived: answer, release }
    }

    /// What a verification of `key` is answered.
    pub(crate) async fn verify(&self, key: &Key) -> Result<Code> {
        self.verify_text(&key.secret).await
    }

    /// The same, of any text.
    pub(crate) async fn verify_text(&self, text: &str) -> Result<Code> {
        let question = Question::of(Asked::Key(text));
        self.plane.verify(Verifier::operator(None), &question).await.map(|verdict| verdict.code)
    }

    /// A token that `machine` gets here.
    pub(crate) async fn token(&self, machine: &Machine) -> Result<String> {
        let client = self.client(machine).await?;
        let request = TokenRequest { scope: None, resources: &[] };
        let issued = self.plane.issue_access_token(&client, &request).await?;
        Ok(issued.reveal().to_owned())
    }

    /// Lets `machine` take its token back here.
    pub(crate) async fn revoke_token(&self, machine: &Machine, token: &str) {
        let client = self.client(machine).await.expect("the client");
        let context =
            Context { actor: client.to_actor(), request_id: "test".into(), address: None };
        self.plane.revoke_access_token(&context, &client, token).await.expect("revoked");
    }

    async fn client(&self, machine: &Machine) -> Result<AuthenticatedClient> {
        let Machine { client_id: id, secret, .. } = machine;
        let presented = ClientAuthentication::Secret { id, secret };
        self.plane.authenticate_client(presented, None).await
    }

    /// The same, on a task of its own.
    pub(crate) fn begin_verify(&self, key: &Key) -> tokio::task::JoinHandle<Result<Code>> {
        let node = Self { plane: self.plane.clone(), wire: self.wire.clone() };
        let key = Key { id: key.id, secret: key.secret.clone() };
        tokio::spawn(async move { node.verify(&key).await })
    }

    /// Reads the change log once.
    pub(crate) async fn follow(&self) -> Followed {
        self.plane.follow_changes().await.expect("the log")
    }

    /// Reads it until there is no more to read or note.
    pub(crate) async fn catch_up(&self) {
        while self.follow().await == Followed::More {}
    }
}

impl Nodes {
    /// So many planes on a fresh store, all of them fresh, and an organization.
    pub(crate) async fn start(count: u8) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(ManualClock::at(Timestamp::from_seconds(1_700_000_000)));
        let store = SqliteStore::open(&SqliteOptions::new(folder.path(), clock.now()));
        let store = Arc::new(store.expect("a store"));
        let rng = Arc::new(SeededRng::new(7));
        let material = SecretsMaterial::generate(&*rng).expect("secrets");
        let join = |number| {
            let wire = Interposed { store: store.clone(), between: Wire::default() };
            let wire = Arc::new(wire);
            let parts = Parts {
                database_servers: None,
                meters: None,
                store: wire.clone(),
                clock: clock.clone(),
                rng: rng.clone(),
                secrets: Secrets::new(&material),
                realms: Realms::new(&material, false, Vec::new()).expect("the built-in realm"),
                policy: Policy { cache_entries: 1000, ..Policy::default() },
            };
            let membership = Membership {
                node: NodeId::from_bytes([number; 16]),
                name: format!("node {number}").into(),
                max_staleness: BOUND,
            };
            Node { plane: Arc::new(Plane::joined(parts, membership)), wire }
        };
        let planes: Vec<_> = (0..count).map(join).collect();
        let new = NewOrganization {
            name: Name::parse("Acme").expect("a name"),
            member_name: Name::parse("Owner").expect("a name"),
            member_email: Line::parse("owner@example.com").expect("an address"),
        };
        let created = planes[0].plane.initialize(&operator(None), new, Once::unkept()).await;
        let organization = created.expect("an organization").account.id;
        let nodes = Self { clock, organization, planes, store, folder };
        nodes.catch_up().await;
        nodes
    }

    /// Lets every node read the log to its end.
    pub(crate) async fn catch_up(&self) {
        for node in &self.planes {
            node.catch_up().await;
        }
    }

    /// Lets so much time pass that what nodes note counts: the server has been the same for the bound.
    pub(crate) async fn settle(&self) {
        self.pass(BOUND);
        self.catch_up().await;
    }

    /// The operator, for the organization.
    pub(crate) fn context(&self) -> Context {
        operator(Some(self.organization))
    }

    /// A further key of the organization.
    pub(crate) async fn key(&self) -> Key {
        let new = NewKey {
            format: None,
            name: None,
            permissions: PermissionSet::parse(["*:*"]).expect("permissions"),
            expires_at: None,
            allowed_ips: Vec::new(),
            metadata: Metadata::empty(),
            limits: NewKeyLimits::default(),
        };
        let plane = &self.planes[0].plane;
        let created =
            plane.create_key(&self.context(), self.organization, new, Once::unkept()).await;
        let created = created.expect("a key");
        Key { id: created.key.id, secret: created.secret.reveal().into() }
    }

    /// A service account of the organization.
    pub(crate) async fn machine(&self) -> Machine {
        let (plane, context) = (&self.planes[0].plane, self.context());
        let (new, once) = (NewServiceAccount::default(), Once::unkept());
        let created = plane.create_service_account(&context, self.organization, new, once).await;
        let created = created.expect("a service account");
        let service_account = created.details.service_account;
        Machine {
            id: service_account.id,
            client_id: service_account.client_id,
            secret: created.secret.reveal().into(),
        }
    }

    /// Moves time on, which no node uses to read the log.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Runs SQL past the store.
    pub(crate) fn sql(&self, sql: &str) {
        let connection = Connection::open(self.store.path()).expect("a connection");
        connection.execute_batch(sql).expect("run");
    }

    /// A copy of the store as it is: what another database server has of it.
    pub(crate) fn copy(&self) {
        let _ = std::fs::remove_file(self.copied());
        self.sql(&format!("VACUUM INTO '{}'", self.copied()));
    }

    /// What a failover to that copy does: everything after it did not happen.
    pub(crate) fn fail_over(&self) {
        let tables = [
            "accounts",
            "credentials",
            "service_accounts",
            "client_settings",
            "revoked_tokens",
            "audit_events",
            "change_log",
            "change_head",
            "nodes",
        ];
        let back = tables.map(|table| {
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM copy.{table};")
        });
        self.sql(&format!(
            "PRAGMA foreign_keys = OFF; ATTACH '{}' AS copy; BEGIN IMMEDIATE; {} COMMIT;",
            self.copied(),
            back.concat()
        ));
    }

    fn copied(&self) -> String {
        self.folder.path().join("copy").display().to_string()
    }
}

pub(crate) fn operator(organization: Option<AccountId>) -> Context {
    let actor = Actor::Operator(OperatorActor { organization });
    Context { actor, request_id: "test".into(), address: None }
}

/// Asserts that a node refused because it is not fresh.
#[track_caller]
pub(crate) fn assert_refused(answer: &Result<Code>) {
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
}

/// Asserts an answer.
#[track_caller]
pub(crate) fn assert_code(answer: &Result<Code>, code: Code) {
    assert!(matches!(answer, Ok(found) if *found == code), "{answer:?}");
}
