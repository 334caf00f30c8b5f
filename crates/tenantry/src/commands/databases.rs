//! `databases`

use super::native::{Session, segment, text};
use crate::cli::{Databases, MigrateDatabases, Printing};
use crate::config::Config;
use crate::progress::Progress;
use crate::transport::Transport;
use crate::wiring::Missing;
use crate::{Failure, Result, output};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;
use tenantry_api::databases::TenantDatabase;
use tenantry_api::operator as api;

/// `databases …`
pub(crate) async fn run(config: &Config, command: Databases) -> Result<()> {
    match command {
        Databases::List { organization, printing } => {
            let transport = Transport::local(config, Missing::Refuse).await?;
            print(&list(&transport, organization.as_deref()).await?, &printing)
        }
        Databases::Status { account, printing } => {
            let transport = Transport::local(config, Missing::Refuse).await?;
            let path = format!("/operator/databases/{}", segment(&account)?);
            status(&transport.get(&path).await?, &printing)
        }
        Databases::Credentials { account, at } => {
            let session = Session::open(config, &at).await?;
            let path = format!("/v1/accounts/{}/database/credentials", segment(&account)?);
            session.print_object(&session.create(&path, &json!({})).await?)
        }
        Databases::Rotate { account, grace, at } => {
            let session = Session::open(config, &at).await?;
            let path = format!("/v1/accounts/{}/database/rotate", segment(&account)?);
            let rotated = session.create(&path, &json!({ "grace_seconds": grace })).await?;
            session.print(&rotated, |rotated| {
                output::fields(&[
                    ("user", text(rotated, "/user")),
                    ("password", text(rotated, "/password")),
                    ("the one before ends", text(rotated, "/overlap_until")),
                ]);
            })
        }
        Databases::Migrate(wanted) => migrate(config, &wanted).await,
        Databases::Rewrap { printing } => rewrap(config, &printing).await,
    }
}

/// Every tenant database, page by page.
async fn list(transport: &Transport, organization: Option<&str>) -> Result<Vec<TenantDatabase>> {
    let mut all = Vec::new();
    let mut path = "/operator/databases".to_owned();
    loop {
        let page: api::TenantDatabases =
            transport.call(hyper::Method::GET, &path, organization, None).await?;
        all.extend(page.data);
        match page.next {
            Some(next) => path = format!("/operator/databases?after={next}"),
            None => return Ok(all),
        }
    }
}

fn print(databases: &[TenantDatabase], printing: &Printing) -> Result<()> {
    if printing.json {
        return output::json(&databases);
    }
    let rows = databases.iter().map(|database| {
        let server = match &database.server {
            Some(server) => server.clone(),
            None => format!("{}:{}", database.host, database.port),
        };
        let state = match &database.failure {
            Some(failure) => format!("{} ({failure})", database.state),
            None => database.state.clone(),
        };
        vec![
            database.account_id.clone(),
            state,
            server,
            database.name.clone(),
            database.credential.clone().unwrap_or_default(),
            database.schema_version.to_string(),
        ]
    });
    output::table(&["ACCOUNT", "STATE", "SERVER", "DATABASE", "CREDENTIAL", "SCHEMA"], rows);
    Ok(())
}

fn status(seen: &api::InspectedDatabase, printing: &Printing) -> Result<()> {
    if printing.json {
        return output::json(seen);
    }
    let api::InspectedDatabase { database, inspected, problem } = seen;
    let place = format!("{}:{}", database.host, database.port);
    let schema = database.schema_version.to_string();
    output::fields(&[
        ("account", &database.account_id),
        ("state", &database.state),
        ("step", &database.step),
        ("server", database.server.as_deref().unwrap_or("the customer's")),
        ("at", &place),
        ("database", &database.name),
        ("origin", database.origin.as_deref().unwrap_or("-")),
        ("credential", database.credential.as_deref().unwrap_or("-")),
        ("schema version", &schema),
        ("login before ends", database.overlap_until.as_deref().unwrap_or("-")),
        ("failure", database.failure.as_deref().unwrap_or("-")),
    ]);
    match inspected {
        Some(server) => {
            output::fields(&[
                ("server version", &server.server_version.to_string()),
                ("size in bytes", &server.size_bytes.to_string()),
                ("schema version there", &server.schema_version.to_string()),
            ]);
            if server.reachable_databases > 0 {
                output::line(&format!(
                    "Mind: PUBLIC may connect to {} other databases of this server, and so may this \
                     one's login. REVOKE CONNECT ON DATABASE … FROM PUBLIC there ends that.",
                    server.reachable_databases
                ));
            }
        }
        None => output::line(&format!(
            "Its server says nothing: {}.",
            problem.as_deref().unwrap_or("unknown")
        )),
    }
    Ok(())
}

