//! `backup-key`
//!
//! The identity stays with whoever is to open backups. Nothing that makes a backup needs it.

use crate::cli::BackupKey;
use crate::{Failure, Result, output, private_file, sealing};
use serde_json::json;
use std::io::ErrorKind;
use std::path::Path;
use tenantry_backends::archive::{Identity, Recipient};
use tenantry_core::rng::SystemRng;
use zeroize::Zeroizing;

/// `backup-key …`
pub(crate) fn run(command: &BackupKey) -> Result<()> {
    match command {
        BackupKey::Create { file, printing } => print(file, &create(file)?, printing.json),
        BackupKey::Recipient { file, printing } => {
            print(file, &sealing::read_identity(file)?.recipient(), printing.json)
        }
    }
}

/// The recipient is told once the identity is on the disk: before, nothing must be sealed to it.
fn create(path: &Path) -> Result<Recipient> {
    let identity = Identity::generate(&SystemRng);
    let recipient = identity.recipient();
    let text = Zeroizing::new(format!(
        "# Opens the backups of Tenantry that are sealed to\n# {recipient}\n# Whoever has this file \
         can read them; without it nobody can. Keep it off the machine that makes them.\n{}\n",
        &*identity.reveal()
    ));
    private_file::create(path, &text).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::Setting(format!(
            "{} exists: an identity is never overwritten, since the backups sealed to it would be \
             lost",
            path.display()
        )),
        _ => Failure::Io(format!("write {}", path.display()), error),
    })?;
    Ok(recipient)
}

fn print(file: &Path, recipient: &Recipient, as_json: bool) -> Result<()> {
    let recipient = recipient.to_string();
    if as_json {
        return output::json(&json!({ "recipient": recipient, "identity_file": file }));
    }
    output::line(&recipient);
    Ok(())
}
