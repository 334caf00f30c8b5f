//! Once a revocation is answered, the key opens nothing any more, anywhere.

use crate::support::forms::uuid;
use crate::support::{Site, Tree};
use crate::{accounts, service_accounts, sub_accounts};

const JSON: &str = "application/json";

#[test]
fn a_revoked_key_is_refused_by_the_very_next_verification_and_by_every_family() {
    let Some(site) = Site::start(&[]) else { return };
    let platform = site.platform_key();
    let (plain, json_api) = (sub_accounts::create(&site), accounts::create(&site));
    let native = site.native("POST", "/v1/accounts", site.master_key(), r#"{"name":"native"}"#);
    let native = native.expect(201, JSON);
    for (key, method, end) in [
        (plain.text("api_key"), "POST", "/revoke"),
        (json_api.text("included.0.attributes.secret"), "POST", "/revoke"),
        (native.text("key.secret"), "DELETE", ""),
    ] {
        // Asked before, so that an answer is there to be kept for too long.
        for asker in [site.master_key(), &platform] {
            assert_eq!(site.verify(asker, key).text("code"), "VALID");
        }
        site.native("GET", "/v1/whoami", key, "").expect(200, JSON);

        let id = site.verify(&platform, key).text("key_id").to_owned();
        let path = format!("/v1/keys/{id}{end}");
        let reply = site.native(method, &path, site.master_key(), "").expect(200, JSON);
        assert_eq!(reply.names(), ["revision", "effective_everywhere_by"]);

        for asker in [site.master_key(), &platform] {
            let verdict = site.verify(asker, key);
            assert_eq!(verdict.text("code"), "REVOKED");
            assert_eq!(verdict.at("valid"), &Tree::Bool(false));
            assert_eq!(verdict.text("key_id"), id);
        }
        assert_refused_everywhere(&site, key);
    }
}

fn assert_refused_everywhere(site: &Site, key: &str) {
    let reply = site.run(sub_accounts::LINE, key);
    reply.expect(401, JSON);
    assert_eq!(reply.body, sub_accounts::ACCESS_DENIED);
    let reply = site.run(accounts::LINE, key).expect(401, accounts::JSON_API);
    assert_eq!(reply.text("errors.0.status"), "401");
    let reply = site.run(service_accounts::LINE, key);
    service_accounts::assert_refused(&reply, 401, "Authentication failed", "UNAUTHORIZED");
    for (method, path, body) in [
        ("GET", "/v1/whoami", ""),
        ("POST", "/v1/accounts", r#"{"name":"x"}"#),
        ("POST", "/v1/keys/verify", r#"{"key":"x"}"#),
    ] {
        let reply = site.native(method, path, key, body).expect(401, "application/problem+json");
        assert_eq!(reply.text("code"), "invalid_credentials", "{method} {path}");
    }
}

#[test]
fn a_stranger_cannot_revoke_a_key_and_is_not_told_that_it_exists() {
    let Some(site) = Site::start(&[]) else { return };
    let stranger = site.strangers_key();
    let created = accounts::create(&site);
    let refused = |id: &str| {
        let reply = site.native("POST", &format!("/v1/keys/{id}/revoke"), &stranger, "");
        reply.expect(404, "application/problem+json");
        reply.body
    };
    let unknown = refused("key_PD5omomyAxXscwKde4mpUS");
    assert_eq!(refused(created.text("included.0.id")), unknown);
    let key = created.text("included.0.attributes.secret");
    assert_eq!(site.verify(site.master_key(), key).text("code"), "VALID");
}

#[test]
fn a_revocation_outlives_a_restart() {
    let Some(mut site) = Site::start(&[]) else { return };
    let created = sub_accounts::create(&site);
    let key = created.text("api_key");
    assert!(uuid(created.text("id")));
    let id = site.verify(site.master_key(), key).text("key_id").to_owned();
    site.native("POST", &format!("/v1/keys/{id}/revoke"), site.master_key(), "").expect(200, JSON);
    site.restart();
    assert_eq!(site.verify(site.master_key(), key).text("code"), "REVOKED");
    let kept = accounts::create(&site);
    site.restart();
    let key = kept.text("included.0.attributes.secret");
    assert_eq!(site.verify(site.master_key(), key).text("code"), "VALID");
}
