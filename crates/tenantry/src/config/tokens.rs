//! Access tokens: who issues them, and how they are signed.

use crate::{Failure, Result};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tenantry_core::limits;
use tenantry_core::oauth::SigningAlgorithm;

/// Settings of access tokens, as somebody gave them.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TokenSettings {
    /// URL at which clients reach the server, without a path: the issuer of access tokens; https
    /// off this machine (default: the address to serve on)
    #[arg(long, global = true, env = "TENANTRY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// With what access tokens are signed: ES256, `EdDSA` or RS256 (default: ES256)
    #[arg(long, global = true, env = "TENANTRY_SIGNING_ALGORITHM", value_name = "ALGORITHM")]
    pub signing_algorithm: Option<String>,
    /// Days after which a signing key gets a successor (default: 90)
    #[arg(long, global = true, env = "TENANTRY_SIGNING_KEY_DAYS", value_name = "DAYS")]
    pub signing_key_days: Option<u32>,
}

/// Settings of access tokens in force.
#[derive(Debug)]
pub(super) struct TokenConfig {
    pub(super) issuer: Box<str>,
    pub(super) signing_algorithm: SigningAlgorithm,
    pub(super) signing_key_age: Duration,
}

impl TokenSettings {
    /// What holds for a server that listens there.
    ///
    /// # Errors
    /// [`Failure::Setting`] that names the setting and what would be right.
    pub(super) fn in_force(&self, listen: SocketAddr, tls: bool) -> Result<TokenConfig> {
        let issuer = match self.public_url.as_deref() {
            Some(url) => public_url(url).ok_or_else(|| {
                Failure::Setting(format!(
                    "--public-url {url}: scheme, host and, unless it is the usual one, port, such as \
                     https://tenantry.example.com; http only with a host of this machine"
                ))
            })?,
            None if tls => format!("https://{listen}"),
            None => format!("http://{listen}"),
        };
        let signing_algorithm = match self.signing_algorithm.as_deref() {
            None => SigningAlgorithm::default(),
            Some(word) => SigningAlgorithm::parse(word).ok_or_else(|| {
                Failure::Setting("--signing-algorithm: one of ES256, EdDSA, RS256".to_owned())
            })?,
        };
        let day = limits::SIGNING_KEY_AGE_MIN;
        let signing_key_age = match self.signing_key_days {
            None => limits::SIGNING_KEY_AGE,
            Some(days @ 1..=3650) => day * days,
            Some(_) => {
                return Err(Failure::Setting("--signing-key-days: 1 to 3650".to_owned()));
            }
        };
        Ok(TokenConfig { issuer: issuer.into(), signing_algorithm, signing_key_age })
    }
}

/// An origin and nothing else (RFC 8414 §2: no query, no fragment; a path would move the metadata).
fn public_url(text: &str) -> Option<String> {
    let uri: axum::http::Uri = text.parse().ok()?;
    let origin = text.strip_suffix('/').unwrap_or(text);
    let (scheme, authority) = origin.split_once("://")?;
    let plain = authority.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b));
    let host = uri.host()?.trim_matches(['[', ']']);
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let lower = authority == authority.to_ascii_lowercase();
    let allowed = match scheme {
        "https" => true,
        "http" => local,
        _ => false,
    };
    (allowed && plain && lower && !host.is_empty()).then(|| origin.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(url: Option<&str>, tls: bool) -> Option<Box<str>> {
        let settings = TokenSettings { public_url: url.map(str::to_owned), ..Default::default() };
        let listen = "127.0.0.1:8080".parse().expect("an address");
        settings.in_force(listen, tls).ok().map(|config| config.issuer)
    }

    #[test]
    fn the_issuer_is_the_public_url_without_anything_after_the_host() {
        assert_eq!(issuer(None, false).as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(issuer(None, true).as_deref(), Some("https://127.0.0.1:8080"));
        for url in ["https://t.example.com", "https://t.example.com/", "http://localhost:1"] {
            let expected = url.trim_end_matches('/');
            assert_eq!(issuer(Some(url), false).as_deref(), Some(expected));
        }
        for url in [
            "t.example.com",
            "http://t.example.com",
            "https://t.example.com/path",
            "https://t.example.com?a",
            "https://t.example.com#a",
            "https://user@t.example.com",
            "https://T.example.com",
            "https://",
            "ftp://t.example.com",
        ] {
            assert_eq!(issuer(Some(url), false), None, "{url}");
        }
    }

    #[test]
    fn case_101_algorithms_and_ages_that_are_not_offered_are_refused() {
        let listen = "127.0.0.1:8080".parse().expect("an address");
        for word in ["HS256", "none", "es256", ""] {
            let signing_algorithm = Some(word.to_owned());
            let settings = TokenSettings { signing_algorithm, ..Default::default() };
            assert!(settings.in_force(listen, false).is_err(), "{word}");
        }
        for (days, good) in [(0, false), (1, true), (3650, true), (3651, false)] {
            let settings = TokenSettings { signing_key_days: Some(days), ..Default::default() };
            assert_eq!(settings.in_force(listen, false).is_ok(), good, "{days}");
        }
    }
}
