//! The service-accounts contract: an administrator's JWT, `x-tenantid`, replies in an envelope.

use crate::support::forms::{
    client_id, client_secret, generated_name, millisecond, service_account_id, uuid,
};
use crate::support::{Reply, Site, Tree, assert_as_example, changed};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(crate) const JSON: &str = "application/json";

/// The contract's request, word for word.
pub(crate) const LINE: &str = r"curl --request POST \
--url '{{base_url}}/api/v1/admin/service-account/create' \
--header 'accept: application/json' \
--header 'authorization: Bearer {{access_token}}' \
--header 'x-tenantid: {{tenant_id}}'";

/// The contract's reply, word for word.
const EXAMPLE: &str = r#"{
"success": true,
"message": "Service account created successfully",
"data": {
"id": "sa-550e8400-e29b-41d4-a716-446655440001",
"name": "service-account-20250710143500",
"clientId": "sa_client_7f3d8a2b1c4e",
"clientSecret": "sa_secret_9k2m5n8p1q4r7t0w3x6y",
"type": "service_account",
"status": "active",
"permissions": [
"api:read",
"api:write"
],
"createdAt": "2025-07-10T14:35:00.000Z",
"createdBy": {
"id": "1876278a-3634-4833-b73e-1536d806e117",
"name": "Deepak purohit",
"email": "deepak.purohit@rezolve.ai"
},
"tenant": {
"id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
"name": "Acme Corporation"
}
},
"timestamp": "2025-07-10T14:35:00.000Z"
}"#;

/// The header that carries the token.
const AUTHORIZATION: &str = "--header 'authorization: Bearer {{access_token}}' \\\n";

/// A service account that the contract's line made: the reply.
pub(crate) fn create(site: &Site) -> Tree {
    site.run(LINE, &site.token("tenant_admin")).expect(200, JSON)
}

/// Holds a refusal against the contract's table: its *Error* column as the message.
pub(crate) fn assert_refused(reply: &Reply, status: u16, message: &str, code: &str) {
    let example =
        format!(r#"{{"success":false,"message":"{message}","error":"{code}","timestamp":""}}"#);
    let refusal = reply.expect(status, JSON);
    assert_as_example(&refusal, &Tree::parse(&example), &[("timestamp", millisecond)]);
}

#[test]
fn the_service_accounts_contracts_own_curl_line_answers_as_its_example() {
    let Some(site) = Site::start(&[]) else { return };
    let reply = site.run(LINE, &site.token("tenant_admin"));
    let created = reply.expect(200, JSON);
    assert_as_example(
        &created,
        &Tree::parse(EXAMPLE),
        &[
            ("data.id", service_account_id),
            ("data.name", generated_name),
            ("data.clientId", client_id),
            ("data.clientSecret", client_secret),
            ("data.createdAt", millisecond),
            ("data.createdBy.id", uuid),
            ("data.tenant.id", uuid),
            ("timestamp", millisecond),
        ],
    );
    let created_at = created.text("data.createdAt");
    let digits: String = created_at[..19].chars().filter(char::is_ascii_digit).collect();
    assert_eq!(created.text("data.name"), format!("service-account-{digits}"));
    assert_eq!(created.text("timestamp"), created_at);
    assert_eq!(created.text("data.createdBy.id"), site.organization.text("member_id"));
    assert_eq!(created.text("data.tenant.id"), site.tenant());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn a_generated_name_is_unique_within_its_tenant() {
    let Some(site) = Site::start(&[]) else { return };
    let token = site.token("super_admin");
    let mut names: Vec<String> = (0..4)
        .map(|_| site.run(LINE, &token).expect(200, JSON).text("data.name").to_owned())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[test]
fn a_bearer_that_is_missing_or_no_valid_token_is_the_contracts_401() {
    let Some(site) = Site::start(&[]) else { return };
    let refused = |line: &str, credential: &str| {
        let reply = site.run(line, credential);
        assert_refused(&reply, 401, "Authentication failed", "UNAUTHORIZED");
    };
    refused(&changed(LINE, AUTHORIZATION, ""), "");

    let token = site.token("tenant_admin");
    let (signed, signature) = token.rsplit_once('.').expect("a compact JWS");
    let first = if signature.starts_with('A') { "B" } else { "A" };
    refused(LINE, &format!("{signed}.{first}{}", &signature[1..]));
    refused(LINE, &format!("{signed}."));
    refused(LINE, &promoted(&site.token("viewer")));
    refused(LINE, "nonsense");
    // A key opens much, but it is no token.
    refused(LINE, site.master_key());
}

/// A viewer's token whose role was changed, with the signature it had.
fn promoted(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
    let claims = String::from_utf8(claims).expect("UTF-8");
    let claims = URL_SAFE_NO_PAD.encode(changed(&claims, "viewer", "tenant_admin"));
    format!("{}.{claims}.{}", parts[0], parts[2])
}

#[test]
fn a_user_without_an_administrators_role_is_the_contracts_403() {
    let Some(site) = Site::start(&[]) else { return };
    for role in ["viewer", "tenant_administrator", "TENANT_ADMIN"] {
        let reply = site.run(LINE, &site.token(role));
        assert_refused(&reply, 403, "Insufficient permissions", "FORBIDDEN");
    }
    for role in ["tenant_admin", "super_admin"] {
        site.run(LINE, &site.token(role)).expect(200, JSON);
    }
}

#[test]
fn a_token_does_nothing_for_another_tenant() {
    let Some(site) = Site::start(&[]) else { return };
    site.strangers_key();
    let organizations = site.installation.json(&["organizations", "list"]);
    let Tree::Array(organizations) = organizations else { panic!("no list") };
    let mut ids = organizations.iter().map(|organization| organization.text("organization_id"));
    let other = ids.find(|id| *id != site.tenant()).expect("another organization");
    let line = changed(LINE, "{{tenant_id}}", other);
    for role in ["tenant_admin", "super_admin"] {
        let reply = site.run(&line, &site.token(role));
        assert_refused(&reply, 403, "Insufficient permissions", "FORBIDDEN");
    }
}

#[test]
fn the_headers_of_the_contract_are_required_as_it_says() {
    let Some(site) = Site::start(&[]) else { return };
    let token = site.token("tenant_admin");
    let without_tenant = changed(LINE, " \\\n--header 'x-tenantid: {{tenant_id}}'", "");
    let reply = site.run(&without_tenant, &token);
    assert_refused(&reply, 400, "x-tenantid must be one UUID", "INVALID_REQUEST");

    let with_realm = |name: &str| format!("{LINE} \\\n--header 'realmname: {name}'");
    site.run(&with_realm("local"), &token).expect(200, JSON);
    let reply = site.run(&with_realm("elsewhere"), &token);
    assert_refused(&reply, 401, "Authentication failed", "UNAUTHORIZED");
}

#[test]
fn at_the_maximum_of_service_accounts_is_the_contracts_409() {
    let Some(site) = Site::start(&["--service-accounts-max", "1"]) else { return };
    create(&site);
    for _ in 0..2 {
        let reply = site.run(LINE, &site.token("tenant_admin"));
        assert_refused(&reply, 409, "Limit reached", "LIMIT_REACHED");
    }
}
