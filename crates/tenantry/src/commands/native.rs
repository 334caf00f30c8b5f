//! The native API from a terminal: what commands on accounts, keys and service accounts share.

use super::organizations;
use crate::cli::{At, Wait};
use crate::config::Config;
use crate::transport::Transport;
use crate::{Failure, Result, output};
use hyper::Method;
use serde_json::{Map, Value, json};

/// Entries of one page.
const PAGE: usize = 100;

/// A way to the API, for one organization.
pub(super) struct Session {
    transport: Transport,
    organization: Option<String>,
    json: bool,
}

impl Session {
    /// The server that was named, or the one of the data directory.
    pub(super) async fn open(config: &Config, at: &At) -> Result<Self> {
        let transport = Transport::open(config, &at.remote).await?;
        let organization = owner(&transport, at).await?;
        Ok(Self { transport, organization, json: at.printing.json })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.transport.call(Method::GET, path, self.organization.as_deref(), None).await
    }

    /// Makes something. Where the reply is lost the request is sent again, and makes nothing more.
    pub(super) async fn create(&self, path: &str, body: &Value) -> Result<Value> {
        self.transport.create(path, self.organization.as_deref(), body).await
    }

    pub(super) async fn change(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        self.transport.call(method, path, self.organization.as_deref(), Some(body)).await
    }

    /// A change that says by when it holds everywhere.
    pub(super) async fn switch(&self, method: Method, path: &str, wait: &Wait) -> Result<()> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let waiting = if wait.wait { format!("{separator}wait=true") } else { String::new() };
        let done = self.change(method, &format!("{path}{waiting}"), &json!({})).await?;
        self.print(&done, |done| {
            output::fields(&[
                ("revision", text(done, "/revision")),
                ("holds everywhere by", text(done, "/effective_everywhere_by")),
            ]);
        })
    }

    /// Up to `limit` entries of a list.
    pub(super) async fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>> {
        let mut entries: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        while entries.len() < limit {
            let size = PAGE.min(limit - entries.len());
            // A cursor is base64url: nothing in it needs an escape.
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let separator = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{separator}limit={size}{after}");
            let mut page = self.get(&path).await?;
            let Value::Array(data) = page["data"].take() else {
                return Err(Failure::Answer("a page without entries".to_owned()));
            };
            entries.extend(data);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => break,
            }
        }
        Ok(entries)
    }

    /// Prints an answer as JSON, or for people.
    pub(super) fn print(&self, answer: &Value, for_people: impl FnOnce(&Value)) -> Result<()> {
        if self.json {
            output::json(answer)
        } else {
            for_people(answer);
            Ok(())
        }
    }

    /// Prints a list as JSON, or as a table of these members.
    pub(super) fn print_list(&self, entries: &[Value], columns: &[&str]) -> Result<()> {
        if self.json {
            return output::json(&entries);
        }
        let row = |entry: &Value| columns.iter().map(|name| cell(&entry[*name])).collect();
        output::table(columns, entries.iter().map(row));
        Ok(())
    }

    /// Prints an object as JSON, or its members one a line.
    pub(super) fn print_object(&self, answer: &Value) -> Result<()> {
        self.print(answer, |answer| {
            let members = answer.as_object().into_iter().flatten();
            let members: Vec<_> = members.map(|(name, value)| (name, cell(value))).collect();
            let fields: Vec<_> =
                members.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            output::fields(&fields);
        })
    }
}

/// The organization to act for. A key says it by itself; the operator may leave it out where there
/// is only one.
pub(super) async fn owner(transport: &Transport, at: &At) -> Result<Option<String>> {
    if at.organization.is_some() || at.remote.url.is_some() {
        return Ok(at.organization.clone());
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

/// The text at a JSON pointer, or none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// A value as people read it in a table.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) if all.iter().all(Value::is_string) => {
            all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// A JSON object that was given as an argument.
pub(super) fn object(option: &str, text: &str) -> Result<Value> {
    let wrong = || Failure::Setting(format!("{option}: a JSON object is wanted"));
    serde_json::from_str::<Map<String, Value>>(text).map(Value::Object).map_err(|_| wrong())
}

/// The members that were given; what was not is left out.
pub(super) fn members(members: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

/// Rates as the API takes them; none where there are none.
pub(super) fn rates(rates: &[(i64, i64)]) -> Option<Value> {
    let rate = |(limit, window): &(i64, i64)| json!({ "limit": limit, "window_seconds": window });
    (!rates.is_empty()).then(|| rates.iter().map(rate).collect())
}

/// Words that were given at least once.
pub(super) fn words(words: &[String]) -> Option<Value> {
    (!words.is_empty()).then(|| json!(words))
}

/// An id as a segment of a path: whatever is none leads nowhere else.
pub(super) fn segment(id: &str) -> Result<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !id.is_empty() && id.bytes().all(plain) {
        Ok(id)
    } else {
        Err(Failure::Setting("an id has only letters, digits, _ and -".to_owned()))
    }
}
