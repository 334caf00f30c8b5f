//! Processes that are measured: started on a port of their own, stopped so that their store is
//! left clean.

use crate::{Outcome, clock, process, reply};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How long a server may take to answer at all.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a server may take to stop.
const STOP_DEADLINE: Duration = Duration::from_secs(40);
/// How often a start is looked at.
const START_POLL: Duration = Duration::from_micros(200);

/// A running process.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to its first answer to `/readyz`.
    pub(crate) ready_after: Duration,
}

impl Server {
    /// Starts a release server on a data directory. What it logs goes nowhere, but is written.
    pub(crate) fn tenantry(
        binary: &Path,
        data: &Path,
        cache_entries: u64,
        more: &[String],
    ) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--data-dir").arg(data);
        command.args(["--listen", &address.to_string()]);
        command.args(["--cache-entries", &cache_entries.to_string()]);
        command.args(more);
        Self::start(command, address)
    }

    /// Starts a release server by a command that says all but where it listens.
    pub(crate) fn of(mut command: Command) -> Outcome<Self> {
        let address = free_address()?;
        command.args(["--listen", &address.to_string()]);
        Self::start(command, address)
    }

    /// Starts the control.
    pub(crate) fn hello() -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["hello", &address.port().to_string()]);
        Self::start(command, address)
    }

    /// Starts a server that somebody else made, with its port as the last argument.
    pub(crate) fn peer(node: &Path, script: &Path) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(node);
        command.arg(script).arg(address.port().to_string()).env("NODE_ENV", "production");
        Self::start(command, address)
    }

    fn start(mut command: Command, address: SocketAddr) -> Outcome<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = clock::now();
        let child = command.spawn()?;
        let mut server = Self { child, address, ready_after: Duration::ZERO };
        loop {
            if is_ready(address) {
                server.ready_after = started.elapsed();
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{command:?} ended: {status}").into());
            }
            if started.elapsed() > START_DEADLINE {
                return Err(format!("{command:?} does not answer").into());
            }
            sleep(START_POLL);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has done what it had queued, so that it takes nothing from the next run.
    pub(crate) fn settle(&self) -> Outcome {
        const LIMIT: Duration = Duration::from_secs(20);
        let started = clock::now();
        while started.elapsed() < LIMIT {
            let before = process::cpu_micros(self.pid())?;
            sleep(Duration::from_millis(60));
            if process::cpu_micros(self.pid())? - before <= 10_000.0 {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> Outcome {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let asked = clock::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > STOP_DEADLINE {
                return Err("a server did not stop".into());
            }
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only where a step failed; one that was stopped is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What every server is started with: what the caller gives, and an address of its own for metrics
/// where this version serves them, since several servers run at once.
pub(crate) fn arguments(binary: &Path, given: &[String]) -> Outcome<Vec<String>> {
    let help = Command::new(binary).args(["serve", "--help"]).output()?;
    let mut arguments = given.to_vec();
    if String::from_utf8_lossy(&help.stdout).contains("--metrics-listen") {
        arguments.extend(["--metrics-listen".to_owned(), "127.0.0.1:0".to_owned()]);
    }
    Ok(arguments)
}

/// The status of one request on a connection of its own.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Outcome<u16> {
    reply(address, request).map(|(status, _)| status)
}

/// Status and body of one request on a connection of its own.
pub(crate) fn reply(address: SocketAddr, request: &[u8]) -> Outcome<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    loop {
        if let Some(reply) = reply::parse(&bytes).map_err(|_| "a reply that is none")? {
            bytes.truncate(reply.end);
            return Ok((reply.status, bytes.split_off(reply.body)));
        }
        match stream.read(&mut block)? {
            0 => return Err("a reply that breaks off".into()),
            count => bytes.extend_from_slice(&block[..count]),
        }
    }
}

fn is_ready(address: SocketAddr) -> bool {
    const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    ask(address, REQUEST).is_ok_and(|status| status == 200)
}

/// A port that nobody has. It is free again before the server takes it, which on a machine that
/// runs a measurement is soon enough.
fn free_address() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
