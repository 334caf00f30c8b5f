//! Cases 11 and 59: a flood of garbage and a crowd of slow clients, beside somebody who verifies.
//!
//! Quiet and disturbed rounds take turns in one run. The server has one core to itself, so that
//! what is measured is what the server does to its clients and not what a load generator does to
//! them; everything else shares another, on which the client that is measured goes first. Where the
//! system allows it, server and client come before whatever else the machine does.

use crate::support::flood::{Flooded, Garbage, flood};
use crate::support::http::{self, Connection};
use crate::support::site::{Credentials, Server, Site};
use crate::support::slow::{Crowd, keep_up};
use crate::support::{Stop, monotonic, say, setting, since};
use rustix::thread::{CpuSet, gettid, sched_setaffinity};
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The core of the server, and that of all clients.
const CORES: [usize; 2] = [0, 1];
/// Between two verifications of the client that is measured.
const PACE: Duration = Duration::from_millis(1);
/// Kept connections that it takes turns on.
const CONNECTIONS: usize = 4;
/// How long a disturbance goes on before it is measured.
const WARM_UP: Duration = Duration::from_secs(4);
/// Garbage keys a second that a caller who is let in asks about: ten times its budget. Not as fast as
/// it goes, which is as fast as the server answers: a caller's refusals are not held, because the
/// connections that they would hold are those that its good questions come on.
const CALLER_RATE: u64 = 5_000;

/// A server, somebody who verifies, and how long each verification took.
struct Scene {
    _folder: tempfile::TempDir,
    server: Server,
    credentials: Credentials,
    quiet: Vec<Duration>,
    disturbed: Vec<Duration>,
    rounds: u64,
    round: Duration,
    /// Whether server and clients are kept apart, so that figures count.
    strict: bool,
}

impl Scene {
    /// In the short form everybody shares the machine, and only stalls are looked for.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let mut site = Site::new(folder.path());
        let rounds = setting("TENANTRY_FAULTS_ROUNDS", 1);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let core = CORES[0].to_string();
        let apart = rounds > 1 && cores > 1 && works("taskset", &["--cpu-list", &core, "true"]);
        if apart {
            site.through = ["taskset", "--cpu-list", &core].map(str::to_owned).to_vec();
            if real_time(&["1", "true"]) {
                site.through.extend(["chrt", "--fifo", "1"].map(str::to_owned));
            }
        } else if rounds > 1 {
            say("left out: without two cores and taskset only stalls are looked for");
        }
        let server = site.start();
        let credentials = site.credentials();
        Self {
            _folder: folder,
            server,
            credentials,
            quiet: Vec::new(),
            disturbed: Vec::new(),
            rounds,
            round: Duration::from_millis(setting("TENANTRY_FAULTS_ROUND_MILLIS", 300)),
            strict: apart,
        }
    }

    /// Measures, quiet and disturbed in turns. `disturb` goes on until it is told to stop.
    fn measure<T: Send>(&mut self, mut disturb: impl FnMut(&AtomicBool) -> T + Send) -> Vec<T> {
        let mut left = Vec::new();
        for _ in 0..self.rounds {
            let times = verify(&self.server.address, &self.credentials.master, self.round);
            self.quiet.extend(times);
            let stop = AtomicBool::new(false);
            std::thread::scope(|scope| {
                let disturbing = scope.spawn(|| {
                    take_core();
                    disturb(&stop)
                });
                let stopped = Stop(&stop);
                std::thread::sleep(WARM_UP.min(self.round));
                let times = verify(&self.server.address, &self.credentials.master, self.round);
                self.disturbed.extend(times);
                drop(stopped);
                left.push(disturbing.join().expect("no generator panics"));
            });
        }
        left
    }

    /// Tells what was measured, and fails where it is too much.
    fn judge(mut self, what: &str) {
        let [quiet, disturbed] = [&mut self.quiet, &mut self.disturbed].map(|times| {
            times.sort_unstable();
            let at = |share: usize| times[times.len() * share / 1000];
            (at(500), at(990), at(999), times.len())
        });
        let ratio = disturbed.1.as_secs_f64() / quiet.1.as_secs_f64();
        say(&format!(
            "{what}: p99 of verifications {:?} undisturbed, {:?} disturbed, ratio {ratio:.2} \
             (p50 {:?} and {:?}, p99.9 {:?} and {:?}; {} and {} of them)",
            quiet.1, disturbed.1, quiet.0, disturbed.0, quiet.2, disturbed.2, quiet.3, disturbed.3
        ));
        // Tests that run beside each other share the machine: there, what is meant is: no stall.
        let most = quiet.1 * 2 + if self.strict { Duration::ZERO } else { Duration::from_secs(1) };
        assert!(disturbed.1 <= most, "{what}: a p99 of {:?} became {:?}", quiet.1, disturbed.1);
    }
}

