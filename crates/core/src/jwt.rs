//! Reading a JWT (RFC 7515 §3.1, RFC 7519), strict where libraries are lenient (RFC 8725).
//!
//! A duplicate member, an unknown critical header, a float where a time belongs or padding is no
//! JWT. No header can make the server fetch or open anything. The signature is checked by the
//! library, with the one algorithm that its key is good for.

use crate::json::{self, Json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};

/// Headers that name a key or change how the token is read. None is needed, so none is accepted.
const HEADERS_REFUSED: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"];

/// A JWT in its compact form, read and not yet believed.
pub(crate) struct Compact<'a> {
    /// What the signature is made of.
    signed: &'a str,
    signature: &'a str,
    /// Its header.
    pub(crate) header: Json,
    /// Its claims.
    pub(crate) claims: Json,
}

/// A text that is no JWT, or none that can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl<'a> Compact<'a> {
    /// Reads a text of at most `bytes_max` bytes.
    pub(crate) fn parse(text: &'a str, bytes_max: usize) -> Result<Self, Refused> {
        if text.len() > bytes_max {
            return Err(Refused);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused)?;
        if signature.is_empty() || claims.contains('.') {
            return Err(Refused);
        }
        let header = part(header)?;
        if HEADERS_REFUSED.iter().any(|name| header.get(name).is_some()) {
            return Err(Refused);
        }
        Ok(Self { signed, signature, header, claims: part(claims)? })
    }

    /// Refuses another algorithm than the key's own, and a signature that is not the key's.
    pub(crate) fn check_signature(
        &self,
        key: &DecodingKey,
        algorithm: Algorithm,
    ) -> Result<(), Refused> {
        if !text(&self.header, "alg").is_some_and(|alg| names_of(algorithm).contains(&alg)) {
            return Err(Refused);
        }
        let signed = self.signed.as_bytes();
        match jsonwebtoken::crypto::verify(self.signature, signed, key, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Refused),
        }
    }
}

/// True for what has the form of a compact JWS: three parts, the first of them a JSON object.
#[must_use]
pub fn looks_like_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|b| *b == b'.').count() == 2
}

/// Decodes a part of a compact JWS: base64url without padding (RFC 7515 §2) of a JSON object.
fn part(encoded: &str) -> Result<Json, Refused> {
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Refused)?;
    let value = json::parse(&bytes).map_err(|_| Refused)?;
    if matches!(value, Json::Object(_)) { Ok(value) } else { Err(Refused) }
}

/// The text of a member.
pub(crate) fn text<'a>(object: &'a Json, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Json::as_str)
}

/// The single audience of a token; `None` for several, which might be meant for somebody else.
pub(crate) fn audience(claims: &Json) -> Option<&str> {
    match claims.get("aud")? {
        Json::String(audience) => Some(audience),
        Json::Array(values) => match &values[..] {
            [Json::String(audience)] => Some(audience),
            _ => None,
        },
        _ => None,
    }
}

/// A `NumericDate` (RFC 7519 §2), whole seconds since the epoch. `Ok(None)` where absent.
pub(crate) fn time(claims: &Json, name: &str) -> Result<Option<i64>, Refused> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Number(number)) => {
            number.as_i64().filter(|seconds| *seconds >= 0).map(Some).ok_or(Refused)
        }
        Some(_) => Err(Refused),
    }
}

/// The `alg` of RFC 7518 §3.1 and RFC 8037 §3.1, and the further name that RFC 9864 §2.2 has for
/// the one curve that is verified here. Symmetric algorithms have none: keys are public.
const fn names_of(algorithm: Algorithm) -> &'static [&'static str] {
    match algorithm {
        Algorithm::ES256 => &["ES256"],
        Algorithm::ES384 => &["ES384"],
        Algorithm::RS256 => &["RS256"],
        Algorithm::RS384 => &["RS384"],
        Algorithm::RS512 => &["RS512"],
        Algorithm::PS256 => &["PS256"],
        Algorithm::PS384 => &["PS384"],
        Algorithm::PS512 => &["PS512"],
        Algorithm::EdDSA => &["EdDSA", "Ed25519"],
        _ => &[],
    }
}