/// What became of one database.
#[derive(Serialize)]
struct Outcome {
    account_id: String,
    schema_version: Option<u64>,
    applied: u64,
    error: Option<String>,
}

async fn migrate(config: &Config, wanted: &MigrateDatabases) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    let accounts: Vec<String> = if let Some(account) = &wanted.account {
        vec![account.clone()]
    } else {
        let all = list(&transport, None).await?;
        let active = all.into_iter().filter(|database| database.state == "active");
        active.map(|database| database.account_id).collect()
    };
    let progress = Progress::count("Migrating", accounts.len().try_into().unwrap_or(u64::MAX));
    let (first, rest) = accounts.split_at(wanted.canary.min(accounts.len()));
    let mut outcomes = Vec::with_capacity(accounts.len());
    let mut stopped = false;
    for accounts in [first, rest] {
        if outcomes.iter().any(|outcome: &Outcome| outcome.error.is_some()) {
            stopped = true;
            break;
        }
        let calls = accounts.iter().map(|account| migrate_one(&transport, account));
        let mut done = stream::iter(calls).buffer_unordered(wanted.concurrency.into());
        while let Some(outcome) = done.next().await {
            outcomes.push(outcome);
            progress.set(outcomes.len().try_into().unwrap_or(u64::MAX));
        }
    }
    drop(progress);
    report(&outcomes, accounts.len(), stopped, &wanted.printing)
}

/// One that fails is no reason for the others to stop.
async fn migrate_one(transport: &Transport, account: &str) -> Outcome {
    let migrated = async {
        let path = format!("/operator/databases/{}/migrate", segment(account)?);
        transport.lasting::<api::MigratedDatabase>(&path).await
    };
    let outcome = migrated.await;
    let account_id = account.to_owned();
    match outcome {
        Ok(done) => Outcome {
            account_id,
            schema_version: Some(done.schema_version),
            applied: done.applied,
            error: None,
        },
        Err(failure) => {
            let error = Some(failure.to_string());
            Outcome { account_id, schema_version: None, applied: 0, error }
        }
    }
}

fn report(outcomes: &[Outcome], all: usize, stopped: bool, printing: &Printing) -> Result<()> {
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.error.is_some()).collect();
    if printing.json {
        output::json(&outcomes)?;
    } else {
        let changed = outcomes.iter().filter(|outcome| outcome.applied > 0).count();
        output::line(&format!(
            "{} of {all} tenant databases are up to date, {changed} of them since now.",
            outcomes.len() - failed.len()
        ));
        if !failed.is_empty() {
            let rows = failed.iter().map(|outcome| {
                vec![outcome.account_id.clone(), outcome.error.clone().unwrap_or_default()]
            });
            output::table(&["ACCOUNT", "WHY NOT"], rows);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let untried = match (stopped, all - outcomes.len()) {
        (true, untried) => format!("; {untried} were not tried, since a canary failed"),
        (false, _) => String::new(),
    };
    Err(Failure::Setting(format!(
        "{} of {all} tenant databases were not migrated{untried}. What was done stays done: run this \
         again",
        failed.len()
    )))
}

async fn rewrap(config: &Config, printing: &Printing) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    let mut total = api::Rewrapped { rewrapped: 0, current: 0, left: 0, resealed: 0, next: None };
    let mut asked = api::Rewrap::default();
    let progress = Progress::spin("Rewrapping");
    loop {
        let page: api::Rewrapped =
            transport.post("/operator/databases/rewrap", None, &asked).await?;
        total.rewrapped += page.rewrapped;
        total.current += page.current;
        total.left += page.left;
        total.resealed += page.resealed;
        match page.next {
            Some(next) => asked.after = Some(next),
            None => break,
        }
    }
    drop(progress);
    if printing.json {
        output::json(&total)?;
    } else {
        output::line(&format!(
            "{} data keys are under the newest key-encryption key, {} of them since now; {} other \
             values were sealed anew.",
            total.rewrapped + total.current,
            total.rewrapped,
            total.resealed
        ));
    }
    match total.left {
        0 => Ok(()),
        left => Err(Failure::Setting(format!(
            "{left} are not: they were changed meanwhile, or cannot be read. Run this again before \
             the key of before is retired"
        ))),
    }
}
