//! Identity providers whose claims are known.

use super::ClaimPath;

/// A product, by where its claims are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// No product's: `roles` and `tenant_id`.
    #[default]
    Plain,
    /// Keycloak's realm roles.
    Keycloak,
    /// Entra ID's app roles, and its tenants.
    Entra,
    /// Okta's groups.
    Okta,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Keycloak, Self::Entra, Self::Okta];

    /// The word in settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Keycloak => "keycloak",
            Self::Entra => "entra",
            Self::Okta => "okta",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == word)
    }

    /// Where the array of role names is.
    #[must_use]
    pub fn roles(self) -> ClaimPath {
        path(match self {
            Self::Plain | Self::Entra => &["roles"],
            Self::Keycloak => &["realm_access", "roles"],
            Self::Okta => &["groups"],
        })
    }

    /// Where the tenant is.
    #[must_use]
    pub fn tenant(self) -> ClaimPath {
        path(match self {
            Self::Entra => &["tid"],
            Self::Plain | Self::Keycloak | Self::Okta => &["tenant_id"],
        })
    }

    /// Where the person's name is: the same in all of them (`OpenID` Connect Core 1.0 §5.1).
    #[must_use]
    pub fn name(self) -> ClaimPath {
        path(&["name"])
    }

    /// Where the person's e-mail address is.
    #[must_use]
    pub fn email(self) -> ClaimPath {
        path(&["email"])
    }
}

fn path(names: &[&str]) -> ClaimPath {
    names.iter().map(|name| Box::from(*name)).collect()
}