/// Has `chrt` do something at real-time priority. False where this machine does not.
fn real_time(words: &[&str]) -> bool {
    works("chrt", &[&["--fifo"], words].concat())
}

fn works(program: &str, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    let status = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Puts this thread on the clients' core.
fn take_core() {
    let mut cores = CpuSet::new();
    cores.set(CORES[1]);
    let _ = sched_setaffinity(None, &cores);
}

/// Verifies for so long: how long each took.
fn verify(address: &str, key: &str, time: Duration) -> Vec<Duration> {
    let body = format!(r#"{{"key":"{key}"}}"#);
    let request = format!(
        "POST /v1/keys/verify HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    std::thread::scope(|scope| {
        let verifying = scope.spawn(|| {
            take_core();
            // Before the generator, which never sleeps, whenever a reply is there.
            let thread = gettid().as_raw_nonzero().to_string();
            real_time(&["--pid", "1", &thread]);
            let open = |_| Connection::open(address).expect("a connection");
            let mut connections: Vec<Connection> = (0..CONNECTIONS).map(open).collect();
            let (started, mut times) = (monotonic(), Vec::new());
            while since(started) < time {
                let turn = times.len() % CONNECTIONS;
                let sent = monotonic();
                let reply = connections[turn].exchange(request.as_bytes()).expect("a reply");
                times.push(since(sent));
                assert!(reply.text.contains(r#""code":"VALID""#), "{}", reply.text);
                std::thread::sleep(PACE);
            }
            times
        });
        verifying.join().expect("every verification is answered")
    })
}

/// The path of a new account with 15 kB of metadata.
fn large_account(address: &str, key: &str) -> String {
    let body = json!({ "name": "large", "metadata": { "x": "x".repeat(15_000) } }).to_string();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let reply = http::once(address, "POST", "/v1/accounts", &headers, &body).expect("a reply");
    format!("/v1/accounts/{}", reply.text_at("/account/id"))
}

fn flood_beside(what: &str, garbage: Garbage, rate: Option<u64>) {
    let mut scene = Scene::new();
    let (address, key) = (scene.server.address.clone(), scene.credentials.master.clone());
    let mut next = 0;
    let started = monotonic();
    let mut time = Duration::ZERO;
    let floods: Vec<Flooded> = scene.measure(|stop| {
        let begun = monotonic();
        let flooded = flood(&address, garbage, &key, &mut next, rate, stop);
        time += since(begun);
        flooded
    });
    let sum = |of: fn(&Flooded) -> u64| floods.iter().map(of).sum::<u64>();
    let (pushed, answered) = (sum(|f| f.pushed), sum(|f| f.answered));
    let rate = |count: u64| Duration::from_secs(count).as_secs_f64() / time.as_secs_f64();
    say(&format!(
        "{what}: {pushed} pushed, {:.0} a second, {:.0} answered, {} connections ended; {:?} in all",
        rate(pushed),
        rate(answered),
        sum(|f| f.ended),
        since(started)
    ));
    assert!(pushed > 0, "nothing was pushed");
    scene.judge(what);
}

#[test]
fn case_11_a_flood_of_garbage_keys_does_not_slow_down_verifications() {
    flood_beside("11, garbage from a stranger", Garbage::Bearers, None);
}

#[test]
fn case_11_garbage_that_a_gateway_asks_about_does_not_slow_down_verifications() {
    flood_beside(
        "11, garbage through a caller",
        Garbage::Questions,
        Some(setting("TENANTRY_FAULTS_CALLER_RATE", CALLER_RATE)),
    );
}

#[test]
fn case_59_slow_clients_do_not_slow_down_verifications() {
    let clients = setting("TENANTRY_FAULTS_CLIENTS", 100);
    let clients = usize::try_from(clients).expect("a number of clients");
    let mut scene = Scene::new();
    let (address, key) = (scene.server.address.clone(), scene.credentials.master.clone());
    let large = large_account(&address, &key);
    let crowds: Vec<Crowd> = scene.measure(|stop| {
        let crowd = Crowd::default();
        keep_up(&address, [&key, &large], clients, &crowd, stop);
        crowd
    });
    let up: Vec<usize> = crowds.iter().map(|c| c.connected.load(Ordering::Relaxed)).collect();
    let again: Vec<usize> = crowds.iter().map(|c| c.again.load(Ordering::Relaxed)).collect();
    say(&format!("59: {up:?} slow clients at the end of each round, {again:?} began anew"));
    assert!(up.iter().all(|up| *up >= clients * 9 / 10), "{up:?} of {clients}");
    scene.judge("59, slow clients");
}
