//! The binary on a data directory of its own.

use super::json::Tree;
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

/// What every start of the server prints, before its address.
const SERVING: &str = "Tenantry is serving ";

/// Settings of whoever runs the tests are not the tests'.
pub(crate) fn without_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("TENANTRY_") {
            command.env_remove(name);
        }
    }
}

/// A place where nothing is yet.
pub(crate) struct Installation {
    root: TempDir,
}

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Installation {
    pub(crate) fn new() -> Self {
        Self { root: tempfile::tempdir().expect("a directory") }
    }

    /// The data directory. The first command makes it.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A file beside the data directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A command, with no settings but the data directory.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        without_settings(&mut command);
        command.current_dir(self.root.path()).arg("--data-dir").arg(self.data()).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Self::outcome(&mut self.command(arguments))
    }

    /// Runs it to its end.
    pub(crate) fn outcome(command: &mut Command) -> Outcome {
        let output = command.output().expect("the binary");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Outcome {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// What a command prints that must not fail.
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.code, Some(0), "{arguments:?}: {}", outcome.stderr);
        outcome.stdout
    }

    /// What a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Tree {
        Tree::parse(&self.print(&[arguments, &["--json"]].concat()))
    }

    /// Starts the server on a free port and waits until it says where it is.
    pub(crate) fn serve(&self, options: &[&str]) -> Server {
        let arguments = if options.contains(&"--listen") {
            [&["serve"], options].concat()
        } else {
            [&["serve", "--listen", "127.0.0.1:0"], options].concat()
        };
        let mut command = self.command(&arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Server::await_address(child.expect("the binary"))
    }

    /// Files below the data directory that hold `bytes`.
    pub(crate) fn files_with(&self, bytes: &[u8]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(&self.data(), bytes, &mut found);
        found
    }
}

fn search(directory: &Path, bytes: &[u8], found: &mut Vec<PathBuf>) {
    for entry in directory.read_dir().expect("the data directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("its type");
        if kind.is_dir() {
            search(&entry.path(), bytes, found);
        } else if kind.is_file() {
            let content = std::fs::read(entry.path()).expect("a file of ours");
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(entry.path());
            }
        }
    }
}

/// How a server ended, and what it printed and logged that nobody had read before.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) printed: String,
    pub(crate) log: Vec<String>,
}

/// A running server. Gets SIGTERM when it is dropped, and its end is waited for.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: Receiver<String>,
    ended: bool,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
}

impl Server {
    fn await_address(mut child: Child) -> Self {
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        // Read all the time: a full pipe would hold the server up.
        let (send, log) = channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let mut server = Self { child, stdout, log, ended: false, base: String::new() };
        let line = server.read_line();
        let Some(base) = line.as_deref().and_then(|line| line.strip_prefix(SERVING)) else {
            panic!("{line:?} instead of an address: {:?}", server.end());
        };
        base.clone_into(&mut server.base);
        server
    }

    /// The next line that the server prints. None once it has closed its output.
    pub(crate) fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.stdout.read_line(&mut line).expect("the server's output");
        (length > 0).then(|| line.trim_end().to_owned())
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").expect("an http address")
    }

    /// Waits until the server logs a line with `text` in it, and gives that line.
    pub(crate) fn await_log(&self, text: &str) -> String {
        let found = self.log.iter().find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("the server ended without logging `{text}`"))
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a running server");
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self) -> Ended {
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).expect("the server's output");
        let status = self.child.wait().expect("the server's end");
        self.ended = true;
        Ended { status, printed, log: self.log.iter().collect() }
    }

    /// SIGTERM, and the end.
    pub(crate) fn end(&mut self) -> Ended {
        self.terminate();
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended by itself, which the test has found out then.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}
