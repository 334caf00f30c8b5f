//! Databases of tests: made, looked into and dropped on a thread of its own, so that tests may ask
//! wherever they are.

use crate::postgres::{PostgresOptions, PostgresStore};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_testbed::postgres::{ROLE, USUAL_PORT};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Config, NoTls, Row, SimpleQueryMessage};

/// How often the server is asked until it answers.
const ATTEMPTS_MAX: u32 = 3000;
/// How long each waits for the next.
const PAUSE: Duration = Duration::from_millis(20);
/// What databases with the schema are copies of.
const TEMPLATE: &str = "tenantry_template";

type Task = Box<dyn FnOnce(&mut State) + Send>;

/// The way to the thread.
#[derive(Clone)]
pub(super) struct Administrator {
    tasks: Sender<Task>,
    address: Address,
}

/// The folder of the server's socket, and the port in its name.
#[derive(Clone)]
struct Address {
    socket: PathBuf,
    port: u16,
}

struct State {
    runtime: Runtime,
    address: Address,
    client: Client,
    has_template: bool,
    databases: u32,
}

impl Administrator {
    pub(super) fn start(socket: &Path, port: u16) -> Self {
        let (tasks, received) = channel();
        let address = Address { socket: socket.to_owned(), port };
        let serving = address.clone();
        std::thread::spawn(move || serve(serving, &received));
        Self { tasks, address }
    }

    /// A new database, with the schema or without.
    pub(super) fn create(&self, schema: bool) -> Database {
        let name = self.ask(move |state| state.create(schema));
        let database = name.clone();
        Database { administrator: self.clone(), url: url(&self.address, &name), name: database }
    }

    pub(super) fn query(
        &self,
        database: &str,
        sql: &str,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let (name, sql) = (database.to_owned(), sql.to_owned());
        self.ask(move |state| state.query(&name, &sql))
    }

    pub(super) fn execute(
        &self,
        database: &str,
        sql: &str,
    ) -> Result<Vec<u64>, tokio_postgres::Error> {
        let (name, sql) = (database.to_owned(), sql.to_owned());
        self.ask(move |state| state.execute(&name, &sql))
    }

    pub(super) fn query_as(
        &self,
        (user, password): (&str, &str),
        database: &str,
        sql: &str,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.address.port).user(user).password(password);
        config.dbname(database);
        let sql = sql.to_owned();
        self.ask(move |state| {
            state.runtime.block_on(async {
                let (client, connection) = config.connect(NoTls).await?;
                tokio::spawn(connection);
                client.query(&sql, &[]).await
            })
        })
    }

    /// Has something done on the thread, and waits for it.
    fn ask<T: Send + 'static>(&self, task: impl FnOnce(&mut State) -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let task = move |state: &mut State| {
            let _ = answer.send(task(state));
        };
        self.tasks.send(Box::new(task)).expect("the administrator runs");
        answered.recv().expect("PostgreSQL does what tests ask; its log says what it did not")
    }
}

fn serve(address: Address, tasks: &Receiver<Task>) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = patiently(|| runtime.block_on(connect(&address, "postgres")));
    let mut state = State { runtime, address, client, has_template: false, databases: 0 };
    for task in tasks {
        task(&mut state);
    }
}

/// Tries again until it is done.
fn patiently<T>(attempt: impl Fn() -> Result<T, tokio_postgres::Error>) -> T {
    for _ in 1..ATTEMPTS_MAX {
        if let Ok(done) = attempt() {
            return done;
        }
        std::thread::sleep(PAUSE);
    }
    attempt().expect("PostgreSQL answers")
}

async fn connect(address: &Address, database: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = Config::new();
    config.host_path(&address.socket).port(address.port).user(ROLE).dbname(database);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What somebody with SQL reads from a database of the server whose socket is in `folder`.
///
/// # Errors
/// What PostgreSQL says.
///
/// # Panics
/// Where there is no runtime to be had.
pub fn query(folder: &Path, database: &str, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { connect(&usual(folder), database).await?.query(sql, &[]).await })
}

/// What somebody with SQL changes in such a database: one or more statements.
///
/// # Errors
/// What PostgreSQL says.
///
/// # Panics
/// Where there is no runtime to be had.
pub fn execute(folder: &Path, database: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { connect(&usual(folder), database).await?.batch_execute(sql).await })
}

fn usual(folder: &Path) -> Address {
    Address { socket: folder.to_owned(), port: USUAL_PORT }
}

fn url(address: &Address, database: &str) -> String {
    let socket = address.socket.display().to_string().replace('/', "%2F");
    format!("postgres://{ROLE}@{socket}:{}/{database}", address.port)
}

impl State {
    fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.runtime.block_on(self.client.batch_execute(sql))
    }

    fn create(&mut self, schema: bool) -> String {
        if schema && !self.has_template {
            self.run(&format!("CREATE DATABASE {TEMPLATE}")).expect("a database");
            let options =
                PostgresOptions::new(url(&self.address, TEMPLATE), Timestamp::from_seconds(0));
            let opened = self.runtime.block_on(PostgresStore::open(&options));
            drop(opened.expect("the schema"));
            self.has_template = true;
        }
        self.databases += 1;
        let name = format!("test_{}", self.databases);
        let template = if schema { TEMPLATE } else { "template0" };
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        // The last session in the template may not have ended yet.
        patiently(|| self.run(&sql));
        name
    }

    fn query(&self, database: &str, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.runtime.block_on(async {
            let client = connect(&self.address, database).await?;
            client.query(sql, &[]).await
        })
    }

    fn execute(&self, database: &str, sql: &str) -> Result<Vec<u64>, tokio_postgres::Error> {
        self.runtime.block_on(async {
            let client = connect(&self.address, database).await?;
            let answers = client.simple_query(sql).await?;
            let count = |answer| match answer {
                SimpleQueryMessage::CommandComplete(rows) => Some(rows),
                _ => None,
            };
            Ok(answers.into_iter().filter_map(count).collect())
        })
    }
}

/// A database of one test. Dropping it drops the database.
pub struct Database {
    administrator: Administrator,
    name: String,
    url: String,
}

impl Database {
    /// How a store reaches it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What somebody with SQL reads.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn query(&self, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        self.administrator.query(&self.name, sql)
    }

    /// What somebody with SQL changes by one or more statements: how many rows each.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn execute(&self, sql: &str) -> Result<Vec<u64>, tokio_postgres::Error> {
        self.administrator.execute(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let drop: Task = Box::new(move |state| {
            // With the directory, if not now.
            let _ = state.run(&sql);
        });
        let _ = self.administrator.tasks.send(drop);
    }
}
