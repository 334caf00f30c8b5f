//! `POST /v1/keys/verify`
//!
//! The hot path. [`answer`] is what the router mounts and what the short-cut in front of it calls.

use super::leases::{decode_wanted, encode_lease};
use super::rates;
use crate::app::{AppState, Peer};
use crate::body::{self, RequestBody};
use crate::caller;
use crate::refusal::Refusal;
use crate::reply;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;
use tenantry_api::{keys as api, leases};
use tenantry_core::error::{Error, Problem};
use tenantry_core::json::{self, Json};
use tenantry_core::leases::WantedLease;
use tenantry_core::limits;
use tenantry_core::permissions::Permission;
use tenantry_core::verify::{
    Asked, Code, Concurrency, Kind, Known, Limited, Question, Verdict, Verifier,
};

/// The route of [`answer`], for the short-cut.
pub(crate) const PATH: &str = "/v1/keys/verify";

/// Largest buffer that a thread keeps for replies, in bytes: most are a tenth of it.
const SCRATCH_BYTES_MAX: usize = 4096;

/// May this credential do this, now?
pub(crate) async fn verify(state: AppState, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match caller::peer(&parts) {
        Ok(peer) => answer(&state, peer, &parts.headers, body).await,
        Err(error) => Refusal::from(error).into_response(),
    }
}

