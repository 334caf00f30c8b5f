//! A disk of the tests' own: ext4 on a loop device, where the machine lets a test have one.

use super::say;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of a disk: a copy of it takes a fraction of a second.
const BYTES: &str = "64M";

/// A mounted disk. Dropped, it is unmounted and its device given back.
pub(crate) struct Disk {
    /// The block device.
    pub(crate) device: String,
    /// Where it is mounted.
    pub(crate) mount: PathBuf,
}

/// Runs a program; what it prints, or what is wrong.
fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours is UTF-8")
}

impl Disk {
    /// A new, empty disk. Nothing, and a line that says so, where the machine has none to give:
    /// no root, no loop device, no ext4.
    pub(crate) fn make(folder: &Path, options: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            say("left out: a disk of its own needs root");
            return None;
        }
        let image = folder.join("disk.img");
        let made = run("truncate", &["--size", BYTES, text(&image)])
            .and_then(|_| run("mkfs.ext4", &["-q", "-F", text(&image)]))
            .and_then(|_| Self::attach(&image, options));
        made.map_err(|error| say(&format!("left out: no disk of its own ({error})"))).ok()
    }

    /// Mounts an image.
    pub(crate) fn attach(image: &Path, options: &str) -> Result<Self, String> {
        let mount = image.with_extension("mounted");
        std::fs::create_dir_all(&mount).map_err(|error| error.to_string())?;
        let device = run("losetup", &["--find", "--show", text(image)])?;
        let disk = Self { device, mount };
        disk.mount(options)?;
        Ok(disk)
    }

    fn mount(&self, options: &str) -> Result<String, String> {
        run("mount", &["-t", "ext4", "-o", options, &self.device, text(&self.mount)])
    }

    /// Takes what the block device holds at this instant, and not what waits in memory.
    pub(crate) fn copy(&self, image: &Path) {
        let (from, to) = (format!("if={}", self.device), format!("of={}", image.display()));
        let taken = run("dd", &[&from, &to, "bs=1M", "iflag=direct", "status=none"]);
        taken.expect("a copy of the device");
    }

    /// Brings everything to the device, whoever wrote it.
    pub(crate) fn settle(&self) {
        run("sync", &["--file-system", text(&self.mount)]).expect("settled");
    }

    /// Unmounts and mounts again, as after a repair.
    pub(crate) fn mount_again(&self, options: &str) {
        run("umount", &[text(&self.mount)]).expect("unmounted");
        self.mount(options).expect("mounted again");
    }

    /// Makes the kernel find a fault in the file system, which `errors=remount-ro` answers by
    /// making it read-only under whoever writes.
    pub(crate) fn turn_read_only(&self) -> bool {
        let name = self.device.trim_start_matches("/dev/");
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1").is_ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &[text(&self.mount)]) {
            say(&error);
            let _ = run("umount", &["--lazy", text(&self.mount)]);
        }
        if let Err(error) = run("losetup", &["--detach", &self.device]) {
            say(&error);
        }
    }
}
