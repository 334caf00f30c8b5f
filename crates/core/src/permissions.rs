//! Permissions: `resource:action`, with `*` as a whole segment.
//!
//! Resources that begin with `tenantry.` are Tenantry's own. `*` as a resource stands for the
//! product's resources only; Tenantry's own take `tenantry.*`.

use crate::error::Problem;
use crate::limits;

/// One granted permission, `resource:action`, either of which may be a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission {
    text: Box<str>,
    colon: usize,
}

/// Resources of Tenantry, without their prefix, each with its actions.
const OWN: &[(&str, &[&str])] = &[
    ("accounts", &["read", "write"]),
    ("keys", &["read", "write", "verify"]),
    ("service_accounts", &["read", "write"]),
    ("leases", &["read", "write"]),
    ("databases", &["read", "write", "connect"]),
    ("usage", &["read", "write"]),
    ("audit", &["read"]),
    ("realms", &["read", "write"]),
];

const OWN_PREFIX: &str = "tenantry.";
const OWN_WILDCARD: &str = "tenantry.*";

impl Permission {
    /// Reads a permission.
    ///
    /// # Errors
    /// [`Problem::UnknownPermission`] for another form, and for a resource or action that
    /// Tenantry's own resources do not have.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let (resource, action) = text.split_once(':').ok_or(Problem::UnknownPermission)?;
        let known = if resource == "*" || resource == OWN_WILDCARD {
            is_segment(action)
        } else if let Some(own) = resource.strip_prefix(OWN_PREFIX) {
            OWN.iter()
                .any(|(name, actions)| *name == own && (action == "*" || actions.contains(&action)))
        } else {
            resource != "*" && is_segment(resource) && is_segment(action)
        };
        if known {
            Ok(Self { text: text.into(), colon: resource.len() })
        } else {
            Err(Problem::UnknownPermission)
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn resource(&self) -> &str {
        &self.text[..self.colon]
    }

    fn action(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// True where whoever has `self` has everything that `other` stands for.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.covers_parts(other.resource(), other.action())
    }

    /// What both stand for; none where that is nothing.
    fn meet(&self, other: &Self) -> Option<Self> {
        let resource = if other.covers_resource(self.resource()) {
            self.resource()
        } else if self.covers_resource(other.resource()) {
            other.resource()
        } else {
            return None;
        };
        let action = match (self.action(), other.action()) {
            (own, its) if own == its => own,
            ("*", action) | (action, "*") => action,
            _ => return None,
        };
        Some(Self { text: format!("{resource}:{action}").into(), colon: resource.len() })
    }

    fn covers_parts(&self, resource: &str, action: &str) -> bool {
        self.covers_resource(resource) && (self.action() == "*" || self.action() == action)
    }

    fn covers_resource(&self, resource: &str) -> bool {
        match self.resource() {
            "*" => !resource.starts_with(OWN_PREFIX),
            OWN_WILDCARD => resource.starts_with(OWN_PREFIX),
            own => own == resource,
        }
    }
}

fn is_segment(segment: &str) -> bool {
    segment == "*"
        || (1..=limits::PERMISSION_SEGMENT_BYTES_MAX).contains(&segment.len())
            && segment.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'))
}

/// The permissions of one credential or service account: sorted, without repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(Box<[Permission]>);

impl PermissionSet {
    /// Reads a list of permissions. Repeats count once.
    ///
    /// # Errors
    /// The rule that the list or one of its members breaks.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, Problem> {
        let mut permissions = Vec::new();
        for text in texts {
            if permissions.len() == limits::PERMISSIONS_MAX {
                return Err(Problem::TooMany(limits::PERMISSIONS_MAX));
            }
            permissions.push(Permission::parse(text)?);
        }
        permissions.sort();
        permissions.dedup();
        Ok(Self(permissions.into()))
    }

    fn fixed(texts: &[&str]) -> Self {
        Self::parse(texts.iter().copied()).expect("the fixed sets hold known permissions")
    }

    /// What a master key and an administrator of a tenant have: everything.
    #[must_use]
    pub fn master() -> Self {
        Self::fixed(&["*:*", "tenantry.*:*"])
    }

    /// What a sub-account's first key has: everything of the product, nothing of Tenantry.
    #[must_use]
    pub fn sub_account() -> Self {
        Self::fixed(&["*:*"])
    }

