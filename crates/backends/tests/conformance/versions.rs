//! Records after a change.

use crate::support::NOW;
use tenantry_core::accounts::{Account, AccountStatus, Entitlement};
use tenantry_core::credentials::{Credential, CredentialStatus};

/// The next version of an account, suspended and without an entitlement.
pub(crate) fn suspended(account: &Account) -> Account {
    let mut next = account.clone();
    next.set_status(AccountStatus::Suspended, NOW).expect("not closed");
    next.entitlements.set(Entitlement::SubAccounts, false);
    next
}

/// The next version of a credential, revoked.
pub(crate) fn revoked(credential: &Credential) -> Credential {
    let mut next = credential.clone();
    next.status = CredentialStatus::Revoked { at: NOW };
    next.version += 1;
    next
}
