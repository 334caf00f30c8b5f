//! Records after a change.

use crate::support::NOW;
use tenantry_core::accounts::{Account, AccountStatus, Entitlement};
use tenantry_core::credentials::{Credential, CredentialStatus};

/// The next version of an account, suspended and without an entitlement.
pub(crate) fn suspended(account: &Account) -> Account {
    let mut next = account.clone();
    next.status = AccountStatus::Suspended;
    next.touch(NOW);
    next.entitlements.set(Entitlement::SubAccounts, false);
    next
}

/// The next version of an account, closed.
pub(crate) fn closed(account: &Account) -> Account {
    let mut next = account.clone();
    assert!(next.close(NOW));
    next
}

/// The next version of a credential, revoked.
pub(crate) fn revoked(credential: &Credential) -> Credential {
    let mut next = credential.clone();
    next.status = CredentialStatus::Revoked { at: NOW };
    next.version += 1;
    next
}
