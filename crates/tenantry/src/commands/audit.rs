//! `audit`

use super::native;
use crate::cli::{Audit, AuditList, AuditVerify};
use crate::config::Config;
use crate::progress::Progress;
use crate::transport::Transport;
use crate::{Failure, Result, output, secrets_file, wiring};
use hyper::Method;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use tenantry_api::audit as api;
use tenantry_api::list::List;
use tenantry_backends::sqlite::{DATABASE_FILE, Inspection, TrailReport};
use tenantry_core::audit::trail::Finding;
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::Secrets;

/// Events in one page of a list.
const PAGE: usize = 100;

/// `audit …`
pub(crate) async fn run(config: &Config, command: Audit) -> Result<()> {
    match command {
        Audit::List(asked) => list(config, asked).await,
        Audit::Verify(asked) => match &asked.remote.url {
            Some(_) => verify_remote(config, &asked).await,
            None => verify(config, &asked),
        },
        Audit::Key => key(config),
    }
}

async fn list(config: &Config, asked: AuditList) -> Result<()> {
    let AuditList { actor, action, target, from, to, limit, plane, at } = asked;
    let transport = Transport::open(config, &at.remote).await?;
    let organization = if plane { None } else { native::owner(&transport, &at).await? };
    let filters =
        [("actor", actor), ("action", action), ("target", target), ("from", from), ("to", to)];
    let mut events: Vec<api::AuditEvent> = Vec::new();
    let mut cursor: Option<String> = None;
    while events.len() < limit {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &filters {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if let Some(cursor) = &cursor {
            query.append_pair("cursor", cursor);
        }
        query.append_pair("limit", &PAGE.min(limit - events.len()).to_string());
        let path = format!("/v1/audit-events?{}", query.finish());
        let page: List<api::AuditEvent> =
            transport.call(Method::GET, &path, organization.as_deref(), None).await?;
        events.extend(page.data);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    if at.printing.json {
        return output::json(&List { data: events, next_cursor: cursor });
    }
    let named = |named: api::Named| match named.kind.as_str() {
        // Their ids say what they are.
        "account" | "key" | "service_account" => named.id,
        kind => format!("{kind} {}", named.id),
    };
    let rows = events.into_iter().map(|event| {
        let address = event.address.unwrap_or_else(|| "-".to_owned());
        vec![event.at, named(event.actor), event.action, named(event.target), address]
    });
    output::table(&["AT", "ACTOR", "ACTION", "TARGET", "FROM"], rows);
    Ok(())
}

/// The caller's own chain, part by part, as a server tells it.
async fn verify_remote(config: &Config, asked: &AuditVerify) -> Result<()> {
    let AuditVerify { checkpoints, remote, printing } = asked;
    if checkpoints.is_some() {
        return Err(Failure::Setting(
            "--checkpoints is for the store of this machine: a server verifies one organization's \
             chain only"
                .to_owned(),
        ));
    }
    let transport = Transport::open(config, remote).await?;
    let (mut length, mut wrong, mut findings) = (0, 0, Vec::new());
    let mut path = "/v1/audit-events/verify".to_owned();
    let mut bar = None;
    loop {
        let part: api::VerifiedTrail = transport.get(&path).await?;
        let bar = bar.get_or_insert_with(|| Progress::count("verifying", part.length));
        bar.set(part.to);
        length = part.to.max(length);
        wrong += part.wrong;
        findings.extend(part.findings);
        match part.next_cursor {
            Some(cursor) => path = format!("/v1/audit-events/verify?cursor={cursor}"),
            None => break,
        }
    }
    drop(bar);
    if printing.json {
        output::json(&json!({
            "intact": wrong == 0, "events": length, "wrong": wrong, "findings": findings,
        }))?;
    } else {
        output::fields(&[("events in the chain", &length.to_string())]);
        print_findings(findings.iter().map(|finding| {
            let number = finding.sequence.map_or_else(String::new, |number| number.to_string());
            let root = finding.organization_id.clone().unwrap_or_default();
            (root, number, finding.detail.clone())
        }));
    }
    conclude(wrong)
}

/// The whole store of this machine, beside a running server or without one.
fn verify(config: &Config, asked: &AuditVerify) -> Result<()> {
    config.require_embedded(
        "audit verify",
        "with --url and --key, a server verifies the chain of the key's organization",
    )?;
    if !config.data_dir.join(DATABASE_FILE).exists() {
        return Err(wiring::nothing_there(&config.data_dir));
    }
    let secrets = secrets(config)?;
    let (path, mut copy) = open_copy(config, asked.checkpoints.as_deref())?;
    let inspection = Inspection::open(&config.data_dir)?;
    let (number, known) = (inspection.schema()?, Inspection::schema_known());
    if number != known {
        return Err(Failure::Setting(format!(
            "the database is at migration {number} of {known}: start the server once"
        )));
    }
    let bar = Progress::count("verifying", inspection.count_trail()?);
    let copy = copy.as_mut().map(|copy| copy as &mut dyn BufRead);
    let report = inspection.check_trail(&secrets, copy, &mut |done| bar.set(done))?;
    drop(bar);
    if asked.printing.json {
        output::json(&encode(&report, &path))?;
    } else {
        print(&report, &path);
    }
    conclude(report.findings.wrong)
}

fn secrets(config: &Config) -> Result<Secrets> {
    let material = if let Some(database) = &config.database {
        wiring::shared_secrets(database)?
    } else {
        let path = config.secrets_file();
        secrets_file::read(&path)?.ok_or_else(|| wiring::secrets_lost(&path))?
    };
    Ok(Secrets::new(&material))
}

/// The copy of the checkpoints outside the store. One that was named has to be there.
pub(super) fn open_copy(
    config: &Config,
    named: Option<&Path>,
) -> Result<(PathBuf, Option<BufReader<File>>)> {
    let path = named.map_or_else(|| config.checkpoint_file(), Path::to_owned);
    match File::open(&path) {
        Ok(file) => Ok((path, Some(BufReader::new(file)))),
        Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok((path, None)),
        Err(error) => Err(Failure::Io(format!("read {}", path.display()), error)),
    }
}

fn encode(report: &TrailReport, path: &Path) -> Value {
    let copy = report.copy.as_ref().map(|copy| {
        json!({
            "file": path.display().to_string(),
            "common_checkpoint": copy.common,
            "lacking": copy.lacking,
            "superseded": copy.superseded,
            "torn": copy.torn,
        })
    });
    let findings: Vec<Value> = report.findings.first.iter().map(encode_finding).collect();
    json!({
        "intact": report.findings.wrong == 0,
        "chains": report.chains,
        "events": report.sealed,
        "unsealed_events": report.unsealed,
        "uncovered_chains": report.uncovered,
        "checkpoints": report.checkpoints,
        "rows": report.rows,
        "copy": copy,
        "wrong": report.findings.wrong,
        "findings": findings,
    })
}

fn encode_finding(finding: &Finding) -> Value {
    let organization = finding.root.filter(|root| *root != AccountId::PLANE);
    json!({
        "code": finding.problem.code(),
        "organization_id": organization.map(|root| root.to_string()),
        "sequence": finding.sequence,
        "detail": finding.problem.to_string(),
    })
}

fn print(report: &TrailReport, path: &Path) {
    let copy = match &report.copy {
        None => format!(
            "none at {}: what was cut off together with its checkpoints is not seen",
            path.display()
        ),
        Some(copy) => {
            let mut parts = vec![format!("{}, up to checkpoint {}", path.display(), copy.common)];
            if copy.lacking > 0 {
                parts.push(format!("it lacks the last {}", copy.lacking));
            }
            if copy.superseded > 0 {
                parts.push(format!("{} more are of what a restore left behind", copy.superseded));
            }
            parts.join("; ")
        }
    };
    output::fields(&[
        ("chains", &report.chains.to_string()),
        ("events in them", &report.sealed.to_string()),
        ("events that wait", &report.unsealed.to_string()),
        ("checkpoints", &report.checkpoints.to_string()),
        ("chains grown since", &report.uncovered.to_string()),
        ("rows compared", &report.rows.to_string()),
        ("copy outside", &copy),
    ]);
    print_findings(report.findings.first.iter().map(|finding| {
        let root = match finding.root {
            Some(AccountId::PLANE) => "the plane".to_owned(),
            root => root.map_or_else(String::new, |root| root.to_string()),
        };
        let number = finding.sequence.map_or_else(String::new, |number| number.to_string());
        (root, number, finding.problem.to_string())
    }));
}

fn print_findings(findings: impl Iterator<Item = (String, String, String)>) {
    let rows: Vec<Vec<String>> =
        findings.map(|(root, number, detail)| vec![root, number, detail]).collect();
    if !rows.is_empty() {
        output::line("");
        output::table(&["CHAIN", "NUMBER", "FINDING"], rows);
    }
}

fn conclude(wrong: u64) -> Result<()> {
    match wrong {
        0 => Ok(()),
        wrong => {
            Err(Failure::Setting(format!("the audit trail is not what was written: {wrong} found")))
        }
    }
}

/// What others check the checkpoints with.
fn key(config: &Config) -> Result<()> {
    let pem = secrets(config)?.checkpoint_key_pem()?;
    output::line(pem.trim_end());
    Ok(())
}
