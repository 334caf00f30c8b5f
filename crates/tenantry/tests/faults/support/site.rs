//! The binary on a data directory, started, killed and started again.

use super::http;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

const SERVING: &str = "Tenantry is serving http://";

/// A data directory and how the server is started on it.
pub(crate) struct Site {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Where every start's log goes, in turn.
    pub(crate) log: PathBuf,
    /// A program and its arguments that the server is run by, such as `prlimit`.
    pub(crate) through: Vec<String>,
    /// Variables of the server's environment.
    pub(crate) environment: Vec<(String, OsString)>,
    /// Settings of every command.
    pub(crate) settings: Vec<String>,
    /// Where `serve` listens.
    pub(crate) listen: String,
    /// Further arguments of `serve`.
    pub(crate) options: Vec<String>,
}

/// Who may do what at a site.
pub(crate) struct Credentials {
    pub(crate) tenant: String,
    pub(crate) master: String,
    pub(crate) token: String,
}

/// The binary: the one that cargo built for these tests, or the one that the long form names.
fn binary() -> OsString {
    env::var_os("TENANTRY_FAULTS_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_tenantry").into())
}

impl Site {
    /// A site in `folder`, which keeps the log too.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            data: folder.join("data"),
            log: folder.join("log"),
            through: Vec::new(),
            environment: Vec::new(),
            settings: Vec::new(),
            listen: "127.0.0.1:0".to_owned(),
            options: vec!["--service-accounts-max".to_owned(), "1000000".to_owned()],
        }
    }

    fn command(&self, through: &[String]) -> Command {
        let words: Vec<OsString> = through.iter().map(OsString::from).chain([binary()]).collect();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("TENANTRY_") || text.starts_with("OTEL_") {
                command.env_remove(name);
            }
        }
        // No settings file of whoever runs the tests.
        command.current_dir(self.log.parent().expect("the log is in a folder"));
        command.arg("--data-dir").arg(&self.data).args(&self.settings).stdin(Stdio::null());
        command
    }

    fn serve(&self) -> Command {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("the log");
        let mut command = self.command(&self.through);
        command.args(["serve", "--listen", &self.listen]).args(&self.options);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(log);
        command
    }

    /// Starts the server and waits until it says where it is.
    pub(crate) fn start(&self) -> Server {
        let server = self.try_start();
        server.unwrap_or_else(|status| panic!("{status}: {}", self.last_log()))
    }

    /// The same, or how it ended instead.
    pub(crate) fn try_start(&self) -> Result<Server, ExitStatus> {
        let mut child = self.serve().spawn().expect("the binary");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = lines.next().and_then(Result::ok);
        let Some(address) = line.as_deref().and_then(|line| line.strip_prefix(SERVING)) else {
            return Err(child.wait().expect("its end"));
        };
        let address = address.to_owned();
        let printed = Arc::new(Mutex::new(String::new()));
        let to = printed.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                to.lock().expect("nobody panics").push_str(&line);
            }
        });
        Ok(Server { child, address, ended: false, printed })
    }

    /// What the organization's owner has, once the server has run.
    pub(crate) fn credentials(&self) -> Credentials {
        let master = fs::read_to_string(self.data.join("master-key")).expect("the master key");
        let list: Value =
            serde_json::from_str(&self.print(&["organizations", "list", "--json"])).expect("JSON");
        let tenant = list[0]["organization_id"].as_str().expect("an organization").to_owned();
        Credentials { token: self.token(&tenant), tenant, master: master.trim().to_owned() }
    }

    /// An administrator's token of an organization.
    pub(crate) fn token(&self, tenant: &str) -> String {
        let words = ["token", "--tenant", tenant, "--role", "tenant_admin", "--ttl", "24h"];
        self.print(&words).trim().to_owned()
    }

    /// What a command prints.
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.command(&[]).args(arguments).output().expect("the binary");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// How a command ends with these variables, and what it says.
    pub(crate) fn end(
        &self,
        arguments: &[&str],
        variables: &[(String, OsString)],
    ) -> (ExitStatus, String) {
        let mut command = self.command(&[]);
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        let output = command.output().expect("the binary");
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// The end of the log, without the lines of ordinary requests.
    pub(crate) fn last_log(&self) -> String {
        const LINES: usize = 20;
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut lines: Vec<_> =
            log.lines().filter(|line| !line.contains("tenantry::access")).collect();
        lines.split_off(lines.len().saturating_sub(LINES)).join("\n")
    }

    /// Everything that was logged.
    pub(crate) fn whole_log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }

    /// The database.
    pub(crate) fn database(&self) -> PathBuf {
        self.data.join("tenantry.db")
    }
}

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
    ended: bool,
    printed: Arc<Mutex<String>>,
}

impl Server {
    /// Any signal: after SIGCONT a frozen one goes on where it was.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running server");
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("its end");
        self.ended = true;
    }

    /// SIGSTOP: it does nothing more, and does not know it.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended = true;
        self.child.wait().expect("its end")
    }

    /// What it printed after its address.
    pub(crate) fn printed(&self) -> String {
        self.printed.lock().expect("nobody panics").clone()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("its state");
        self.ended |= status.is_some();
        status
    }

    /// Its answer to one request.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<http::Reply> {
        http::once(&self.address, "GET", path, &[], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
