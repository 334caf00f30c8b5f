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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::ClientKey;

    const ES256: (&str, &str, &str) = (
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    );
    const RS256: (&str, &str, &str) = (
        r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ",
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    );
    const EDDSA: (&str, &str, &str) = (
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    );

    /// Whether the signature is the key's. The claims of RFC 8037's example are no object, so they
    /// are not read here.
    fn verify(jwk: &str, signed: &str, signature: &str) -> Result<(), Refused> {
        let jwk = json::parse(jwk.as_bytes()).expect("JSON");
        let ClientKey { jwk, .. } = ClientKey::parse(&jwk).expect("a key");
        let (header, _) = signed.split_once('.').expect("a header");
        let (header, claims) = (part(header)?, Json::Null);
        Compact { signed, signature, header, claims }
            .check_signature(&jwk.verifying(), jwk.algorithm().of_library())
    }

    /// RFC 7515 appendices A.2 and A.3, RFC 8037 appendix A.4.
    #[test]
    fn the_signatures_of_the_rfcs_verify_and_nothing_near_them_does() {
        for (jwk, signed, signature) in [ES256, RS256, EDDSA] {
            assert_eq!(verify(jwk, signed, signature), Ok(()), "{signed}");
            let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            for index in 0..bytes.len() {
                let mut other = bytes.clone();
                other[index] ^= 1;
                let other = URL_SAFE_NO_PAD.encode(other);
                assert_eq!(verify(jwk, signed, &other), Err(Refused), "{index} of {signed}");
            }
            for other in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat(), &[0; 64], &[]] {
                let other = URL_SAFE_NO_PAD.encode(other);
                assert_eq!(verify(jwk, signed, &other), Err(Refused), "{other} of {signed}");
            }
            let text = format!("{signed}A");
            assert_eq!(verify(jwk, &text, signature), Err(Refused));
        }
        // Each under the keys of the others.
        for (jwk, ..) in [ES256, RS256, EDDSA] {
            for (other, signed, signature) in [ES256, RS256, EDDSA] {
                assert_eq!(verify(jwk, signed, signature).is_ok(), jwk == other, "{signed}");
            }
        }
    }
}
