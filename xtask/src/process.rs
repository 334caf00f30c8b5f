//! Other programs: found on the PATH, run to their end, their failure an error that names them.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a task returns: its message goes to the terminal and nobody matches on it.
pub(crate) type TaskResult<T = ()> = Result<T, Box<dyn Error>>;

/// A call of the same cargo that runs this task, in the repository.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// Runs a command whose output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> TaskResult {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Runs a command and returns what it printed.
pub(crate) fn read(command: &mut Command) -> TaskResult<String> {
    let output = command.output().map_err(|error| not_started(command, &error))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{stderr}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The first executable file of that name in a PATH-like list of folders.
pub(crate) fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| {
        file.is_absolute()
            && file
                .metadata()
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

fn not_started(command: &Command, error: &io::Error) -> String {
    format!("{} does not start: {error}", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_only_where_the_path_says() {
        assert_eq!(find("sh", OsStr::new("/nowhere:/bin")), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find("sh", OsStr::new("/nowhere")), None);
        assert_eq!(find("passwd", OsStr::new("/etc")), None, "not executable");
    }

    #[test]
    fn a_failing_program_is_an_error_that_carries_what_it_said() {
        let error = read(Command::new("sh").args(["-c", "echo broken >&2; exit 3"]))
            .expect_err("the shell exits with 3");
        assert!(error.to_string().contains("broken"), "{error}");
    }
}
