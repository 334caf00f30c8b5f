//! Sub-accounts have no sub-accounts: the answer in each family's own shape.

use crate::support::{Site, Tree};
use crate::{accounts, service_accounts, sub_accounts};

#[test]
fn a_sub_accounts_key_creates_nothing_and_is_told_so_in_each_dialects_shape() {
    let Some(site) = Site::start(&[]) else { return };
    let body = r#"{"name":"native"}"#;
    let native = site.native("POST", "/v1/accounts", site.master_key(), body);
    let native = native.expect(201, "application/json");
    let (plain, json_api) = (sub_accounts::create(&site), accounts::create(&site));
    for key in [
        plain.text("api_key"),
        json_api.text("included.0.attributes.secret"),
        native.text("key.secret"),
    ] {
        let reply = site.run(sub_accounts::LINE, key);
        reply.expect(403, sub_accounts::JSON);
        let message = "Sub-accounts cannot create sub-accounts";
        assert_eq!(reply.body, format!(r#"{{"error":403,"message":"{message}"}}"#));

        let reply = site.run(accounts::LINE, key).expect(403, accounts::JSON_API);
        let detail = "forbidden: sub-accounts do not nest";
        let refused = accounts::error(403, "subaccounts_cannot_nest", "Forbidden", detail);
        assert_eq!(reply, refused);

        // Keys are no tokens, so here nobody is known to ask.
        let reply = site.run(service_accounts::LINE, key);
        service_accounts::assert_refused(&reply, 401, "Authentication failed", "UNAUTHORIZED");

        let reply = site.native("POST", "/v1/accounts", key, body);
        let refused = reply.expect(403, "application/problem+json");
        assert_eq!(refused.text("code"), "subaccounts_cannot_nest");
        assert_eq!(refused.at("status"), &Tree::Number(403.into()));
    }
}
