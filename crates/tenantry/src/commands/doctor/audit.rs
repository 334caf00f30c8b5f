//! How far the audit trail is sealed, and whether its checkpoints are kept outside the store.

use super::Check;
use crate::config::Config;
use tenantry_backends::checkpoint_file;
use tenantry_backends::sqlite::Inspection;

/// More events than this wait only where sealing fails.
const UNSEALED_MAX: u64 = 100_000;

pub(super) fn check(config: &Config, inspection: &Inspection) -> Check {
    const NAME: &str = "audit";
    let (waiting, last) = match inspection.trail_state() {
        Ok(state) => state,
        Err(error) => return Check::wrong(NAME, error.to_string()),
    };
    let path = config.checkpoint_file();
    let file = path.display();
    let Some(last) = last else {
        return Check::warning(NAME, format!("no checkpoint yet; {waiting} events wait"));
    };
    let text = format!("checkpoint {}; {waiting} events wait to be sealed", last.number);
    match checkpoint_file::last_line(&path) {
        Ok(Some(line)) if line == last.line => {
            if waiting > UNSEALED_MAX {
                return Check::warning(NAME, text);
            }
            Check::good(NAME, format!("{text}; all checkpoints are in {file}, too"))
        }
        Ok(Some(_)) => {
            // A server writes it a moment after the store.
            Check::warning(NAME, format!("{text}; {file} does not end with it (yet)"))
        }
        Ok(None) => Check::warning(NAME, format!("{text}; there is no copy of it at {file}")),
        Err(error) => Check::warning(NAME, format!("{text}; {file} cannot be read: {error}")),
    }
}
