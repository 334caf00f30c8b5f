//! Where a backup's passphrase comes from.

use crate::cli::PassphraseFrom;
use crate::{Failure, Result};
use console::Term;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tenantry_backends::archive::Passphrase;
use zeroize::Zeroizing;

const VARIABLE: &str = "TENANTRY_BACKUP_PASSPHRASE";

/// Longest passphrase with its line end, in bytes.
const BYTES_MAX: usize = 4096;

/// Whether a passphrase is made up now or was before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Typed twice, since a slip would make the backup useless.
    Twice,
    /// Typed once.
    Once,
}

/// The passphrase from the file, the environment or the terminal, the first that there is.
pub(crate) fn find(from: &PassphraseFrom, asked: Asked) -> Result<Passphrase> {
    let text = match &from.passphrase_file {
        Some(path) => read(path)?,
        None => match std::env::var(VARIABLE) {
            Ok(text) => Zeroizing::new(text),
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(Failure::Setting(format!("{VARIABLE} is not UTF-8")));
            }
            Err(std::env::VarError::NotPresent) => ask(asked)?,
        },
    };
    Passphrase::new(text).map_err(|error| Failure::Setting(error.to_string()))
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    let io = |error| Failure::Io(format!("read {}", path.display()), error);
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    let mode = metadata.permissions().mode() & 0o777;
    // A pipe has no readers but its own.
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(Failure::Setting(format!(
            "{} can be read by others (mode {mode:o}): its passphrase must be taken as known. If it \
             is not, set `chmod 600`",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX));
    file.take(BYTES_MAX as u64).read_to_string(&mut text).map_err(io)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn ask(asked: Asked) -> Result<Zeroizing<String>> {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(Failure::Setting(format!(
            "a passphrase is needed: name a file with --passphrase-file, set {VARIABLE}, or run the \
             command on a terminal"
        )));
    }
    let io = |error| Failure::Io("read the passphrase from the terminal".to_owned(), error);
    let read = |prompt: &str| {
        terminal.write_str(prompt).and_then(|()| terminal.read_secure_line()).map(Zeroizing::new)
    };
    let text = read("Passphrase of the backup: ").map_err(io)?;
    if asked == Asked::Twice && read("Once more: ").map_err(io)? != text {
        return Err(Failure::Setting("the two are not the same: nothing was written".to_owned()));
    }
    Ok(text)
}
