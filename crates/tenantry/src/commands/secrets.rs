//! `secrets`: what all nodes on one database share.

use crate::cli::SecretsCommand;
use crate::{Failure, Result, output, secrets_file};
use std::path::Path;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::SecretsMaterial;

/// `secrets …`
pub(crate) fn run(command: &SecretsCommand) -> Result<()> {
    let SecretsCommand::Generate { file } = command;
    if let Some(file) = file {
        return generate(file);
    }
    // Into a pipe, to whatever keeps secrets.
    let text = secrets_file::print(&SecretsMaterial::generate(&SystemRng)?)?;
    output::line(text.trim_end());
    Ok(())
}

fn generate(file: &Path) -> Result<()> {
    if file.symlink_metadata().is_ok() {
        return Err(Failure::Setting(format!(
            "{} exists: secrets are never overwritten, since every key would be lost",
            file.display()
        )));
    }
    let whole = std::path::absolute(file)
        .map_err(|error| Failure::Io(format!("find {}", file.display()), error))?;
    secrets_file::create(&whole, &SystemRng)?;
    output::line(&format!(
        "Secrets are in {}, readable by you alone. Give every node the same, and keep a copy apart \
         from the database.",
        file.display()
    ));
    Ok(())
}
