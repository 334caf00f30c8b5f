//! How a client authenticates (RFC 6749 §2.3, RFC 7523 §2.2): in exactly one way.

use super::form::Form;
use crate::app::{AppState, Peer};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenantry_core::error::{Error, Unauthenticated};
use tenantry_core::oauth::{AuthenticatedClient, ClientAuthentication};
use zeroize::Zeroizing;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const INVALID: Error = Error::NotAuthenticated(Unauthenticated::Invalid);

/// The client that sent a request.
pub(super) async fn authenticate(
    state: &AppState,
    peer: Peer,
    headers: &HeaderMap,
    form: &Form<'_>,
) -> Result<AuthenticatedClient, Error> {
    let basic = basic(headers)?;
    let presented = presented(basic.as_ref(), form)?;
    state.plane.authenticate_client(presented, peer.address()).await
}

fn presented<'a>(
    basic: Option<&'a Pair>,
    form: &'a Form<'_>,
) -> Result<ClientAuthentication<'a>, Error> {
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    let assertion = (form.get("client_assertion_type"), form.get("client_assertion"));
    match (basic, id, secret, assertion) {
        (Some((id, secret)), None, None, (None, None)) => {
            Ok(ClientAuthentication::Secret { id, secret })
        }
        (None, Some(id), Some(secret), (None, None)) => {
            Ok(ClientAuthentication::Secret { id, secret })
        }
        (None, id, None, (Some(ASSERTION_TYPE), Some(jwt))) => {
            Ok(ClientAuthentication::Assertion { jwt, id })
        }
        (None, _, None, (None, None)) => Err(Error::NotAuthenticated(Unauthenticated::Missing)),
        (None, _, None, _) | (None, None, Some(_), (None, None)) => Err(INVALID),
        _ => Err(Error::AmbiguousCredentials),
    }
}

/// A client id and a secret.
type Pair = (Zeroizing<String>, Zeroizing<String>);

/// Id and secret of `Authorization: Basic`, each form-encoded before they were put together
/// (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<Pair>, Error> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Error::AmbiguousCredentials);
    }
    let text = value.to_str().map_err(|_| INVALID)?;
    let (scheme, encoded) = text.split_once(' ').ok_or(INVALID)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(INVALID);
    }
    let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| INVALID)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| INVALID)?;
    let (id, secret) = text.split_once(':').ok_or(INVALID)?;
    Ok(Some((decode(id)?, decode(secret)?)))
}

fn decode(text: &str) -> Result<Zeroizing<String>, Error> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded.map(|text| Zeroizing::new(text.into_owned())).map_err(|_| INVALID)
}

/// True where a request names a bearer, and no client.
pub(super) fn names_bearer(headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = value.and_then(|text| text.split_once(' ')).map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"))
}
