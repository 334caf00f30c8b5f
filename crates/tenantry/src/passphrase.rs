//! Where a backup's passphrase comes from.

use crate::cli::PassphraseFrom;
use crate::{Failure, Result, private_file};
use console::Term;
use tenantry_backends::archive::Passphrase;
use zeroize::Zeroizing;

/// Where it may stand, beside a file.
pub(crate) const VARIABLE: &str = "TENANTRY_BACKUP_PASSPHRASE";

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

/// Whether the environment has one, and be it one that cannot be used.
pub(crate) fn is_in_environment() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The passphrase from the file, the environment or the terminal, the first that there is.
pub(crate) fn find(from: &PassphraseFrom, asked: Asked) -> Result<Passphrase> {
    let text = match &from.passphrase_file {
        Some(path) => {
            let text = private_file::read(path, "passphrase", BYTES_MAX)?;
            Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
        }
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

fn ask(asked: Asked) -> Result<Zeroizing<String>> {
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(Failure::Setting(format!(
            "a passphrase is needed: name a file with --passphrase-file, set {VARIABLE}, or run the \
             command on a terminal. A backup that runs by itself is better sealed to a recipient"
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
