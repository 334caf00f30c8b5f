//! What the server acknowledged, kept outside of it.

use super::http::Connection;
use super::site::Credentials;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most entries of a ledger: about 150 bytes each, so memory has an end.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;
/// Threads that verify.
const THREADS: usize = 8;

/// One acknowledged create.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    /// The account's or service account's id as it is printed.
    pub(crate) id: String,
    /// The key or client secret.
    pub(crate) secret: String,
    /// The client id of a client secret.
    pub(crate) client: Option<String>,
}

/// What a verification says of a credential: its code.
pub(crate) fn verdict(
    connection: &mut Connection,
    master: &str,
    entry: &Acknowledged,
) -> std::io::Result<String> {
    let question = match &entry.client {
        None => json!({ "key": entry.secret }),
        Some(id) => json!({ "client_id": id, "client_secret": entry.secret }),
    };
    let bearer = format!("Bearer {master}");
    let headers = [("authorization", &*bearer)];
    let reply = connection.send("POST", "/v1/keys/verify", &headers, &question.to_string())?;
    assert_eq!(reply.status, 200, "{}", reply.text);
    Ok(reply.text_at("/code"))
}

/// How many of the entries do not verify as VALID.
pub(crate) fn lost(address: &str, credentials: &Credentials, entries: &[Acknowledged]) -> usize {
    let lost = AtomicUsize::new(0);
    let share = entries.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        for part in entries.chunks(share) {
            let lost = &lost;
            scope.spawn(move || {
                let mut connection = Connection::open(address).expect("a connection");
                for entry in part {
                    let code = verdict(&mut connection, &credentials.master, entry);
                    if code.expect("a verdict") != "VALID" {
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    lost.into_inner()
}