    /// What a service account has unless told otherwise.
    #[must_use]
    pub fn service_account() -> Self {
        Self::fixed(&["api:read", "api:write"])
    }

    /// What a platform key has unless told otherwise: it verifies and takes leases.
    #[must_use]
    pub fn platform() -> Self {
        Self::fixed(&["tenantry.keys:verify", "tenantry.leases:read", "tenantry.leases:write"])
    }

    /// True where `wanted` follows from some member.
    #[must_use]
    pub fn allows(&self, wanted: &Permission) -> bool {
        self.0.iter().any(|granted| granted.covers(wanted))
    }

    /// True where every member of `other` follows from some member of `self`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| self.allows(wanted))
    }

    /// What both sets allow, without what follows from another member.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut both: Vec<Permission> =
            self.0.iter().flat_map(|own| other.0.iter().filter_map(|its| own.meet(its))).collect();
        both.sort();
        both.dedup();
        let needed = |permission: &&Permission| {
            !both.iter().any(|other| other != *permission && other.covers(permission))
        };
        Self(both.iter().filter(needed).cloned().collect())
    }

    /// The texts, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Permission::as_str)
    }
}

/// A set of permissions and the rights that follow from it, worked out once.
#[derive(Debug, PartialEq, Eq)]
pub struct Grants {
    set: PermissionSet,
    rights: u16,
}

impl Grants {
    /// What `set` grants.
    #[must_use]
    pub fn new(set: PermissionSet) -> Self {
        let bit = |right: &Right| u16::from(right.is_granted_by(&set)) << *right as u8;
        let rights = Right::ALL.iter().map(bit).sum();
        Self { set, rights }
    }

    /// True where `right` is among them.
    #[must_use]
    pub fn has(&self, right: Right) -> bool {
        self.rights >> right as u8 & 1 == 1
    }

    /// The set itself.
    #[must_use]
    pub fn set(&self) -> &PermissionSet {
        &self.set
    }
}

