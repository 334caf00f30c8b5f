//! Files that hold a secret and that their owner alone may read.

use crate::{Failure, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// The first `bytes_max` bytes of the file. `secret` says what it holds, where that must be taken
/// as known because others can read it.
pub(crate) fn read(path: &Path, secret: &str, bytes_max: usize) -> Result<Zeroizing<String>> {
    let io = |error| Failure::Io(format!("read {}", path.display()), error);
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o777;
    // A pipe has no readers but its own.
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(Failure::Setting(format!(
            "{} can be read by others (mode {mode:o}): its {secret} must be taken as known. If it \
             is not, set `chmod 600`",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(bytes_max));
    file.take(bytes_max as u64).read_to_string(&mut text).map_err(io)?;
    Ok(text)
}

/// Writes a new file, which is on the disk when this returns. One that exists is left as it is.
pub(crate) fn create(path: &Path, text: &str) -> std::io::Result<()> {
    let path = std::path::absolute(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let directory = path.parent().unwrap_or(&path);
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| File::open(directory)?.sync_all());
    if written.is_err() {
        // Half a secret is of no use to anybody, and its name is free again.
        let _ = fs::remove_file(&path);
    }
    written
}
