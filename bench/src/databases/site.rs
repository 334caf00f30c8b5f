//! Two servers with tenants' databases on them, and a plane that knows both.

use crate::keys::Draw;
use crate::load::Until;
use crate::prepare::Store;
use crate::requests::Requests;
use crate::sample::{self, Sample};
use crate::server::{self, Server};
use crate::{Outcome, clock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tenantry_testbed::postgres::{Durability, Postgres, Shutdown};
use tenantry_testbed::programs;

/// The role by which both the plane and `psql` come, and its password.
const ROLE: &str = "operators";
const PASSWORD: &str = "bench";
/// How many ask for records of the tenants that are measured.
const CONNECTIONS: usize = 8;
/// How many ask for those of the other half meanwhile, and how often each.
const OTHERS: usize = 8;
const OTHERS_EVERY: Duration = Duration::from_millis(50);
/// Files of the schema that each run applies.
const FILES: u32 = 3;

/// What the server of the one half does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Far {
    /// Nobody asks it.
    Rests,
    Answers,
    /// It is stopped: connections are refused.
    Refuses,
    /// It takes connections and says nothing.
    IsSilent,
}

/// A tenant.
struct Tenant {
    account: String,
    key: String,
    database: String,
    port: u16,
}

/// All that runs.
pub(super) struct Site {
    binary: PathBuf,
    folder: PathBuf,
    near: Postgres,
    far: Postgres,
    psql: PathBuf,
    master: String,
    caller: String,
    tenants: Vec<Tenant>,
    /// Numbers the files, and what they make.
    files: u32,
}