/// Answers a question: 200 whenever it was understood.
pub(crate) async fn answer(
    state: &AppState,
    peer: Peer,
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Response {
    let verdict = decide(state, peer, headers, body).await;
    match verdict.and_then(|verdict| Ok((encode(&verdict)?, verdict))) {
        Ok((bytes, verdict)) => {
            let mut response = reply::json_bytes(bytes);
            if let Some(limits) = &verdict.limits {
                rates::insert_fields(response.headers_mut(), &limits.rates);
            }
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn decide(
    state: &AppState,
    peer: Peer,
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Verdict, Refusal> {
    let verifier = caller::verifier(state, headers, peer).await?;
    body::require_plain_json(headers)?;
    body::require_no_coding(headers)?;
    let bytes = body::read_body(body, state, body::BODY_BYTES_MAX).await?;
    Ok(if let Some(key) = lone_key(&bytes) {
        state.plane.verify(verifier, &Question::of(Asked::Key(key))).await?
    } else {
        let body = body::JsonBody::from_bytes(bytes)?;
        let asked = Decoded::new(super::typed(&body)?)?;
        if asked.lease.is_none() {
            state.plane.verify(verifier, &asked.question()?).await?
        } else {
            drop(asked);
            with_lease(state, verifier, body).await?
        }
    })
}

/// Answers a question with a lease, which changes something: a client that hangs up drops only the
/// wait.
async fn with_lease(
    state: &AppState,
    verifier: Verifier,
    body: body::JsonBody,
) -> Result<Verdict, Refusal> {
    let plane = state.plane.clone();
    let change = async move {
        let asked = Decoded::new(super::typed(&body)?)?;
        let Some(wanted) = &asked.lease else {
            return Err(Error::internal("a lease was asked for and is not any more").into());
        };
        Ok(plane.verify_with_lease(verifier, &asked.question()?, wanted).await?)
    };
    state.change(change).await?
}

/// The key of a body that is `{"key":"…"}` and nothing else, without a parser: no key has a
/// character that JSON escapes, so a body of this very form means what it says.
fn lone_key(bytes: &[u8]) -> Option<&str> {
    let key = bytes.strip_prefix(b"{\"key\":\"")?.strip_suffix(b"\"}")?;
    let plain = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
    if key.iter().all(plain) { std::str::from_utf8(key).ok() } else { None }
}

/// A question that owns what it refers to.
struct Decoded<'a> {
    asked: api::Verify<'a>,
    permissions: Vec<Permission>,
    address: Option<IpAddr>,
    cost: u32,
    lease: Option<WantedLease>,
}

impl<'a> Decoded<'a> {
    fn new(asked: api::Verify<'a>) -> Result<Self, Error> {
        let permissions = decode_permissions(asked.permissions.as_deref().unwrap_or_default())?;
        let address = asked.ip.as_deref().map(str::parse).transpose();
        let address = address.map_err(|_| Error::invalid("ip", Problem::Malformed))?;
        let lease =
            asked.lease.filter(|lease| lease.get() != "null").map(decode_lease).transpose()?;
        let cost = rates::decode_cost(asked.cost)?;
        Ok(Self { asked, permissions, address, cost, lease })
    }

    fn question(&self) -> Result<Question<'_>, Error> {
        let text = |value: &'_ Option<Cow<'a, str>>| value.is_some();
        let asked = &self.asked;
        let credential = match (&asked.key, &asked.client_id, &asked.client_secret) {
            (Some(key), None, None) => Asked::Key(key),
            (None, Some(id), Some(secret)) => Asked::Client { id, secret },
            (Some(_), _, _) => return Err(Error::AmbiguousCredentials),
            (None, id, _) => {
                let missing = match (text(id), text(&asked.client_secret)) {
                    (true, _) => "client_secret",
                    (false, true) => "client_id",
                    (false, false) => "key",
                };
                return Err(Error::invalid(missing, Problem::Missing));
            }
        };
        let Self { permissions, address, cost, .. } = self;
        Ok(Question { credential, permissions, address: *address, cost: *cost })
    }
}

/// The lease that is asked for; what is wrong with it is told below the member's name.
fn decode_lease(lease: &RawValue) -> Result<WantedLease, Error> {
    let text = lease.get().as_bytes();
    let value = json::parse(text).map_err(|problem| Error::Malformed(problem.text()))?;
    if !matches!(value, Json::Object(_)) {
        return Err(Error::invalid("lease", Problem::WrongType("an object")));
    }
    let wanted = super::typed_value(&value, text).and_then(|wanted: leases::WantedLease| {
        decode_wanted(wanted.ttl_seconds, wanted.request_id, wanted.reference)
    });
    wanted.map_err(|error| match error {
        Error::Invalid(mut violations) => {
            for violation in &mut violations {
                violation.field = format!("lease.{}", violation.field).into();
            }
            Error::Invalid(violations)
        }
        error => error,
    })
}

fn decode_permissions(texts: &[String]) -> Result<Vec<Permission>, Error> {
    if texts.len() > limits::PERMISSIONS_MAX {
        return Err(Error::invalid("permissions", Problem::TooMany(limits::PERMISSIONS_MAX)));
    }
    let permissions = texts.iter().map(|text| Permission::parse(text));
    permissions.collect::<Result<_, _>>().map_err(|problem| Error::invalid("permissions", problem))
}

/// The reply: [`api::Verdict`] as `serde_json` prints it, which a test compares. It is written into
/// a buffer that the thread keeps, and copied into one of its own length.
fn encode(verdict: &Verdict) -> Result<Bytes, Refusal> {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut out = SCRATCH.take();
    out.clear();
    write(verdict, &mut out)?;
    let bytes = Bytes::copy_from_slice(&out);
    if out.capacity() <= SCRATCH_BYTES_MAX {
        SCRATCH.set(out);
    }
    Ok(bytes)
}

fn write(verdict: &Verdict, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.extend_from_slice(if verdict.code == Code::Valid {
        b"{\"valid\":true,\"code\":\""
    } else {
        b"{\"valid\":false,\"code\":\""
    });
    out.extend_from_slice(verdict.code.as_str().as_bytes());
    match &verdict.known {
        Some(known) => encode_known(known, out)?,
        None => out.extend_from_slice(
            b"\",\"kind\":null,\"key_id\":null,\"account_id\":null,\"account_uuid\":null,\
              \"parent_id\":null,\"name\":null,\"permissions\":[],\"expires_at\":null,\
              \"metadata\":null",
        ),
    }
    if let Some(limits) = &verdict.limits {
        encode_limits(limits, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn encode_known(known: &Known, out: &mut Vec<u8>) -> Result<(), Error> {
    out.extend_from_slice(b"\",\"kind\":\"");
    out.extend_from_slice(known.kind().as_str().as_bytes());
    out.extend_from_slice(b"\",\"key_id\":");
    match known.kind() {
        Kind::ClientSecret => quoted(out, |out| known.id.write_secret(out)),
        Kind::ApiKey | Kind::PlatformKey => quoted(out, |out| known.id.write_native(out)),
        // Its own id is below: that of what it was got with says nothing to whoever was shown it.
        Kind::AccessToken => out.extend_from_slice(b"null"),
    }
    match known.account() {
        Some(account) => {
            out.extend_from_slice(b",\"account_id\":\"");
            account.id.write_native(out);
            out.extend_from_slice(b"\",\"account_uuid\":\"");
            account.id.write_uuid(out);
            out.extend_from_slice(b"\",\"parent_id\":");
            match account.parent_id() {
                Some(parent) => {
                    out.push(b'"');
                    parent.write_native(out);
                    out.push(b'"');
                }
                None => out.extend_from_slice(b"null"),
            }
        }
        None => {
            out.extend_from_slice(b",\"account_id\":null,\"account_uuid\":null,\"parent_id\":null");
        }
    }
    out.extend_from_slice(b",\"name\":");
    match known.name() {
        Some(name) => serde_json::to_writer(&mut *out, name).map_err(Error::internal)?,
        None => out.extend_from_slice(b"null"),
    }
    // Permissions are made of characters that JSON prints as they are.
    out.extend_from_slice(b",\"permissions\":[");
    for (index, permission) in known.grants().set().iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(permission.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"expires_at\":");
    match known.expires_at() {
        Some(at) => {
            out.push(b'"');
            out.extend_from_slice(reply::time(at)?.as_bytes());
            out.push(b'"');
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"metadata\":");
    out.extend_from_slice(known.metadata().as_bytes());
    if let Some(id) = known.service_account() {
        out.extend_from_slice(b",\"service_account_id\":\"");
        id.write_native(out);
        out.push(b'"');
    }
    if let Some(token) = known.access_token() {
        out.extend_from_slice(b",\"token_id\":");
        serde_json::to_writer(&mut *out, &token.id).map_err(Error::internal)?;
        out.extend_from_slice(b",\"client_id\":");
        serde_json::to_writer(&mut *out, &token.client_id).map_err(Error::internal)?;
        out.extend_from_slice(b",\"audience\":");
        serde_json::to_writer(&mut *out, &token.audience).map_err(Error::internal)?;
    }
    Ok(())
}

/// What is rare enough to be left to the library.
fn encode_limits(found: &Limited, out: &mut Vec<u8>) -> Result<(), Error> {
    out.extend_from_slice(b",\"limits\":");
    serde_json::to_writer(&mut *out, &rates::encode_found(found)).map_err(Error::internal)?;
    if let Some(Concurrency { limit, in_use, lease: Some(lease) }) = &found.concurrency {
        out.extend_from_slice(b",\"lease\":");
        let lease = encode_lease(lease, *in_use, *limit)?;
        serde_json::to_writer(&mut *out, &lease).map_err(Error::internal)?;
    }
    Ok(())
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_body_of_the_plainest_form_is_read_without_a_parser() {
        assert_eq!(lone_key(br#"{"key":"sa-0"}"#), Some("sa-0"));
        for body in [
            &br#"{"key":"a","key":"b"}"#[..],
            br#"{"key":"a\u0062"}"#,
            br#"{ "key":"a"}"#,
            br#"{"key":"a"}x"#,
            b"{\"key\":\"a\n\"}",
            b"{\"key\":\"\xff\"}",
            br#"{"key":""#,
            br#"{"key":"a","ip":"1.2.3.4"}"#,
        ] {
            assert_eq!(lone_key(body), None, "{}", String::from_utf8_lossy(body));
        }
    }
}
