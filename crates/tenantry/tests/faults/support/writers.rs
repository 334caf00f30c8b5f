//! Eight clients that create accounts through every surface until they are told to stop or the
//! server is gone.

use super::Stop;
use super::http::{Connection, Reply};
use super::ledger::Acknowledged;
use super::site::Credentials;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Clients that write at the same time.
pub(crate) const WRITERS: usize = 8;
/// Most creates of one client in one round.
const CREATES_MAX: usize = 2_000;

/// What the clients of one round got.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Replies that were no success, by status.
    pub(crate) refused: BTreeMap<u16, usize>,
    /// The last of them.
    pub(crate) last_refusal: String,
}

impl Round {
    fn note(&mut self, surface: usize, reply: &Reply) {
        if (200..300).contains(&reply.status) {
            self.acknowledged.push(read(surface, reply));
        } else {
            *self.refused.entry(reply.status).or_default() += 1;
            self.last_refusal.clone_from(&reply.text);
        }
    }
}

/// Writes while `meanwhile` runs, and until all clients have then come to an end.
pub(crate) fn write_while(
    address: &str,
    credentials: &Credentials,
    meanwhile: impl FnOnce(),
) -> Round {
    let round = Mutex::new(Round::default());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (round, stop) = (&round, &stop);
            scope.spawn(move || {
                let Ok(mut connection) = Connection::open(address) else { return };
                for _ in 0..CREATES_MAX {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(reply) = create(&mut connection, credentials, writer) else { return };
                    round.lock().expect("no writer panics").note(writer, &reply);
                }
            });
        }
        let _stop = Stop(&stop);
        meanwhile();
    });
    round.into_inner().expect("no writer panics")
}

/// One create through the surface of that number.
pub(crate) fn create(
    connection: &mut Connection,
    credentials: &Credentials,
    surface: usize,
) -> std::io::Result<Reply> {
    let call = Call::new(credentials, surface);
    connection.send("POST", call.path, &call.headers(), call.body)
}

/// A create through one of the surfaces.
pub(crate) struct Call {
    pub(crate) path: &'static str,
    headers: Vec<(&'static str, String)>,
    pub(crate) body: &'static str,
}

impl Call {
    /// The create of the surface of that number.
    pub(crate) fn new(credentials: &Credentials, surface: usize) -> Self {
        let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
        let media = |media: &str| ("content-type", media.to_owned());
        let (path, headers, body) = match surface % 4 {
            0 => (
                "/sub-accounts/create",
                vec![bearer(&credentials.master), media("application/json")],
                r#"{"name":"alpha-007","allow_concurrent_calls":10}"#,
            ),
            1 => (
                "/api/v1/accounts",
                vec![bearer(&credentials.master), media("application/vnd.api+json")],
                r#"{"data":{"type":"accounts","attributes":{"name":"Museum"}}}"#,
            ),
            2 => (
                "/api/v1/admin/service-account/create",
                vec![
                    bearer(&credentials.token),
                    ("x-tenantid", credentials.tenant.clone()),
                    ("accept", "application/json".to_owned()),
                ],
                "",
            ),
            _ => (
                "/v1/accounts",
                vec![bearer(&credentials.master), media("application/json")],
                r#"{"name":"native","metadata":{"plan":"pro"}}"#,
            ),
        };
        Self { path, headers, body }
    }

    /// The same with an `Idempotency-Key`.
    pub(crate) fn repeatable(mut self, key: &str) -> Self {
        self.headers.push(("idempotency-key", key.to_owned()));
        self
    }

    pub(crate) fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }
}

/// What a successful reply acknowledges.
pub(crate) fn read(surface: usize, reply: &Reply) -> Acknowledged {
    let (id, secret, client) = match surface % 4 {
        0 => ("/id", "/api_key", None),
        1 => ("/data/id", "/included/0/attributes/secret", None),
        2 => ("/data/id", "/data/clientSecret", Some("/data/clientId")),
        _ => ("/account/id", "/key/secret", None),
    };
    Acknowledged {
        id: reply.text_at(id),
        secret: reply.text_at(secret),
        client: client.map(|at| reply.text_at(at)),
    }
}
