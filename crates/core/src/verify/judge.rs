//! The verdict: the codes, and the order in which their rules are looked at.

use super::known::{Known, Standing, State};
use super::spend::Limited;
use crate::clock::Timestamp;
use crate::permissions::Permission;
use std::net::IpAddr;

/// The answer to a verification. Variants stand in the order in which their rules are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Not a credential by its form.
    Malformed,
    /// Unknown, or of somebody else's tree.
    NotFound,
    /// Its account's database is still being made.
    AccountProvisioning,
    /// Ended for good.
    Revoked,
    /// Switched off.
    Disabled,
    /// Past its end.
    Expired,
    /// Its account, or the account above, is suspended.
    AccountSuspended,
    /// Its account, or the account above, is closed.
    AccountClosed,
    /// Not from one of its networks.
    IpNotAllowed,
    /// Lacks a permission that was asked for.
    InsufficientPermissions,
    /// A window of time has as many requests as it may have.
    RateLimited,
    /// The uses that it was given are spent.
    UsageExceeded,
    /// Every concurrent call that its account may have is in progress.
    ConcurrencyExceeded,
    /// Yes.
    Valid,
}

impl Code {
    /// Every code, in the order of the variants.
    pub const ALL: [Self; 14] = [
        Self::Malformed,
        Self::NotFound,
        Self::AccountProvisioning,
        Self::Revoked,
        Self::Disabled,
        Self::Expired,
        Self::AccountSuspended,
        Self::AccountClosed,
        Self::IpNotAllowed,
        Self::InsufficientPermissions,
        Self::RateLimited,
        Self::UsageExceeded,
        Self::ConcurrencyExceeded,
        Self::Valid,
    ];

    /// The word in replies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "MALFORMED",
            Self::NotFound => "NOT_FOUND",
            Self::AccountProvisioning => "ACCOUNT_PROVISIONING",
            Self::Revoked => "REVOKED",
            Self::Disabled => "DISABLED",
            Self::Expired => "EXPIRED",
            Self::AccountSuspended => "ACCOUNT_SUSPENDED",
            Self::AccountClosed => "ACCOUNT_CLOSED",
            Self::IpNotAllowed => "IP_NOT_ALLOWED",
            Self::InsufficientPermissions => "INSUFFICIENT_PERMISSIONS",
            Self::RateLimited => "RATE_LIMITED",
            Self::UsageExceeded => "USAGE_EXCEEDED",
            Self::ConcurrencyExceeded => "CONCURRENCY_EXCEEDED",
            Self::Valid => "VALID",
        }
    }
}

/// A verification's outcome.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The answer.
    pub code: Code,
    /// The credential, where there is one in the caller's tree.
    pub known: Option<Known>,
    /// The limits that were looked at, where there are some and all else was well.
    pub limits: Option<Box<Limited>>,
}

impl Verdict {
    pub(super) const fn unknown(code: Code) -> Self {
        Self { code, known: None, limits: None }
    }

    pub(super) const fn known(code: Code, known: Known) -> Self {
        Self { code, known: Some(known), limits: None }
    }
}

impl Known {
    /// Looks at the rules in their order; the first that refuses is the answer.
    pub(super) fn judge(
        &self,
        standing: Standing,
        now: Timestamp,
        address: Option<IpAddr>,
        wanted: &[Permission],
    ) -> Code {
        if standing.provisioning {
            return Code::AccountProvisioning;
        }
        match self.state() {
            State::Revoked => return Code::Revoked,
            State::Disabled => return Code::Disabled,
            State::Active => {}
        }
        if self.has_expired(now) {
            return Code::Expired;
        }
        if standing.suspended {
            return Code::AccountSuspended;
        }
        if standing.closed {
            return Code::AccountClosed;
        }
        let networks = self.allowed_ips();
        if !networks.is_empty()
            && !address.is_some_and(|address| networks.iter().any(|net| net.contains(&address)))
        {
            return Code::IpNotAllowed;
        }
        if wanted.iter().all(|permission| self.grants().set().allows(permission)) {
            Code::Valid
        } else {
            Code::InsufficientPermissions
        }
    }
}
