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
    let key = format!("Bearer {}", credentials.master);
    let authorization = ("authorization", &*key);
    let json = ("content-type", "application/json");
    match surface % 4 {
        0 => {
            let body = r#"{"name":"alpha-007","allow_concurrent_calls":10}"#;
            connection.send("POST", "/sub-accounts/create", &[authorization, json], body)
        }
        1 => {
            let body = r#"{"data":{"type":"accounts","attributes":{"name":"Museum"}}}"#;
            let media = ("content-type", "application/vnd.api+json");
            connection.send("POST", "/api/v1/accounts", &[authorization, media], body)
        }
        2 => {
            let token = format!("Bearer {}", credentials.token);
            let headers = [
                ("authorization", &*token),
                ("x-tenantid", &*credentials.tenant),
                ("accept", "application/json"),
            ];
            connection.send("POST", "/api/v1/admin/service-account/create", &headers, "")
        }
        _ => {
            let body = r#"{"name":"native","metadata":{"plan":"pro"}}"#;
            connection.send("POST", "/v1/accounts", &[authorization, json], body)
        }
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