impl Site {
    /// Makes it, with so many tenants.
    pub(super) fn make(binary: &Path, store: &Store, tenants: usize) -> Outcome<Self> {
        let programs = programs::find_postgres().ok_or("there is no PostgreSQL")?;
        let beside = programs.join("psql");
        let mut site = Self {
            binary: binary.canonicalize()?,
            folder: store.folder.canonicalize()?,
            near: start(&programs),
            far: start(&programs),
            psql: if beside.is_file() { beside } else { "psql".into() },
            master: store.master()?,
            caller: store.caller()?,
            tenants: Vec::with_capacity(tenants),
            files: 1,
        };
        site.configure()?;
        let server = site.serve()?;
        let port = |name: &Value| if name == "near" { site.near.port() } else { site.far.port() };
        let mut made = Vec::with_capacity(tenants);
        for number in 0..tenants {
            let body = format!(r#"{{"name":"tenant {number}","database":{{"managed":true}}}}"#);
            let account = site.ask(&server, "POST", "/v1/accounts", &body)?;
            let id = text(&account["account"]["id"])?;
            let database = site.ask(&server, "GET", &format!("/v1/accounts/{id}/database"), "")?;
            made.push(Tenant {
                key: text(&account["key"]["secret"])?,
                database: text(&database["name"])?,
                port: port(&database["server"]),
                account: id,
            });
        }
        site.tenants = made;
        server.stop()?;
        Ok(site)
    }

    /// Applies the next files everywhere. Databases per second.
    pub(super) fn migrate(&mut self, at_once: usize) -> Outcome<f64> {
        for sql in self.next_files() {
            self.files += 1;
            fs::write(self.folder.join(format!("schema/{:04}_file.sql", self.files)), sql)?;
        }
        let mut command = self.command(&["databases", "migrate", "--all", "--json"]);
        command.args(["--concurrency", &at_once.to_string()]).stderr(Stdio::null());
        let began = clock::now();
        let output = command.output()?;
        let took = began.elapsed();
        let printed: Value = serde_json::from_slice(&output.stdout)?;
        let done = printed.as_array().map_or(0, |all| {
            all.iter().filter(|one| one["applied"].as_u64() == Some(FILES.into())).count()
        });
        if !output.status.success() || done != self.tenants.len() {
            return Err(format!("{done} were migrated").into());
        }
        self.rate(took)
    }

    /// The same by `psql`: one session for each database, one transaction for each file.
    pub(super) fn psql(&mut self, at_once: usize) -> Outcome<f64> {
        let files: Vec<PathBuf> =
            (0..FILES).map(|number| self.folder.join(format!("psql-{number}.sql"))).collect();
        for (file, sql) in files.iter().zip(self.next_files()) {
            fs::write(file, sql)?;
        }
        // Nobody else applies these, and their numbers are not used again.
        self.files += FILES;
        let next = AtomicUsize::new(0);
        let began = clock::now();
        let work = || -> Outcome {
            while let Some(tenant) = self.tenants.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut psql = Command::new(&self.psql);
                psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]);
                for file in &files {
                    psql.args(["--command", "BEGIN", "--file"]).arg(file);
                    psql.args(["--command", "COMMIT"]);
                }
                psql.env("PGPASSWORD", PASSWORD).env("PGSSLMODE", "disable");
                psql.arg(format!(
                    "postgres://{ROLE}@127.0.0.1:{}/{}",
                    tenant.port, tenant.database
                ));
                if !psql.status()?.success() {
                    return Err("psql failed".into());
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|t| t.join().map_err(|_| "a thread ended")?)
        })?;
        self.rate(began.elapsed())
    }

    /// The records of the tenants of the near server, while those of the far one are asked for too.
    pub(super) fn records(&mut self, far: Far, until: Until) -> Outcome<Sample> {
        let (near, far_ones) = self.halves();
        let count = near.len() as u64;
        let mut requests = Requests::account(&self.master.clone(), &near, Draw::uniform(count, 7));
        self.beside((far, &far_ones), |server| {
            sample::take(server, CONNECTIONS, until, &mut requests)
        })
    }

    /// Verifications of all tenants' keys meanwhile.
    pub(super) fn verify(&mut self, far: Far, until: Until) -> Outcome<Sample> {
        let (_, far_ones) = self.halves();
        let keys: Vec<String> = self.tenants.iter().map(|tenant| tenant.key.clone()).collect();
        let draw = Draw::uniform(keys.len() as u64, 7);
        let mut requests = Requests::verify_of(&self.caller.clone(), &keys, draw);
        self.beside((far, &far_ones), |server| {
            sample::take(server, CONNECTIONS, until, &mut requests)
        })
    }

    /// A server that has seen no fault yet, and others who ask for what may not be there.
    fn beside(
        &mut self,
        (far, accounts): (Far, &[String]),
        measured: impl FnOnce(&Server) -> Outcome<Sample>,
    ) -> Outcome<Sample> {
        let server = self.serve()?;
        match far {
            Far::Rests | Far::Answers => {}
            Far::Refuses => self.far.stop(Shutdown::Immediate),
            Far::IsSilent => self.signal(Signal::STOP)?,
        }
        let (address, over) = (server.address, AtomicBool::new(false));
        let sample = std::thread::scope(|scope| {
            let others = if far == Far::Rests { 0 } else { OTHERS };
            for number in 0..others {
                let (over, master) = (&over, &*self.master);
                scope.spawn(move || ask_on(address, (master, accounts), number, over));
            }
            let sample = measured(&server);
            over.store(true, Ordering::Relaxed);
            sample
        });
        match far {
            Far::Rests | Far::Answers => {}
            Far::Refuses => self.far.start(),
            Far::IsSilent => self.signal(Signal::CONT)?,
        }
        server.stop()?;
        sample
    }

    /// The accounts of the near server and of the far one.
    fn halves(&self) -> (Vec<String>, Vec<String>) {
        let (near, far): (Vec<&Tenant>, Vec<&Tenant>) =
            self.tenants.iter().partition(|tenant| tenant.port == self.near.port());
        let ids = |of: Vec<&Tenant>| of.iter().map(|tenant| tenant.account.clone()).collect();
        (ids(near), ids(far))
    }

    fn signal(&self, signal: Signal) -> Outcome {
        let file = fs::read_to_string(self.far.folder().join("data/postmaster.pid"))?;
        let pid = file.lines().next().ok_or("postmaster.pid is empty")?.trim().parse()?;
        kill_process(Pid::from_raw(pid).ok_or("no process")?, signal)?;
        Ok(())
    }

    fn configure(&self) -> Outcome {
        let sql = format!("CREATE ROLE {ROLE} SUPERUSER LOGIN PASSWORD '{PASSWORD}'");
        let mut config = String::new();
        for (name, postgres) in [("near", &self.near), ("far", &self.far)] {
            let mut psql = Command::new(&self.psql);
            psql.args(["--no-psqlrc", "--quiet", "--command", &sql]);
            if !psql.arg(postgres.url("postgres")).status()?.success() {
                return Err("psql failed".into());
            }
            let server = format!(
                "[[database_servers]]\nname = \"{name}\"\nhost = \"127.0.0.1\"\nport = {}\n\
                 user = \"{ROLE}\"\npassword-file = \"password\"\n",
                postgres.port()
            );
            config.push_str(&server);
        }
        fs::write(self.folder.join("tenantry.toml"), config)?;
        fs::write(self.folder.join("password"), PASSWORD)?;
        let schema = self.folder.join("schema");
        if schema.exists() {
            fs::remove_dir_all(&schema)?;
        }
        fs::create_dir(&schema)?;
        fs::write(schema.join("0001_file.sql"), "CREATE TABLE customers (name text NOT NULL);\n")?;
        Ok(())
    }

    /// What the next files say: a table with an index, a column more, some rows.
    fn next_files(&self) -> [String; FILES as usize] {
        let table = format!("orders_{}", self.files);
        [
            format!(
                "CREATE TABLE {table} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
                 customer text NOT NULL, placed_at timestamptz NOT NULL DEFAULT now());\n\
                 CREATE INDEX ON {table} (customer);\n"
            ),
            format!("ALTER TABLE {table} ADD COLUMN note text NOT NULL DEFAULT '';\n"),
            format!(
                "INSERT INTO {table} (customer) \
                 SELECT 'customer ' || n FROM generate_series(1, 1000) n;\n"
            ),
        ]
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder);
        command.env("TENANTRY_DATA_DIR", "data").env("TENANTRY_TENANT_MIGRATIONS", "schema");
        for name in ["TENANTRY_ALLOW_DATABASE_CIDR", "TENANTRY_PLAINTEXT_DATABASE_CIDR"] {
            command.env(name, "127.0.0.0/8");
        }
        command
    }

    fn serve(&self) -> Outcome<Server> {
        let mut command = self.command(&["serve"]);
        command.args(server::arguments(&self.binary, &[])?);
        Server::of(command)
    }

    fn rate(&self, took: Duration) -> Outcome<f64> {
        Ok(f64::from(u32::try_from(self.tenants.len())?) / took.as_secs_f64())
    }

    fn ask(&self, server: &Server, method: &str, path: &str, body: &str) -> Outcome<Value> {
        let request = request((method, path), &self.master, body);
        let (status, body) = server::reply(server.address, request.as_bytes())?;
        let body = serde_json::from_slice(&body)?;
        if matches!(status, 200 | 201) { Ok(body) } else { Err(format!("{path}: {body}").into()) }
    }
}

/// Asks for one account after the other, at a pace, whatever comes.
fn ask_on(
    address: SocketAddr,
    (master, accounts): (&str, &[String]),
    number: usize,
    over: &AtomicBool,
) {
    for account in accounts.iter().cycle().skip(number) {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let began = clock::now();
        let request = request(("GET", &format!("/v1/accounts/{account}")), master, "");
        // Its reply may be any, also that there is none in time.
        let _ = server::reply(address, request.as_bytes());
        std::thread::sleep(OTHERS_EVERY.saturating_sub(began.elapsed()));
    }
}

fn request((method, path): (&str, &str), bearer: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn start(programs: &Path) -> Postgres {
    let mut postgres = Postgres::make(programs, Durability::Full);
    postgres.serve_plain();
    postgres.start();
    postgres
}

fn text(value: &Value) -> Outcome<String> {
    Ok(value.as_str().ok_or("no text")?.to_owned())
}
