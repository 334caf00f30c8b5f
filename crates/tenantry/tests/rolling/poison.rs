//! F30: rows that nobody of ours wrote.

use crate::fleet::{Fleet, Key, Said, Standby};
use crate::support::say;

/// What somebody writes with SQL: the table, and what becomes of a row. Nulls need the column's rule
/// gone.
const POISONS: [(&str, &str); 12] = [
    ("accounts", "status = 'zombie'"),
    ("accounts", "metadata = '{\"half\":'"),
    ("accounts", "metadata = NULL"),
    ("accounts", "status = NULL"),
    ("accounts", "entitlements = '[1,null,{}]'"),
    ("accounts", "concurrent_calls = -9223372036854775808"),
    ("credentials", "status = 'zombie'"),
    ("credentials", "kind = 'passport'"),
    ("credentials", "permissions = '{\"half\":'"),
    ("credentials", "allowed_ips = '[\"nowhere\"]'"),
    ("credentials", "expires_at = 9223372036854775807, revoked_at = -9223372036854775808"),
    ("credentials", "permissions = NULL"),
];

/// Seen failing with rows used whose seals do not match, and an unknown status read as `active`: the
/// key of the first account was VALID.
#[test]
fn f30_a_poisoned_row_is_refused_and_nothing_else_is() {
    let Some(mut fleet) = Fleet::start(2, Standby::None) else { return };
    for column in ["metadata", "status"] {
        fleet.execute(&format!("ALTER TABLE accounts ALTER COLUMN {column} DROP NOT NULL"));
    }
    fleet.execute("ALTER TABLE credentials ALTER COLUMN permissions DROP NOT NULL");
    for (number, (table, poison)) in POISONS.iter().enumerate() {
        let (name, good) = (format!("poison-{number}"), fleet.caller(0).make_key());
        let made = fleet
            .caller(0)
            .call("POST", "/v1/accounts", &format!(r#"{{"name":"{name}"}}"#))
            .expect("a reply");
        assert_eq!(made.status, 201, "{}", made.text);
        let account = made.text_at("/account/id");
        let poisoned = Key { id: made.text_at("/key/id"), secret: made.text_at("/key/secret") };
        let whose = if *table == "accounts" { "id" } else { "account_id" };
        fleet.execute(&format!(
            "UPDATE {table} SET {poison} \
             WHERE {whose} = (SELECT id FROM accounts WHERE name = '{name}')"
        ));
        for node in 0..2 {
            let mut caller = fleet.caller(node);
            let said = caller.ask(&poisoned);
            assert!(matches!(said, Said::Refused(_) | Said::Unavailable(_)), "{poison}: {said:?}");
            assert_eq!(caller.ask(&good), Said::Valid, "beside {poison}");
            // Whatever it says of the row itself, it says something, and others are as before.
            let read = caller.call("GET", &format!("/v1/accounts/{account}"), "");
            let _ = read.expect("a reply");
            let page = caller.call("GET", "/v1/accounts?limit=100", "");
            let _ = page.expect("a reply");
            assert!(caller.make_key().secret.len() > 16);
        }
    }
    for node in &mut fleet.nodes {
        assert!(node.is_ready());
        assert!(node.server.as_mut().expect("a node").ended().is_none());
        let log = node.site.whole_log();
        assert!(!log.contains("panicked"), "{}", node.site.last_log());
        assert!(log.contains("alarm"), "somebody is told");
    }
    say(&format!("F30: {} poisoned rows, each refused by both nodes", POISONS.len()));
}
