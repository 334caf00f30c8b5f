//! Processes that do not outlast the one that started them, be it killed: a shell beside each waits for
//! the end of a pipe that only their owner holds.

use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Starts a program, says its number, and ends it when nobody holds the other end of the input. An
/// interrupt of the terminal is for the owner.
const SUPERVISE: &str = r#"trap '' INT TERM HUP
end=$1; shift
exec 3<&0
"$@" </dev/null >&4 2>&4 3<&- &
child=$!
echo $child
(cat <&3 >/dev/null; kill -"$end" $child) 2>/dev/null &
watch=$!
wait $child
status=$?
kill -KILL $watch
exit $status"#;

/// Waits for the end of the input and clears a folder away, once the server in it has ended.
const CLEAR: &str = r#"trap '' INT TERM HUP
cat >/dev/null
for look in $(seq 100); do [ -e "$1/data/postmaster.pid" ] || break; sleep 0.1; done
rm -rf "$1""#;

/// A running program. Dropped, it is ended.
pub struct Supervised {
    shell: Child,
    pid: Pid,
    /// Its end is the sign.
    hold: Option<ChildStdin>,
}

impl Supervised {
    /// Starts `command`, whose output goes to the end of the file `log`; `end` is the name of the
    /// signal that ends it.
    ///
    /// # Panics
    /// Where it does not start.
    #[must_use]
    pub fn start(command: &Command, log: &Path, end: &str) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log");
        let mut supervised = Command::new("sh");
        // The shell's standard error is the log: what goes there is the program's.
        let script = format!("exec 4>&2\n{SUPERVISE}");
        supervised.args(["-c", &script, "supervise", end]);
        supervised.arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            supervised.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => supervised.env(name, value),
                None => supervised.env_remove(name),
            };
        }
        supervised.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut shell = supervised.spawn().expect("a shell");
        let mut line = String::new();
        let stdout = shell.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("its number");
        let number = line.trim().parse().expect("a number");
        let pid = Pid::from_raw(number).expect("a process's number");
        let hold = shell.stdin.take();
        Self { shell, pid, hold }
    }

    /// Sends it a signal; one that has ended is sent none.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }

    /// Sends a signal and waits for its end.
    ///
    /// # Panics
    /// Where its end cannot be waited for.
    #[must_use]
    pub fn end(mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.shell.wait().expect("its end")
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.shell.try_wait(), Ok(None))
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.hold.take());
        let _ = self.shell.wait();
    }
}

/// A folder that is gone when its owner is.
pub struct Folder {
    path: PathBuf,
    shell: Child,
}

impl Folder {
    /// A new folder, which servers may write to that do not run as root.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        // Without a guard that removes it: whoever waits for the server in it does, later.
        let path = TempDir::with_prefix(prefix).expect("a folder").keep();
        give_away(&path);
        let mut clear = Command::new("sh");
        clear.args(["-c", CLEAR, "clear"]).arg(&path).stdin(Stdio::piped());
        Self { path, shell: clear.spawn().expect("a shell") }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Gives a path to whoever servers run as, and to nobody else.
fn give_away(path: &Path) {
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(path, private).expect("its mode");
    if runs_as_nobody() {
        let (user, group) = nobody();
        chown(path, Some(user), Some(group)).expect("its owner");
    }
}

fn runs_as_nobody() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program that refuses to be root's, such as PostgreSQL, or should not be: as `nobody` where we are
/// root.
#[must_use]
pub fn unprivileged(program: &Path) -> Command {
    if !runs_as_nobody() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
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

/// Writes a file that servers may read.
///
/// # Panics
/// Where it cannot be written.
pub fn write_for_servers(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, private).expect("its mode");
    give_away(path);
}

/// How long a server may take until it can be used.
pub(crate) const START_MAX: Duration = Duration::from_mins(1);
