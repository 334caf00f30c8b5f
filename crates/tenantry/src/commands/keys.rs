//! `keys`

use super::native::{Session, members, rates, segment, text, words};
use crate::cli::{At, Keys, NewKey, Remote, Wait};
use crate::config::Config;
use crate::progress::Progress;
use crate::transport::Transport;
use crate::wiring::Missing;
use crate::{Failure, Result, output};
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;
use tenantry_api::operator::CreatePlatformKey;
use tenantry_core::limits;
use zeroize::Zeroizing;

/// `keys …`
pub(crate) async fn run(config: &Config, command: Keys) -> Result<()> {
    match command {
        Keys::Verify { secret, client_id, permission, remote, printing } => {
            let secret = match secret {
                Some(secret) => Zeroizing::new(secret),
                None => read_secret()?,
            };
            let verdict =
                verify(config, &remote, &secret, client_id.as_deref(), &permission).await?;
            if printing.json {
                output::json(&verdict)?;
            } else {
                print_verdict(&verdict);
            }
            if verdict["valid"] == true {
                Ok(())
            } else {
                let code = verdict["code"].as_str().unwrap_or_default().to_owned();
                Err(Failure::Setting(format!("the key does not verify: {code}")))
            }
        }
        Keys::Create(new) => create(config, &new).await,
        Keys::List { account, paging, at } => {
            let session = Session::open(config, &at).await?;
            let keys = session.list(&of_account(&account)?, paging.limit).await?;
            let columns = ["id", "name", "start", "status", "permissions", "expires_at"];
            session.print_list(&keys, &columns)
        }
        Keys::Show { id, at } => {
            let session = Session::open(config, &at).await?;
            session.print_object(&session.get(&path(&id, "")?).await?)
        }
        Keys::Update { id, name, permission, expires_at, allowed_ip, at } => {
            let session = Session::open(config, &at).await?;
            let expires_at = expires_at.map(|text| match &*text {
                "never" => Value::Null,
                _ => Value::from(text),
            });
            let body = members([
                ("name", name.map(Value::from)),
                ("permissions", words(&permission)),
                ("expires_at", expires_at),
                ("allowed_ips", words(&allowed_ip)),
            ]);
            session.print_object(&session.change(Method::PATCH, &path(&id, "")?, &body).await?)
        }
        Keys::Revoke { id, lineage, wait, at } => {
            let what = if lineage { "/revoke?lineage=true" } else { "/revoke" };
            switch(config, &at, &path(&id, what)?, &wait).await
        }
        Keys::Disable { id, wait, at } => switch(config, &at, &path(&id, "/disable")?, &wait).await,
        Keys::Enable { id, wait, at } => switch(config, &at, &path(&id, "/enable")?, &wait).await,
        Keys::Rotate { id, grace, at } => {
            let session = Session::open(config, &at).await?;
            let body = json!({ "grace_seconds": grace });
            let rotated = session.create(&path(&id, "/rotate")?, &body).await?;
            session.print(&rotated, |rotated| {
                output::fields(&[
                    ("key id", text(rotated, "/key/id")),
                    ("key", text(rotated, "/key/secret")),
                    ("the old one ends", text(rotated, "/superseded/grace_expires_at")),
                ]);
                output::line("\nThe key is shown here and nowhere else.");
            })
        }
        Keys::Import { file, at } => import(config, &file, &at).await,
    }
}

fn path(id: &str, what: &str) -> Result<String> {
    Ok(format!("/v1/keys/{}{what}", segment(id)?))
}

fn of_account(id: &str) -> Result<String> {
    Ok(format!("/v1/accounts/{}/keys", segment(id)?))
}

async fn switch(config: &Config, at: &At, path: &str, wait: &Wait) -> Result<()> {
    Session::open(config, at).await?.switch(Method::POST, path, wait).await
}

async fn create(config: &Config, new: &NewKey) -> Result<()> {
    let Some(account) = &new.account else {
        return create_platform(config, new).await;
    };
    let session = Session::open(config, &new.at).await?;
    let body = members([
        ("name", new.name.as_deref().map(Value::from)),
        ("format", new.format.as_deref().map(Value::from)),
        ("permissions", words(&new.permission)),
        ("expires_at", new.expires_at.as_deref().map(Value::from)),
        ("allowed_ips", words(&new.allowed_ip)),
        ("limits", limits_of(new)),
    ]);
    let created = session.create(&of_account(account)?, &body).await?;
    session.print(&created, |created| {
        output::fields(&[("key id", text(created, "/id")), ("key", text(created, "/secret"))]);
        output::line("\nThe key is shown here and nowhere else.");
    })
}

