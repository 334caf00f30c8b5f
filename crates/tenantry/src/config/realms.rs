//! Trusted issuers of admin JWTs, as the operator names them: `[[realms]]` in `tenantry.toml`.

use crate::{Failure, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tenantry_core::dialling::NamedBy;
use tenantry_core::ids::AccountId;
use tenantry_core::limits;
use tenantry_core::oauth::SigningAlgorithm;
use tenantry_core::realms::{
    ClaimPath, ClaimPaths, KeySource, Preset, PublishedKeys, Realm, TenantBinding, parse_key_set,
};
use tenantry_core::text::Name;

/// A realm, as somebody wrote it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RealmSettings {
    /// By which `realmname` selects it.
    name: String,
    /// The exact `iss` of its tokens.
    issuer: String,
    /// The exact `aud` of its tokens.
    audience: String,
    /// Where its keys are published; none for what the issuer's discovery document says.
    jwks_url: Option<String>,
    /// Its keys themselves, as a JWK set.
    jwks: Option<toml::Table>,
    /// With what its tokens may be signed; anything that is verified at all unless told otherwise.
    algorithms: Option<Vec<String>>,
    /// Whose claims these are: where they are found if `claims` does not say.
    preset: Option<String>,
    #[serde(default)]
    claims: ClaimSettings,
    /// The one organization that it speaks for.
    tenant: Option<String>,
    /// The organizations that it speaks for, by the value of the claim `tenant`.
    tenants: Option<HashMap<String, String>>,
    /// Whether its `super_admin` may act for every organization.
    #[serde(default)]
    platform_wide: bool,
    /// Longest life of a token, `exp - iat`.
    lifetime_max_seconds: Option<u64>,
}

/// Where claims are: the name of one, or names from the outermost object inwards.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct ClaimSettings {
    roles: Option<PathSetting>,
    tenant: Option<PathSetting>,
    name: Option<PathSetting>,
    email: Option<PathSetting>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum PathSetting {
    One(Box<str>),
    Several(Vec<Box<str>>),
}

impl PathSetting {
    fn or(path: Option<&Self>, usual: ClaimPath) -> ClaimPath {
        match path {
            None => usual,
            Some(Self::One(name)) => vec![name.clone()],
            Some(Self::Several(names)) => names.clone(),
        }
    }
}

/// Realms that were looked over.
#[derive(Clone, Debug, Default)]
pub struct RealmsConfig(Vec<RealmSettings>);

impl RealmsConfig {
    /// Looks every realm over.
    ///
    /// # Errors
    /// [`Failure::Setting`] that names the realm and what is wrong with it.
    pub(super) fn check(realms: Vec<RealmSettings>) -> Result<Self> {
        let config = Self(realms);
        config.to_realms()?;
        Ok(config)
    }

    /// The realms, none of whose keys was fetched yet.
    ///
    /// # Errors
    /// [`Failure::Setting`]
    pub fn to_realms(&self) -> Result<Vec<Realm>> {
        let realm = |settings: &RealmSettings| {
            settings.to_realm().map_err(|problem| {
                Failure::Setting(format!("[[realms]] {}: {problem}", settings.name))
            })
        };
        self.0.iter().map(realm).collect()
    }
}

impl RealmSettings {
    fn to_realm(&self) -> std::result::Result<Realm, &'static str> {
        Name::parse(&self.name).map_err(|_| "`name` is 1 to 100 characters")?;
        let names_place = self.jwks.is_none();
        if names_place && !is_url(&self.issuer) {
            return Err(
                "`issuer` is an https URL, or `jwks` has its keys; http only with a host of \
                        this machine",
            );
        }
        if self.issuer.is_empty() || self.audience.is_empty() {
            return Err("`issuer` and `audience` are not empty");
        }
        let lifetime_max = match self.lifetime_max_seconds {
            None => limits::JWT_LIFETIME_MAX,
            Some(seconds) if (1..=limits::JWT_LIFETIME_MAX.as_secs()).contains(&seconds) => {
                Duration::from_secs(seconds)
            }
            Some(_) => return Err("`lifetime-max-seconds` is 1 to 86400"),
        };
        let preset = match self.preset.as_deref() {
            None => Preset::default(),
            Some(word) => {
                Preset::parse(word).ok_or("`preset` is one of plain, keycloak, entra, okta")?
            }
        };
        let claims = ClaimPaths {
            roles: PathSetting::or(self.claims.roles.as_ref(), preset.roles()),
            name: PathSetting::or(self.claims.name.as_ref(), preset.name()),
            email: PathSetting::or(self.claims.email.as_ref(), preset.email()),
        };
        if [&claims.roles, &claims.name, &claims.email].iter().any(|path| path.is_empty()) {
            return Err("a claim has at least one name");
        }
        Ok(Realm {
            name: self.name.as_str().into(),
            member_realm: self.name.as_str().into(),
            issuer: self.issuer.as_str().into(),
            audience: self.audience.as_str().into(),
            keys: self.keys()?,
            claims,
            binding: self.binding(PathSetting::or(self.claims.tenant.as_ref(), preset.tenant()))?,
            platform_wide: self.platform_wide,
            lifetime_max,
        })
    }

    fn keys(&self) -> std::result::Result<KeySource, &'static str> {
        let algorithms = match &self.algorithms {
            None => SigningAlgorithm::ALL.to_vec(),
            Some(words) => words
                .iter()
                .map(|word| SigningAlgorithm::parse(word))
                .collect::<Option<Vec<_>>>()
                .filter(|algorithms| !algorithms.is_empty())
                .ok_or("`algorithms` are some of ES256, EdDSA, RS256")?,
        };
        match (&self.jwks, &self.jwks_url) {
            (Some(_), Some(_)) => Err("`jwks` or `jwks-url`, not both"),
            (Some(set), None) => {
                let text = serde_json::to_vec(set).map_err(|_| "`jwks` is a JWK set")?;
                let keys = parse_key_set(&text, &algorithms).map_err(|_| "`jwks` is a JWK set")?;
                if keys.is_empty() {
                    Err("`jwks` has no key that could be used")
                } else {
                    Ok(KeySource::Given(keys))
                }
            }
            (None, Some(url)) if !is_url(url) => {
                Err("`jwks-url` is an https URL; http only with a host of this machine")
            }
            (None, url) => {
                let url = url.as_deref().map(Box::from);
                let keys = PublishedKeys::new(url, NamedBy::Operator, algorithms);
                Ok(KeySource::Published(keys))
            }
        }
    }

    fn binding(&self, claim: ClaimPath) -> std::result::Result<TenantBinding, &'static str> {
        let uuid = |text: &str| AccountId::parse_uuid(text).map_err(|_| "a tenant is a UUID");
        match (&self.tenant, &self.tenants) {
            (Some(tenant), None) => uuid(tenant).map(TenantBinding::Only),
            (None, Some(_)) if claim.is_empty() => Err("a claim has at least one name"),
            (None, Some(tenants)) => {
                let entry = |(value, tenant): (&String, &String)| {
                    uuid(tenant).map(|tenant| (Box::from(value.as_str()), tenant))
                };
                let tenants = tenants.iter().map(entry).collect::<std::result::Result<_, _>>()?;
                Ok(TenantBinding::Mapped(claim, tenants))
            }
            _ => Err("either `tenant` or `tenants` says whom it speaks for"),
        }
    }
}

