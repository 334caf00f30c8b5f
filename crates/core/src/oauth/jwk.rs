//! Public keys of clients, as they register them (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use super::keys::SigningAlgorithm;
use crate::error::Problem;
use crate::json::Json;
use crate::jwt::text;
use crate::limits;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;

/// A public key that is good for exactly one algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    parts: Parts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Parts {
    Ec { x: [u8; 32], y: [u8; 32] },
    Ed { x: [u8; 32] },
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
}

/// Members that a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4). Whoever sends one
/// has given their key away.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

impl Jwk {
    /// Reads the members of a JWK.
    ///
    /// # Errors
    /// [`Problem::PrivateKey`] for one that is not public; [`Problem::Malformed`] for another kind
    /// of key, one that is too weak, one that is not for signatures or for another algorithm than
    /// its kind's.
    pub fn parse(jwk: &Json) -> Result<Self, Problem> {
        if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
            return Err(Problem::PrivateKey);
        }
        let parts = match (text(jwk, "kty"), text(jwk, "crv")) {
            (Some("EC"), Some("P-256")) => {
                Parts::Ec { x: coordinate(jwk, "x")?, y: coordinate(jwk, "y")? }
            }
            (Some("OKP"), Some("Ed25519")) => Parts::Ed { x: coordinate(jwk, "x")? },
            (Some("RSA"), None) => rsa(jwk)?,
            _ => return Err(Problem::Malformed),
        };
        let key = Self { parts };
        let fits = |name: &str, right: &[&str]| match jwk.get(name) {
            None => true,
            Some(value) => value.as_str().is_some_and(|value| right.contains(&value)),
        };
        if fits("use", &["sig"]) && fits("alg", key.names()) {
            Ok(key)
        } else {
            Err(Problem::Malformed)
        }
    }

    /// The one algorithm that it verifies.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        match self.parts {
            Parts::Ec { .. } => SigningAlgorithm::Es256,
            Parts::Ed { .. } => SigningAlgorithm::EdDsa,
            Parts::Rsa { .. } => SigningAlgorithm::Rs256,
        }
    }

    /// What a JWK may call that algorithm: RFC 9864 has a further name for one.
    const fn names(&self) -> &'static [&'static str] {
        match self.parts {
            Parts::Ec { .. } => &["ES256"],
            Parts::Ed { .. } => &["EdDSA", "Ed25519"],
            Parts::Rsa { .. } => &["RS256"],
        }
    }

    /// Its members, by name.
    #[must_use]
    pub fn members(&self) -> Vec<(&'static str, String)> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let word = str::to_owned;
        match &self.parts {
            Parts::Ec { x, y } => vec![
                ("crv", word("P-256")),
                ("kty", word("EC")),
                ("x", encode(x)),
                ("y", encode(y)),
            ],
            Parts::Ed { x } => {
                vec![("crv", word("Ed25519")), ("kty", word("OKP")), ("x", encode(x))]
            }
            Parts::Rsa { n, e } => vec![("e", encode(e)), ("kty", word("RSA")), ("n", encode(n))],
        }
    }

    /// Its thumbprint (RFC 7638): SHA-256 over the members above, base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let members: Vec<String> =
            self.members().iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let text = format!("{{{}}}", members.join(","));
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
    }

    /// For the library.
    pub(crate) fn verifying(&self) -> DecodingKey {
        match &self.parts {
            Parts::Ec { x, y } => DecodingKey::from_ec_der(&[&[4], &x[..], &y[..]].concat()),
            Parts::Ed { x } => DecodingKey::from_ed_der(x),
            Parts::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
        }
    }
}

fn decode(jwk: &Json, name: &str) -> Result<Vec<u8>, Problem> {
    let encoded = text(jwk, name).ok_or(Problem::Malformed)?;
    if encoded.len() > limits::JWK_MEMBER_BYTES_MAX {
        return Err(Problem::Malformed);
    }
    URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Problem::Malformed)
}

fn coordinate(jwk: &Json, name: &str) -> Result<[u8; 32], Problem> {
    decode(jwk, name)?.try_into().map_err(|_| Problem::Malformed)
}

fn rsa(jwk: &Json) -> Result<Parts, Problem> {
    let (n, e) = (decode(jwk, "n")?, decode(jwk, "e")?);
    let bits = n
        .first()
        .map_or(0, |first| n.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0));
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|last| last % 2 == 1);
    let leads = |bytes: &[u8]| bytes.first().is_some_and(|first| *first != 0);
    // 3 is the least exponent that is one; up to four bytes, as the library takes them.
    let exponent = (1..=4).contains(&e.len()) && odd(&e) && leads(&e) && e[..] != [1];
    if RSA_BITS.contains(&bits) && leads(&n) && odd(&n) && exponent {
        Ok(Parts::Rsa { n: n.into(), e: e.into() })
    } else {
        Err(Problem::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn parse(text: &str) -> Result<Jwk, Problem> {
        Jwk::parse(&json::parse(text.as_bytes()).expect("JSON"))
    }

    #[test]
    fn the_thumbprints_are_those_of_the_rfcs() {
        // RFC 7638 §3.1
        let rsa = parse(
            r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#,
        );
        assert_eq!(rsa.expect("a key").thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        // RFC 8037 appendix A.3
        let ed = parse(
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        );
        assert_eq!(ed.expect("a key").thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn private_symmetric_weak_and_other_keys_are_refused() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let refused = [
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","use":"enc"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","alg":"ES256"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}="}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
            format!(r#"{{"kty":"RSA","n":"{x}","e":"AQAB"}}"#),
            r#"{"kty":"RSA","e":"AQAB"}"#.to_owned(),
        ];
        for text in refused {
            assert_eq!(parse(&text), Err(Problem::Malformed), "{text}");
        }
        for text in [
            r#"{"kty":"oct","k":"AAAA"}"#.to_owned(),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}"#),
        ] {
            assert_eq!(parse(&text), Err(Problem::PrivateKey), "{text}");
        }
    }
}
