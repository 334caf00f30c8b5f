//! What happened after a backup was made, as far as the copy of the audit trail's checkpoints tells:
//! how many events of which organization a restore would lose.

use super::audit::open_copy;
use crate::cli::Restore;
use crate::config::Config;
use crate::progress::Progress;
use crate::{Failure, Result};
use std::io::BufRead;
use tenantry_backends::sqlite::{Inspection, Newer};
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::Secrets;

/// Organizations that are told one by one.
const TOLD_MAX: usize = 20;

/// Refuses to set back what the copy knows to have happened, unless the operator accepts that. Says
/// whether there was a copy to compare with.
pub(super) fn require_nothing_lost(
    config: &Config,
    command: &Restore,
    inspection: &Inspection,
    secrets: &Secrets,
) -> Result<bool> {
    let (path, copy) = open_copy(config, command.checkpoints.as_deref())?;
    let Some(mut copy) = copy else { return Ok(false) };
    let bar = Progress::count("comparing the audit trail", inspection.count_trail()?);
    let copy = &mut copy as &mut dyn BufRead;
    let report = inspection.check_trail(secrets, Some(copy), &mut |done| bar.set(done))?;
    drop(bar);
    let newer = report.copy.map(|copy| copy.newer).unwrap_or_default();
    if newer.chains.is_empty() || command.accept_lost_events {
        return Ok(true);
    }
    Err(Failure::Setting(format!(
        "{} knows of what happened after this backup, until {}:{}\nNone of it is in the backup: keys \
         that were revoked since then would verify again. --accept-lost-events restores nevertheless",
        path.display(),
        newer.until.and_then(Timestamp::to_utc).map_or_else(String::new, |at| at.to_string()),
        describe(&newer),
    )))
}

fn describe(newer: &Newer) -> String {
    let mut text = String::new();
    let mut chains: Vec<(&AccountId, &u64)> = newer.chains.iter().collect();
    chains.sort_by_key(|(_, events)| std::cmp::Reverse(**events));
    for (root, events) in chains.iter().take(TOLD_MAX) {
        let whose = match **root {
            AccountId::PLANE => "of the operator".to_owned(),
            root => format!("of {root}"),
        };
        let noun = if **events == 1 { "event" } else { "events" };
        for part in ["\n  ", &events.to_string(), " ", noun, " ", &whose] {
            text.push_str(part);
        }
    }
    if chains.len() > TOLD_MAX {
        text.push_str("\n  and more of others");
    }
    text
}