/// HTTPS, or HTTP on this machine.
fn is_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<axum::http::Uri>() else { return false };
    let Some(host) = uri.host().map(|host| host.trim_matches(['[', ']'])) else { return false };
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "tenant = \"01890a5d-ac96-774b-bcce-b302099a8057\"";

    fn realm(lines: &str) -> std::result::Result<Realm, &'static str> {
        let issuer =
            if lines.contains("issuer") { "" } else { "issuer = \"https://id.example.com/\"" };
        let text = format!("name = \"r\"\naudience = \"tenantry\"\n{issuer}\n{lines}");
        toml::from_str::<RealmSettings>(&text).expect("settings").to_realm()
    }

    fn text(path: &ClaimPath) -> String {
        path.join("/")
    }

    #[test]
    fn a_preset_says_where_claims_are_and_the_operator_has_the_last_word() {
        for (preset, roles) in [
            ("plain", "roles"),
            ("keycloak", "realm_access/roles"),
            ("entra", "roles"),
            ("okta", "groups"),
        ] {
            let lines = format!("preset = \"{preset}\"\n{TENANT}");
            let found = realm(&lines).expect("a realm");
            assert_eq!(text(&found.claims.roles), roles);
            assert_eq!(text(&found.claims.email), "email");
            assert!(matches!(found.binding, TenantBinding::Only(_)));
        }
        let lines = format!(
            "{TENANT}\npreset = \"keycloak\"\n[claims]\nroles = \"https://x.example/roles\"\nemail = [\"a\", \"b\"]"
        );
        let found = realm(&lines).expect("a realm");
        assert_eq!(text(&found.claims.roles), "https://x.example/roles");
        assert_eq!(text(&found.claims.email), "a/b");
    }

    #[test]
    fn values_of_a_claim_are_mapped_to_tenants() {
        let lines =
            "preset = \"entra\"\n[tenants]\nacme = \"01890a5d-ac96-774b-bcce-b302099a8057\"";
        let TenantBinding::Mapped(path, tenants) = realm(lines).expect("a realm").binding else {
            panic!("mapped");
        };
        assert_eq!((text(&path).as_str(), tenants.len()), ("tid", 1));
    }

    #[test]
    fn case_101_a_realm_that_cannot_be_believed_is_refused() {
        let weak = r#"jwks = { keys = [{ kty = "oct", k = "AAAA", kid = "a" }] }"#;
        for lines in [
            "",
            "tenant = \"acme\"",
            "[tenants]\nacme = \"acme\"",
            &format!("{TENANT}\nissuer = \"http://id.example.com/\""),
            &format!("{TENANT}\nissuer = \"id.example.com\""),
            &format!("{TENANT}\njwks-url = \"http://id.example.com/keys\""),
            &format!("{TENANT}\njwks-url = \"file:///etc/passwd\""),
            &format!("{TENANT}\n{weak}"),
            &format!("{TENANT}\n{weak}\njwks-url = \"https://id.example.com/keys\""),
            &format!("{TENANT}\nalgorithms = [\"HS256\"]"),
            &format!("{TENANT}\nalgorithms = []"),
            &format!("{TENANT}\npreset = \"other\""),
            &format!("{TENANT}\nlifetime-max-seconds = 0"),
            &format!("{TENANT}\nlifetime-max-seconds = 86401"),
            &format!("{TENANT}\n[claims]\nroles = []"),
            &format!("{TENANT}\n[tenants]\na = \"01890a5d-ac96-774b-bcce-b302099a8057\""),
        ] {
            assert!(realm(lines).is_err(), "{lines}");
        }
        for lines in [
            TENANT.to_owned(),
            format!("{TENANT}\nissuer = \"http://127.0.0.1:3000\""),
            format!(
                "{TENANT}\njwks-url = \"http://localhost:3000/keys\"\nalgorithms = [\"RS256\"]"
            ),
        ] {
            assert!(realm(&lines).is_ok(), "{lines}");
        }
    }
}
