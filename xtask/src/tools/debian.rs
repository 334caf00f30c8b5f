//! Debian packages unpacked for one program, without installing them.
//!
//! apt keeps its lists, its cache and its locks in folders of ours, so an ordinary user can run it and the machine's
//! own package state stays as it is. Which mirror is asked, and which signatures are trusted, is the machine's setting.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::TaskResult;
use crate::process::{find, read, run};

/// A program of a package: on `path`, in a folder of the system's own programs, from an earlier
/// unpacking in `tools`, or fetched now. `version` is the argument that has it say what it is.
pub(super) fn prepare(
    package: &str,
    program: &str,
    version: &str,
    path: &OsStr,
    tools: &Path,
) -> TaskResult<PathBuf> {
    let places = env::split_paths(path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    if let Some(found) = find(package, &env::join_paths(places)?) {
        return Ok(found);
    }
    let unpacked = tools.join(package).join(package);
    let works = || read(Command::new(&unpacked).arg(version)).map(drop);
    if works().is_err() {
        println!("{package} is not on the PATH: fetching it from the machine's Debian mirror");
        let files = unpack(package, &tools.join(package))?;
        write_script(&unpacked, &files, &files.join(program))?;
        works()?;
    }
    Ok(unpacked)
}

/// Unpacks a package and those it needs that are not installed below `folder`; answers where their
/// files are.
pub(super) fn unpack(package: &str, folder: &Path) -> TaskResult<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let downloads = folder.join("packages");
    let files = folder.join("files");
    fs::create_dir_all(&downloads)?;
    fs::create_dir_all(&files)?;

    let apt = Apt::prepare(folder.with_file_name("apt"))?;
    // One source that fails is not the end: what matters is whether the packages can be had from the others.
    if let Err(error) = run(apt.command("apt-get").args(["--quiet=2", "update"])) {
        println!("{error}");
    }
    let missing = apt.missing(package)?;
    println!("fetching {}", missing.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    run(apt
        .command("apt-get")
        .args(["--quiet=2", "download"])
        .args(&missing)
        .current_dir(&downloads))?;
    for download in fs::read_dir(&downloads)? {
        run(Command::new("dpkg-deb").arg("--extract").arg(download?.path()).arg(&files))?;
    }
    fs::remove_dir_all(&downloads)?;
    Ok(files)
}

/// Writes a script that runs `program` with the libraries among `files`.
pub(super) fn write_script(script: &Path, files: &Path, program: &Path) -> TaskResult {
    fs::write(script, start_script(program, &library_folders(files)?))?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// apt with its changeable state in a folder of ours.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn prepare(folder: PathBuf) -> TaskResult<Self> {
        fs::create_dir_all(folder.join("state/lists/partial"))?;
        fs::create_dir_all(folder.join("cache/archives/partial"))?;
        let machine = read(Command::new("apt-config").arg("dump"))?;
        fs::write(folder.join("apt.conf"), settings(&machine))?;
        Ok(Self { folder })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.folder.join("apt.conf"));
        for (name, folder) in
            [("State", "state"), ("State::lists", "state/lists"), ("Cache", "cache")]
        {
            command.arg("-o").arg(format!("Dir::{name}={}", self.folder.join(folder).display()));
        }
        command
    }

    /// The package, and all that it needs directly or through others and that is not installed here.
    fn missing(&self, package: &str) -> TaskResult<BTreeSet<String>> {
        let needed =
            read(self.command("apt-cache").args(["depends", "--recurse", "--important", package]))?;
        let installed = read(Command::new("dpkg-query").args([
            "--show",
            "--showformat",
            "${Status} ${Package}\n",
        ]))?;
        Ok(select(package, &needed, &installed))
    }
}

/// How the machine reaches its mirrors, and nothing else of its settings: its hooks after an update would change
/// the machine, and its further indexes are not needed.
fn settings(machine: &str) -> String {
    let reach = machine
        .lines()
        .filter(|line| line.starts_with("Acquire::") && !line.starts_with("Acquire::IndexTargets"));
    // As root, apt would become the user `_apt`, who may not be allowed into the folder.
    let ours = [
        r#"Dir::Etc::main "/dev/null";"#,
        r#"Dir::Etc::parts "/dev/null";"#,
        r#"APT::Sandbox::User "root";"#,
        r#"Acquire::Languages "none";"#,
        r#"Acquire::GzipIndexes "true";"#,
        r#"Acquire::Retries "2";"#,
        r#"Acquire::http::Timeout "20";"#,
        r#"Acquire::https::Timeout "20";"#,
    ];
    reach.chain(ours).fold(String::new(), |settings, line| settings + line + "\n")
}

/// From `apt-cache depends`, whose unindented lines are the real packages of this machine's architecture, those
/// that `dpkg-query` does not list as installed. `package` itself is always taken.
fn select(package: &str, needed: &str, installed: &str) -> BTreeSet<String> {
    let installed: BTreeSet<&str> =
        installed.lines().filter_map(|line| line.strip_prefix("install ok installed ")).collect();
    let real =
        needed.lines().filter(|line| !line.starts_with([' ', '|', '<']) && !line.contains(':'));
    let missing = real.filter(|name| !installed.contains(name));
    missing.chain([package]).map(str::to_owned).collect()
}

/// Folders with shared libraries.
fn library_folders(files: &Path) -> TaskResult<BTreeSet<PathBuf>> {
    let mut folders = BTreeSet::new();
    let mut open = vec![files.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open.push(entry.path());
            } else if entry.file_name().to_string_lossy().contains(".so.") {
                folders.insert(folder.clone());
            }
        }
    }
    Ok(folders)
}

fn start_script(program: &Path, libraries: &BTreeSet<PathBuf>) -> String {
    let folders: Vec<String> =
        libraries.iter().map(|folder| folder.display().to_string()).collect();
    format!(
        "#!/bin/sh\nLD_LIBRARY_PATH=\"{}\" exec \"{}\" \"$@\"\n",
        folders.join(":"),
        program.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_proxy_is_kept_and_its_hooks_are_not() {
        let machine = "APT::Update::Post-Invoke:: \"rm -f /x\";\nAcquire::http::Proxy \"http://p:1\";\n\
                       Acquire::IndexTargets::deb::DEP-11::ShortDescription \"x\";\n";
        let settings = settings(machine);
        assert!(
            settings.starts_with("Acquire::http::Proxy \"http://p:1\";\nDir::Etc::main"),
            "{settings}"
        );
        assert!(!settings.contains("Invoke") && !settings.contains("DEP-11"), "{settings}");
    }

    #[test]
    fn installed_and_virtual_packages_are_not_fetched_and_the_program_always_is() {
        let needed = "curl\n  Depends: libc6\n |Depends: <virtual>\nlibc6\nlibcurl4\n<virtual>\nlibc6:i386\n";
        let installed = "install ok installed libc6\ninstall ok installed curl\ndeinstall ok config-files libcurl4\n";
        let names: Vec<String> = select("curl", needed, installed).into_iter().collect();
        assert_eq!(names, ["curl", "libcurl4"]);
    }

    #[test]
    fn the_start_script_names_program_and_libraries() {
        let folders = [PathBuf::from("/t/lib/a"), "/t/lib/b".into()].into();
        let script = start_script(Path::new("/t/bin/curl"), &folders);
        assert!(script.contains("LD_LIBRARY_PATH=\"/t/lib/a:/t/lib/b\" exec \"/t/bin/curl\""));
    }
}
