//! The server's process.

use super::ROLE;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Where a test runner says that PostgreSQL's programs are.
const PROGRAMS: &str = "TENANTRY_TEST_POSTGRES";

/// Where Debian puts them, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The port in the socket's name, where it is no port at all.
const USUAL_PORT: u16 = 5432;

/// Starts the server, waits until nobody holds the other end of its input, and clears everything away.
/// An interrupt of the terminal is for the test program.
const SUPERVISE: &str = r#"trap '' INT TERM HUP
directory=$1; shift
"$@" >"$directory/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
rm -rf "$directory""#;

/// A server's process, and its directory.
pub(super) struct Program {
    supervisor: Child,
    directory: PathBuf,
    port: u16,
}

/// A certificate and its key, both PEM.
pub(super) type Pair<'a> = (&'a str, &'a str);

/// Who may come in, where there is TLS: over the network nobody without it.
const ADMITTED: &str = "local all all trust\nhostssl all all all trust\n";

impl Program {
    /// The folder of PostgreSQL's programs.
    pub(super) fn find() -> Option<PathBuf> {
        let named = std::env::var_os(PROGRAMS).map(PathBuf::from);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut versions: Vec<PathBuf> = std::fs::read_dir(DEBIAN)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        versions.sort();
        named
            .into_iter()
            .chain(std::env::split_paths(&path))
            .chain(versions.into_iter().rev())
            .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
    }

    pub(super) fn start(programs: &Path, tls: Option<Pair<'_>>) -> Self {
        // Without a guard that removes it: whoever supervises the server does, later.
        let directory = TempDir::with_prefix("tenantry-postgres-").expect("a directory").keep();
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&directory, private).expect("its mode");
        // PostgreSQL does not run as root.
        let user = rustix::process::geteuid().is_root().then_some("nobody");
        if user.is_some() {
            let (user, group) = nobody();
            chown(&directory, Some(user), Some(group)).expect("its owner");
        }
        let data = directory.join("data");
        let mut initdb = as_user(user, &programs.join("initdb"));
        initdb.arg("--pgdata").arg(&data).args(["--username", ROLE, "--auth", "trust"]);
        initdb.args(["--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"]);
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let server = as_user(user, &programs.join("postgres"));
        let mut supervised = Command::new("sh");
        supervised.args(["-c", SUPERVISE, "supervise"]).arg(&directory);
        supervised.arg(server.get_program()).args(server.get_args()).arg("-D").arg(&data);
        supervised.arg("-k").arg(&directory);
        let port = match tls {
            None => {
                supervised.args(["-c", "listen_addresses="]);
                USUAL_PORT
            }
            Some(pair) => {
                supervised.args(["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on"]);
                prepare_tls(&data, pair, user.map(|_| nobody()))
            }
        };
        supervised.arg("-p").arg(port.to_string());
        let settings =
            ["max_connections=300", "shared_buffers=32MB", "fsync=off", "full_page_writes=off"];
        for setting in settings {
            supervised.args(["-c", setting]);
        }
        let supervisor = supervised.stdin(Stdio::piped()).spawn().expect("the server starts");
        Self { supervisor, directory, port }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn socket_directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input is the sign to stop.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Puts certificate and key where the server looks for them, and finds a port that is free.
fn prepare_tls(data: &Path, (certificate, key): Pair<'_>, owner: Option<(u32, u32)>) -> u16 {
    for (name, text) in
        [("server.crt", certificate), ("server.key", key), ("pg_hba.conf", ADMITTED)]
    {
        let path = data.join(name);
        std::fs::write(&path, text).expect("written");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("its mode");
        if let Some((user, group)) = owner {
            chown(&path, Some(user), Some(group)).expect("its owner");
        }
    }
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.expect("a port").port()
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), "--regid=nogroup", "--clear-groups"]);
    // Where root is, nobody may not be.
    command.current_dir("/").arg(program);
    command
}

/// User and group of the system's `nobody`.
fn nobody() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").expect("the users");
    let line = users.lines().find(|line| line.starts_with("nobody:")).expect("nobody");
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().expect("a number"));
    (numbers.next().expect("a user"), numbers.next().expect("a group"))
}
