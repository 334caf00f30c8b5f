//! The binary on a data directory of its own, and a plain HTTP client.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// An organization's name that shows in nothing that is sealed.
pub(crate) const ORGANIZATION: &str = "Canary Organization";

/// A data directory, and a place for backups beside it.
pub(crate) struct Site {
    root: tempfile::TempDir,
    /// Identities, elsewhere.
    keys: tempfile::TempDir,
    /// What `init` printed.
    pub(crate) organization: Value,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Site {
    /// An initialized data directory without a server.
    pub(crate) fn new() -> Self {
        let mut site = Self::bare();
        let arguments = ["init", "--organization", ORGANIZATION, "--name", "Ann", "--email"];
        let made = site.run(&[&arguments[..], &["canary@example.com", "--json"]].concat());
        site.organization = serde_json::from_str(&made.good().stdout).expect("JSON");
        site
    }

    /// A place without a data directory.
    pub(crate) fn bare() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let keys = tempfile::tempdir().expect("a directory");
        Self { root, keys, organization: Value::Null }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Makes a key pair: the identity's file and the recipient.
    pub(crate) fn key_pair(&self, name: &str) -> (String, String) {
        let file = self.keys.path().join(name).to_str().expect("UTF-8").to_owned();
        let printed = self.run(&["backup-key", "create", &file]).good().stdout;
        (file, printed.trim_end().to_owned())
    }

    /// Every way to seal a backup.
    pub(crate) fn sealings(&self) -> [Sealed<'_>; 2] {
        let (identity, recipient) = self.key_pair("identity");
        let to = ["--recipient".to_owned(), recipient];
        let with = ["--identity".to_owned(), identity];
        [
            Sealed { site: self, to: Vec::new(), with: Vec::new() },
            Sealed { site: self, to: to.to_vec(), with: with.to_vec() },
        ]
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Names beside the data directory, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.root.path())
    }

    pub(crate) fn master_key(&self) -> &str {
        self.organization["api_key"].as_str().expect("a key")
    }

    /// A command on the data directory, with the passphrase in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TENANTRY_") {
                command.env_remove(name);
            }
        }
        command.env("TENANTRY_DATA_DIR", self.data());
        command.env("TENANTRY_BACKUP_PASSPHRASE", PASSPHRASE);
        command.current_dir(self.root.path()).args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(arguments))
    }

    /// Starts a server on `data`.
    pub(crate) fn serve(&self, data: &Path) -> Server {
        self.try_serve(data).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Starts a server on `data`, or tells why it does not start.
    pub(crate) fn try_serve(&self, data: &Path) -> Result<Server, String> {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("TENANTRY_DATA_DIR", data);
        Self::start(command)
    }

    /// Starts the server that `command` runs, or tells why it does not start.
    pub(crate) fn start(mut command: Command) -> Result<Server, String> {
        let mut log = tempfile::tempfile().expect("a file");
        command.stdout(Stdio::piped()).stderr(log.try_clone().expect("a handle"));
        let mut child = command.spawn().expect("the binary");
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.take().expect("a pipe"));
        printed.read_line(&mut line).expect("its output");
        let address = line.trim_end().rsplit('/').next().unwrap_or_default().to_owned();
        if line.starts_with("Tenantry is serving") {
            return Ok(Server { child, address, log });
        }
        assert_eq!(child.wait().expect("its end").code(), Some(1), "{line}");
        let mut told = String::new();
        log.rewind().and_then(|()| log.read_to_string(&mut told)).expect("the log");
        Err(told)
    }

    /// Replaces bytes of a file of the data directory by SQL.
    pub(crate) fn sql(&self, statements: &str) {
        let connection = rusqlite::Connection::open(self.data().join("tenantry.db"));
        connection.expect("opened").execute_batch(statements).expect("done");
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("a directory");
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("an entry").file_name();
    let mut names: Vec<_> =
        entries.map(|entry| name(entry).into_string().expect("a name")).collect();
    names.sort();
    names
}

/// The same without SQLite's own files beside a database, which come and go with connections.
pub(crate) fn lasting_names(directory: &Path) -> Vec<String> {
    let mut names = names(directory);
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    names
}

pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().expect("the binary");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Outcome {
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Refused, with `text` in what it says.
    pub(crate) fn refused(self, text: &str) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert!(self.stderr.contains(text), "{text}: {self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).expect("JSON")
    }
}

/// One way to seal a backup: under the passphrase of the environment, or to a recipient.
pub(crate) struct Sealed<'a> {
    site: &'a Site,
    to: Vec<String>,
    with: Vec<String>,
}

impl Sealed<'_> {
    pub(crate) fn backup(&self, file: &str) -> Outcome {
        self.run(&["backup", file], &self.to)
    }

    pub(crate) fn restore(&self, arguments: &[&str]) -> Outcome {
        self.run(&[&["restore"], arguments].concat(), &self.with)
    }

    /// A command that `restore` would run.
    pub(crate) fn restoring(&self, arguments: &[&str]) -> Command {
        let with = self.with.iter().map(String::as_str);
        let all: Vec<&str> =
            ["restore"].into_iter().chain(with).chain(arguments.iter().copied()).collect();
        self.site.command(&all)
    }

    fn run(&self, arguments: &[&str], how: &[String]) -> Outcome {
        let how = how.iter().map(String::as_str);
        self.site.run(&arguments.iter().copied().chain(how).collect::<Vec<_>>())
    }
}

/// A running server. Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    log: std::fs::File,
}

impl Server {
    /// Lets it end in order. What it logged.
    pub(crate) fn end(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a running server");
        assert!(self.child.wait().expect("its end").success());
        let mut logged = String::new();
        self.log.rewind().and_then(|()| self.log.read_to_string(&mut logged)).expect("the log");
        logged
    }

    /// A POST with a key. Status and body.
    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        post(&self.address, path, key, &[], &body.to_string())
    }

    /// The same with further headers and a body of any kind.
    pub(crate) fn post_as(
        &self,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        post(&self.address, path, key, headers, body)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What a verification says about `key`.
    pub(crate) fn verify(&self, asker: &str, key: &str) -> Value {
        let (status, verdict) = self.post("/v1/keys/verify", asker, &json!({ "key": key }));
        assert_eq!(status, 200, "{verdict}");
        verdict
    }

    /// Revokes `key`.
    pub(crate) fn revoke(&self, asker: &str, key: &str) {
        let verdict = self.verify(asker, key);
        let id = verdict["key_id"].as_str().expect("an id");
        let (status, reply) = self.post(&format!("/v1/keys/{id}/revoke"), asker, &json!({}));
        assert_eq!(status, 200, "{reply}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a sub-account; its key.
pub(crate) fn create(address: &str, master_key: &str) -> String {
    let body = r#"{"name":"Canary Account"}"#;
    let (status, reply) = post(address, "/sub-accounts/create", master_key, &[], body);
    assert_eq!(status, 200, "{reply}");
    reply["api_key"].as_str().expect("a key").to_owned()
}

fn post(
    address: &str,
    path: &str,
    key: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value) {
    let length = body.len();
    let typed = headers.iter().any(|(name, _)| *name == "content-type");
    let media = (!typed).then_some(&("content-type", "application/json"));
    let further = headers
        .iter()
        .chain(media)
        .fold(String::new(), |text, (name, value)| text + name + ": " + value + "\r\n");
    let mut stream = TcpStream::connect(address).expect("the server");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\
         {further}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let status = reply.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
    let (_, body) = reply.split_once("\r\n\r\n").expect("a body");
    (status, serde_json::from_str(body).expect("JSON"))
}
