//! Permissions: what is read prints back, and no set is widened by reading it.

use crate::fuzz;
use tenantry_core::permissions::{Permission, PermissionSet};

#[test]
fn permissions() {
    let master = PermissionSet::master();
    let usual = PermissionSet::sub_account();
    fuzz("permissions", 1, |input| {
        let text = String::from_utf8_lossy(input);
        let lines: Vec<&str> = text.split('\n').collect();
        let parsed: Vec<Permission> =
            lines.iter().filter_map(|line| Permission::parse(line).ok()).collect();
        for permission in &parsed {
            let printed = permission.as_str();
            assert_eq!(Permission::parse(printed).as_ref(), Ok(permission));
            assert!(permission.covers(permission), "{printed}");
            assert!(master.allows(permission), "{printed}");
            let own = printed.starts_with("tenantry.");
            assert_eq!(usual.allows(permission), !own, "{printed}");
            for other in &parsed {
                // Whoever covers covers all that is covered; nobody is above `*` of both kinds.
                if permission.covers(other) && !printed.contains('*') {
                    assert_eq!(printed, other.as_str());
                }
                for third in &parsed {
                    if permission.covers(other) && other.covers(third) {
                        assert!(permission.covers(third), "{permission:?} {other:?} {third:?}");
                    }
                }
            }
        }
        if let Ok(set) = PermissionSet::parse(lines.iter().copied()) {
            assert_eq!(parsed.len(), lines.len(), "a set of what is no permission: {text:?}");
            for permission in &parsed {
                assert!(set.allows(permission));
            }
            let again = PermissionSet::parse(set.iter()).expect("it prints what it reads");
            assert!(again.covers(&set) && set.covers(&again));
        }
    });
}