/// What an operation of Tenantry asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// `tenantry.accounts:read`
    AccountsRead,
    /// `tenantry.accounts:write`
    AccountsWrite,
    /// `tenantry.keys:read`
    KeysRead,
    /// `tenantry.keys:write`
    KeysWrite,
    /// `tenantry.keys:verify`
    KeysVerify,
    /// `tenantry.service_accounts:read`
    ServiceAccountsRead,
    /// `tenantry.service_accounts:write`
    ServiceAccountsWrite,
    /// `tenantry.audit:read`
    AuditRead,
    /// `tenantry.usage:read`
    UsageRead,
    /// `tenantry.realms:read`
    RealmsRead,
    /// `tenantry.realms:write`
    RealmsWrite,
    /// `tenantry.leases:write`
    LeasesWrite,
    /// `tenantry.databases:read`
    DatabasesRead,
    /// `tenantry.databases:write`
    DatabasesWrite,
    /// `tenantry.databases:connect`
    DatabasesConnect,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 15] = [
        Self::AccountsRead,
        Self::AccountsWrite,
        Self::KeysRead,
        Self::KeysWrite,
        Self::KeysVerify,
        Self::ServiceAccountsRead,
        Self::ServiceAccountsWrite,
        Self::AuditRead,
        Self::UsageRead,
        Self::RealmsRead,
        Self::RealmsWrite,
        Self::LeasesWrite,
        Self::DatabasesRead,
        Self::DatabasesWrite,
        Self::DatabasesConnect,
    ];

    /// The permission's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountsRead => "tenantry.accounts:read",
            Self::AccountsWrite => "tenantry.accounts:write",
            Self::KeysRead => "tenantry.keys:read",
            Self::KeysWrite => "tenantry.keys:write",
            Self::KeysVerify => "tenantry.keys:verify",
            Self::ServiceAccountsRead => "tenantry.service_accounts:read",
            Self::ServiceAccountsWrite => "tenantry.service_accounts:write",
            Self::AuditRead => "tenantry.audit:read",
            Self::UsageRead => "tenantry.usage:read",
            Self::RealmsRead => "tenantry.realms:read",
            Self::RealmsWrite => "tenantry.realms:write",
            Self::LeasesWrite => "tenantry.leases:write",
            Self::DatabasesRead => "tenantry.databases:read",
            Self::DatabasesWrite => "tenantry.databases:write",
            Self::DatabasesConnect => "tenantry.databases:connect",
        }
    }

    /// True where `set` grants this right.
    #[must_use]
    pub fn is_granted_by(self, set: &PermissionSet) -> bool {
        let (resource, action) = self.as_str().split_once(':').unwrap_or_default();
        set.0.iter().any(|granted| granted.covers_parts(resource, action))
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(texts: &[&str]) -> PermissionSet {
        PermissionSet::parse(texts.iter().copied()).expect("permissions")
    }

    fn permission(text: &str) -> Permission {
        Permission::parse(text).expect("a permission")
    }

    #[test]
    fn a_star_does_not_reach_tenantrys_own_resources() {
        assert!(set(&["*:*"]).allows(&permission("api:read")));
        assert!(!set(&["*:*"]).allows(&permission("tenantry.keys:write")));
        assert!(set(&["tenantry.*:*"]).allows(&permission("tenantry.keys:write")));
        assert!(!set(&["tenantry.*:*"]).allows(&permission("api:read")));
        assert!(!set(&["tenantry.*:read"]).allows(&permission("tenantry.keys:write")));
    }

    #[test]
    fn grants_have_the_rights_of_their_set() {
        for texts in [
            &["*:*"][..],
            &["tenantry.*:*"],
            &["tenantry.keys:verify", "a:b"],
            &["tenantry.keys:*"],
        ] {
            let grants = Grants::new(set(texts));
            for right in Right::ALL {
                assert_eq!(
                    grants.has(right),
                    right.is_granted_by(grants.set()),
                    "{texts:?} {right}"
                );
            }
        }
    }

    #[test]
    fn other_forms_are_unknown() {
        let long = format!("{}:read", "a".repeat(65));
        for text in [
            "",
            ":",
            "a",
            "a:",
            ":b",
            "a:b:c",
            "A:read",
            "api:Read",
            "a*:read",
            "ap i:read",
            "é:read",
            "tenantry.:read",
            "tenantry.nothing:read",
            "tenantry.keys:fly",
            "tenantry.k*:read",
            &long,
        ] {
            assert_eq!(Permission::parse(text), Err(Problem::UnknownPermission), "{text}");
        }
        for text in ["*:*", "*:read", "api:*", "a.b-c_9:read", "tenantry.*:*", "tenantry.keys:*"] {
            assert!(Permission::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_set_holds_at_most_64() {
        let texts: Vec<String> = (0..65).map(|i| format!("r{i}:read")).collect();
        assert!(PermissionSet::parse(texts[..64].iter().map(String::as_str)).is_ok());
        assert_eq!(
            PermissionSet::parse(texts.iter().map(String::as_str)),
            Err(Problem::TooMany(64))
        );
    }

    fn any_permission() -> impl Strategy<Value = Permission> {
        let resource = prop_oneof![
            Just("*".to_owned()),
            Just("tenantry.*".to_owned()),
            Just("tenantry.keys".to_owned()),
            "[ab]".prop_map(String::from)
        ];
        let action = prop_oneof![Just("*"), Just("read"), Just("write")];
        (resource, action).prop_map(|(r, a)| permission(&format!("{r}:{a}")))
    }

    proptest! {
        /// What covers a grant allows everything that the grant allows.
        #[test]
        fn covering_is_inherited(a in any_permission(), b in any_permission(), c in any_permission()) {
            prop_assert!(a.covers(&a));
            if a.covers(&b) && b.covers(&c) {
                prop_assert!(a.covers(&c));
            }
            if a.covers(&b) && b.covers(&a) {
                prop_assert_eq!(a, b);
            }
        }

        /// What two sets have in common allows exactly what each of them allows.
        #[test]
        fn a_meet_allows_what_both_allow(
            one in proptest::collection::vec(any_permission(), 0..4),
            other in proptest::collection::vec(any_permission(), 0..4),
            wanted in any_permission(),
        ) {
            let set = |members: &[Permission]| set(&members.iter().map(Permission::as_str).collect::<Vec<_>>());
            let (one, other) = (set(&one), set(&other));
            let meet = one.meet(&other);
            prop_assert_eq!(meet.allows(&wanted), one.allows(&wanted) && other.allows(&wanted));
            prop_assert_eq!(&meet, &other.meet(&one));
            prop_assert!(one.covers(&meet) && other.covers(&meet));
        }
    }
}
