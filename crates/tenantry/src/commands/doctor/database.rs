//! The database and the secrets, and whether they fit.

use super::{Check, audit};
use crate::config::Config;
use crate::progress::Progress;
use crate::secrets_file;
use std::error::Error as _;
use tenantry_backends::archive::Counts;
use tenantry_backends::sqlite::{Inspection, OpenError, RESTORE_HINT};
use tenantry_core::secrets::Secrets;

pub(super) fn check(config: &Config, full: bool) -> Vec<Check> {
    let (mut checks, secrets) = match secrets_file::read(&config.secrets_file()) {
        Ok(Some(material)) => {
            (vec![Check::good("secrets", "complete")], Some(Secrets::new(&material)))
        }
        Ok(None) => {
            let text = "secrets.toml is missing: no key verifies; put it back from your copy";
            (vec![Check::wrong("secrets", text)], None)
        }
        Err(error) => (vec![Check::wrong("secrets", error.to_string())], None),
    };
    let inspection = match Inspection::open(&config.data_dir) {
        Ok(inspection) => inspection,
        Err(error) => {
            checks.push(Check::wrong("header", describe(&error)));
            return checks;
        }
    };
    checks.push(Check::good("header", "a database of Tenantry"));
    let (schema, current) = schema(&inspection);
    checks.push(schema);
    let (pages, sound) = pages(&inspection, full);
    checks.push(pages);
    // Rows of another schema, or of pages that make no sense, say nothing.
    if current && sound {
        checks.extend(rows(&inspection, secrets.as_ref()));
        checks.push(audit::check(config, &inspection));
    }
    checks
}

fn describe(error: &OpenError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Whether each migration is this version's, and whether none is missing.
fn schema(inspection: &Inspection) -> (Check, bool) {
    const NAME: &str = "schema";
    let known = Inspection::schema_known();
    match inspection.schema() {
        Ok(number) if number == known => (Check::good(NAME, format!("migration {number}")), true),
        Ok(number) => {
            let text =
                format!("migration {number} of {known}: the next start brings it up to date");
            (Check::warning(NAME, text), false)
        }
        Err(error) => (Check::wrong(NAME, describe(&error)), false),
    }
}

fn pages(inspection: &Inspection, full: bool) -> (Check, bool) {
    const NAME: &str = "pages";
    let checking = Progress::spin("checking pages");
    let faults = inspection.check_pages(full);
    drop(checking);
    match faults {
        Ok(faults) if faults.is_empty() => {
            let text = if full { "sound, and every index fits its table" } else { "sound" };
            (Check::good(NAME, text), true)
        }
        Ok(faults) => {
            let text = format!("damaged ({}): {RESTORE_HINT}", faults[0]);
            (Check::wrong(NAME, text), false)
        }
        Err(error) => (Check::wrong(NAME, describe(&error)), false),
    }
}

fn rows(inspection: &Inspection, secrets: Option<&Secrets>) -> Vec<Check> {
    const SEALS: &str = "seals";
    const REFERENCES: &str = "references";
    let mut checks = Vec::new();
    if let Some(secrets) = secrets {
        let total = inspection.counts().unwrap_or_default();
        // Members carry no seal: nothing is decided by them.
        let total = Counts { members: 0, ..total }.total();
        let bar = Progress::count("checking seals", total);
        let found = inspection.check_seals(secrets, &mut |done| bar.set(done));
        drop(bar);
        checks.push(match found {
            Ok(found) => {
                let good = format!("{} rows are what was written", found.checked);
                let checked = found.checked;
                let wrong =
                    format!("of {checked} rows are not what was written: they do not verify");
                Check::rows(SEALS, good, &wrong, found)
            }
            Err(error) => Check::wrong(SEALS, error.to_string()),
        });
    }
    let looking = Progress::spin("checking references");
    let found = inspection.check_references();
    drop(looking);
    checks.push(match found {
        Ok(found) => {
            let good = "every row has its account".to_owned();
            Check::rows(REFERENCES, good, "rows point at what is not there", found)
        }
        Err(error) => Check::wrong(REFERENCES, error.to_string()),
    });
    checks
}
