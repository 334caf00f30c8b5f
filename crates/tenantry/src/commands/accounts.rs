//! `accounts`

use super::native::{Session, members, object, rates, segment, text, words};
use crate::cli::{Accounts, At, NewAccount, Wait};
use crate::config::Config;
use crate::{Result, output};
use hyper::Method;
use serde_json::{Value, json};

/// `accounts …`
pub(crate) async fn run(config: &Config, command: Accounts) -> Result<()> {
    match command {
        Accounts::Create(new) => create(config, &new).await,
        Accounts::List { paging, at } => {
            let session = Session::open(config, &at).await?;
            let accounts = session.list("/v1/accounts", paging.limit).await?;
            session.print_list(&accounts, &["id", "name", "status", "created_at"])
        }
        Accounts::Show { id, at } => {
            let session = Session::open(config, &at).await?;
            session.print_object(&session.get(&path(&id, "")?).await?)
        }
        Accounts::Update { id, name, metadata, at } => {
            let session = Session::open(config, &at).await?;
            let metadata = metadata.map(|text| object("--metadata", &text)).transpose()?;
            let body = members([("name", name.map(Value::from)), ("metadata", metadata)]);
            let account = session.change(Method::PATCH, &path(&id, "")?, &body).await?;
            session.print_object(&account)
        }
        Accounts::Suspend { id, wait, at } => switch(config, &at, &id, "/suspend", &wait).await,
        Accounts::Resume { id, wait, at } => switch(config, &at, &id, "/resume", &wait).await,
        Accounts::Limits { id, at } => {
            let session = Session::open(config, &at).await?;
            session.print_object(&session.get(&path(&id, "/limits")?).await?)
        }
        Accounts::SetLimits { id, concurrency, sub_account_concurrency, rate, at } => {
            let session = Session::open(config, &at).await?;
            let body = members([
                ("concurrency", concurrency.map(Value::from)),
                ("sub_account_concurrency", sub_account_concurrency.map(Value::from)),
                ("rate", rates(&rate)),
            ]);
            let set = session.change(Method::PUT, &path(&id, "/limits")?, &body).await?;
            session.print_object(&set)
        }
        Accounts::Close { id, wait, at } => switch(config, &at, &id, "/close", &wait).await,
    }
}

fn path(id: &str, what: &str) -> Result<String> {
    Ok(format!("/v1/accounts/{}{what}", segment(id)?))
}

async fn switch(config: &Config, at: &At, id: &str, what: &str, wait: &Wait) -> Result<()> {
    Session::open(config, at).await?.switch(Method::POST, &path(id, what)?, wait).await
}

async fn create(config: &Config, new: &NewAccount) -> Result<()> {
    let session = Session::open(config, &new.at).await?;
    let metadata = new.metadata.as_deref().map(|text| object("--metadata", text)).transpose()?;
    let body = members([
        ("name", Some(json!(new.name))),
        ("limits", Some(json!({ "concurrency": new.concurrency }))),
        ("metadata", metadata),
        ("key", words(&new.permission).map(|words| json!({ "permissions": words }))),
    ]);
    let created = session.create("/v1/accounts", &body).await?;
    session.print(&created, |created| {
        output::fields(&[
            ("account", text(created, "/account/id")),
            ("uuid", text(created, "/account/account_uuid")),
            ("name", text(created, "/account/name")),
            ("key id", text(created, "/key/id")),
            ("key", text(created, "/key/secret")),
        ]);
        output::line("\nThe key is shown here and nowhere else.");
    })
}
