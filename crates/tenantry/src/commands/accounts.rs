//! `accounts`

use super::organizations;
use crate::cli::{Accounts, Remote};
use crate::config::Config;
use crate::transport::Transport;
use crate::{Failure, Result, output};
use serde_json::{Value, json};

/// `accounts …`
pub(crate) async fn run(config: &Config, command: Accounts) -> Result<()> {
    let Accounts::Create { name, concurrency, organization, remote, printing } = command;
    let transport = Transport::open(config, &remote).await?;
    let organization = owner(&transport, organization, &remote).await?;
    let body = json!({ "name": name, "limits": { "concurrency": concurrency } });
    let created: Value = transport.post("/v1/accounts", organization.as_deref(), &body).await?;
    if printing.json {
        output::json(&created)?;
    } else {
        let text = |pointer: &str| created.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        output::fields(&[
            ("account", text("/account/id")),
            ("uuid", text("/account/account_uuid")),
            ("name", text("/account/name")),
            ("key id", text("/key/id")),
            ("key", text("/key/secret")),
        ]);
        output::line("\nThe key is shown here and nowhere else.");
    }
    Ok(())
}

/// The organization to act for. A key says it by itself; the operator may leave it out where there
/// is only one.
async fn owner(
    transport: &Transport,
    named: Option<String>,
    remote: &Remote,
) -> Result<Option<String>> {
    if named.is_some() || remote.url.is_some() {
        return Ok(named);
    }
    let all = organizations::list(transport).await?;
    match &all[..] {
        [only] => Ok(Some(only.account_id.clone())),
        [] => Err(Failure::Setting("there is no organization yet: run `tenantry init`".to_owned())),
        _ => Err(Failure::Setting(
            "there are several organizations: name one with --organization".to_owned(),
        )),
    }
}
