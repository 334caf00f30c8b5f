//! `service-accounts`

use super::native::{Session, members, segment, text, words};
use crate::cli::{At, ServiceAccounts, Wait};
use crate::config::Config;
use crate::{Result, output};
use hyper::Method;
use serde_json::{Value, json};

/// `service-accounts …`
pub(crate) async fn run(config: &Config, command: ServiceAccounts) -> Result<()> {
    match command {
        ServiceAccounts::Create { account, name, permission, at } => {
            let session = Session::open(config, &at).await?;
            let path = format!("/v1/accounts/{}/service-accounts", segment(&account)?);
            let body =
                members([("name", name.map(Value::from)), ("permissions", words(&permission))]);
            let created = session.create(&path, &body).await?;
            session.print(&created, |created| {
                output::fields(&[
                    ("service account", text(created, "/service_account/id")),
                    ("name", text(created, "/service_account/name")),
                    ("client id", text(created, "/service_account/client_id")),
                    ("secret id", text(created, "/secret/id")),
                    ("client secret", text(created, "/secret/secret")),
                ]);
                output::line("\nThe client secret is shown here and nowhere else.");
            })
        }
        ServiceAccounts::List { account, paging, at } => {
            let session = Session::open(config, &at).await?;
            let path = format!("/v1/accounts/{}/service-accounts", segment(&account)?);
            let all = session.list(&path, paging.limit).await?;
            session.print_list(&all, &["id", "name", "client_id", "status", "permissions"])
        }
        ServiceAccounts::Show { id, at } => {
            let session = Session::open(config, &at).await?;
            session.print_object(&session.get(&path(&id, "")?).await?)
        }
        ServiceAccounts::Update { id, name, permission, at } => {
            let session = Session::open(config, &at).await?;
            let body =
                members([("name", name.map(Value::from)), ("permissions", words(&permission))]);
            session.print_object(&session.change(Method::PATCH, &path(&id, "")?, &body).await?)
        }
        ServiceAccounts::Disable { id, wait, at } => {
            switch(config, &at, Method::POST, &path(&id, "/disable")?, &wait).await
        }
        ServiceAccounts::Enable { id, wait, at } => {
            switch(config, &at, Method::POST, &path(&id, "/enable")?, &wait).await
        }
        ServiceAccounts::Delete { id, wait, at } => {
            switch(config, &at, Method::DELETE, &path(&id, "")?, &wait).await
        }
        ServiceAccounts::AddSecret { id, at } => {
            let session = Session::open(config, &at).await?;
            let created = session.create(&path(&id, "/secrets")?, &json!({})).await?;
            session.print(&created, |created| {
                output::fields(&[
                    ("secret id", text(created, "/id")),
                    ("client secret", text(created, "/secret")),
                ]);
                output::line("\nThe client secret is shown here and nowhere else.");
            })
        }
        ServiceAccounts::RevokeSecret { id, secret, wait, at } => {
            let path = path(&id, &format!("/secrets/{}", segment(&secret)?))?;
            switch(config, &at, Method::DELETE, &path, &wait).await
        }
    }
}

fn path(id: &str, what: &str) -> Result<String> {
    Ok(format!("/v1/service-accounts/{}{what}", segment(id)?))
}

async fn switch(config: &Config, at: &At, method: Method, path: &str, wait: &Wait) -> Result<()> {
    Session::open(config, at).await?.switch(method, path, wait).await
}
