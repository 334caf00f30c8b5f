//! `secrets`: what all nodes on one database share.

use crate::cli::SecretsCommand;
use crate::{Failure, Result, output, secrets_file};
use std::path::Path;
use tenantry_core::rng::SystemRng;
use tenantry_core::secrets::{OutOfTurn, SecretsMaterial};

/// `secrets …`
pub(crate) fn run(command: &SecretsCommand) -> Result<()> {
    match command {
        SecretsCommand::Generate { file: Some(file) } => generate(file),
        SecretsCommand::Generate { file: None } => {
            // Into a pipe, to whatever keeps secrets.
            let text = secrets_file::print(&SecretsMaterial::generate(&SystemRng)?)?;
            output::line(text.trim_end());
            Ok(())
        }
        SecretsCommand::AddKeyEncryptionKey { file } => add(file),
        SecretsCommand::PromoteKeyEncryptionKey { file } => promote(file),
        SecretsCommand::RetireKeyEncryptionKey { file } => retire(file),
    }
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

fn add(file: &Path) -> Result<()> {
    let id = step(file, |material| material.add_key_encryption_key(&SystemRng))?;
    output::line(&format!(
        "Key-encryption key {id} is in the file; nothing is sealed under it yet. Next: take a new \
         copy of the file, start every node anew with it, then run `tenantry secrets \
         promote-key-encryption-key {}`.",
        file.display()
    ));
    Ok(())
}

fn promote(file: &Path) -> Result<()> {
    let id = step(file, SecretsMaterial::promote_key_encryption_key)?;
    output::line(&format!(
        "Key-encryption key {id} seals from now on. Next: start every node anew with the file, then \
         run `tenantry databases rewrap` until it has nothing left to do, then `tenantry secrets \
         retire-key-encryption-key {}`.",
        file.display()
    ));
    Ok(())
}

fn retire(file: &Path) -> Result<()> {
    let ids = step(file, SecretsMaterial::retire_key_encryption_keys)?;
    let ids: Vec<String> = ids.iter().map(u16::to_string).collect();
    output::line(&format!(
        "Key-encryption key {} is no longer in the file. What is sealed under it cannot be opened \
         any more: `tenantry databases rewrap` must have had nothing left to do before this. If it \
         had, put the file back from the copy named above. Next: start every node anew with the \
         file, and once they serve, delete that copy and those of before.",
        ids.join(", ")
    ));
    Ok(())
}

/// Reads the file, takes a step, and writes it anew.
fn step<T>(
    file: &Path,
    take: impl FnOnce(&mut SecretsMaterial) -> std::result::Result<T, OutOfTurn>,
) -> Result<T> {
    let mut material = secrets_file::read(file)?
        .ok_or_else(|| Failure::Setting(format!("{} does not exist", file.display())))?;
    let taken = take(&mut material)
        .map_err(|error| Failure::Setting(refusal(error, &file.display().to_string())))?;
    let before = secrets_file::replace(file, &material)?;
    output::line(&format!("What {} was is in {}.", file.display(), before.display()));
    Ok(taken)
}

fn refusal(error: OutOfTurn, file: &str) -> String {
    let instead = match error {
        OutOfTurn::UnderWay => {
            "promote and retire what was added first (`tenantry secrets \
             promote-key-encryption-key`, `retire-key-encryption-key`)"
        }
        OutOfTurn::NothingNewer => "`tenantry secrets add-key-encryption-key` adds one",
        OutOfTurn::NothingOlder => {
            "nothing is to be retired before `tenantry secrets promote-key-encryption-key`"
        }
        OutOfTurn::NotPromoted => "run `tenantry secrets promote-key-encryption-key` first",
        OutOfTurn::NumbersUsedUp => "a plane with new secrets starts at 1 again",
    };
    format!("{file}: {error}: {instead}")
}