/// Its limits, where some are named.
fn limits_of(new: &NewKey) -> Option<Value> {
    let uses = new.uses.map(|limit| {
        members([("limit", Some(limit.into())), ("refill_seconds", new.refill.map(Value::from))])
    });
    let limits = members([("rate", rates(&new.rate)), ("uses", uses)]);
    limits.as_object().is_some_and(|limits| !limits.is_empty()).then_some(limits)
}

async fn create_platform(config: &Config, new: &NewKey) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    let wanted = CreatePlatformKey { name: new.name.clone() };
    let created: Value = transport.create("/operator/platform-keys", None, &wanted).await?;
    if new.at.printing.json {
        return output::json(&created);
    }
    output::fields(&[
        ("key id", text(&created, "/id")),
        ("platform key", text(&created, "/secret")),
    ]);
    output::line("\nThe key is shown here and nowhere else.");
    Ok(())
}

/// Sends a file's keys, a thousand at a time, and tells of each that was refused.
async fn import(config: &Config, file: &Path, at: &At) -> Result<()> {
    let io = |error| Failure::Io(format!("read {}", file.display()), error);
    let text = std::fs::read_to_string(file).map_err(io)?;
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    let session = Session::open(config, at).await?;
    let progress = Progress::count("importing", u64::try_from(lines.len()).unwrap_or(0));
    let (mut taken, mut refused) = (0_u64, Vec::new());
    for part in lines.chunks(limits::IMPORT_KEYS_MAX) {
        let keys = part.iter().map(|(number, line)| {
            let wrong = || Failure::Setting(format!("line {}: no JSON object", number + 1));
            serde_json::from_str::<Value>(line).ok().filter(Value::is_object).ok_or_else(wrong)
        });
        let body = json!({ "keys": keys.collect::<Result<Vec<_>>>()? });
        let answer = session.create("/v1/keys/import", &body).await?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        for ((number, _), result) in part.iter().zip(results) {
            if result["status"] == 201 {
                taken += 1;
            } else {
                refused.push(json!({ "line": number + 1, "error": result["error"] }));
            }
        }
        progress.set(taken + u64::try_from(refused.len()).unwrap_or(0));
    }
    drop(progress);
    let summary = json!({ "imported": taken, "refused": refused });
    session.print(&summary, |_| {
        for refusal in &refused {
            output::line(&format!("line {}: {}", refusal["line"], text_of(refusal)));
        }
        output::line(&format!("{taken} imported, {} refused", refused.len()));
    })?;
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Failure::Setting(format!("{} keys were refused", refused.len())))
    }
}

fn text_of(refusal: &Value) -> &str {
    let field = text(refusal, "/error/errors/0/detail");
    if field.is_empty() { text(refusal, "/error/detail") } else { field }
}

async fn verify(
    config: &Config,
    remote: &Remote,
    secret: &str,
    client_id: Option<&str>,
    permissions: &[String],
) -> Result<Value> {
    let body = match client_id {
        Some(id) => json!({ "client_id": id, "client_secret": secret, "permissions": permissions }),
        None => json!({ "key": secret, "permissions": permissions }),
    };
    let transport = Transport::open(config, remote).await?;
    transport.post("/v1/keys/verify", None, &body).await
}

/// One line of standard input: a secret on the command line is seen by every user of the machine.
fn read_secret() -> Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::Io("read the key from standard input".to_owned(), error))?;
    Ok(Zeroizing::new(line.trim().to_owned()))
}

fn print_verdict(verdict: &Value) {
    let text = |name: &str| verdict[name].as_str().unwrap_or("-").to_owned();
    let permissions: Vec<&str> = verdict["permissions"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    output::fields(&[
        ("code", &text("code")),
        ("kind", &text("kind")),
        ("key", &text("key_id")),
        ("account", &text("account_id")),
        ("parent", &text("parent_id")),
        ("permissions", &permissions.join(" ")),
        ("expires", &text("expires_at")),
    ]);
}
