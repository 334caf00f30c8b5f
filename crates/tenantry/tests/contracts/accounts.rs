//! The accounts contract: JSON:API, ids and keys in base58.

use crate::support::forms::{account_id, account_key, key_id};
use crate::support::{Site, Tree, assert_as_example, changed};

pub(crate) const JSON_API: &str = "application/vnd.api+json";

/// The contract's request, word for word.
pub(crate) const LINE: &str = r#"curl https://platform.tagbase.io/api/v1/accounts \
-X POST \
-H "Authorization: Bearer $TAGBASE_API_KEY" \
-H "Content-Type: application/vnd.api+json" \
-d '{ "data": { "type": "accounts", "attributes": { "name": "Metropolitan Museum — Night Watch" } } }'"#;

/// The contract's reply, word for word.
const EXAMPLE: &str = r#"{
"data": {
"type": "accounts",
"id": "acc_G5aNFLDZd6es1brCrj7QFi",
"attributes": { "name": "Metropolitan Museum — Night Watch" },
"relationships": {
"api_keys": {
"data": [ { "type": "api_keys", "id": "key_PD5omomyAxXscwKde4mpUS" } ]
}
}
},
"included": [
{
"type": "api_keys",
"id": "key_PD5omomyAxXscwKde4mpUS",
"attributes": { "secret": "key_PD5omomyAxXscwKde4mpUS:MFV6n8TpDjNYfaLH7BE2W4Clyu8UOV6DqM3yFzxhhqs" }
}
]
}"#;

/// The attributes of the request.
const NAME: &str = r#""name": "Metropolitan Museum — Night Watch""#;

/// An account that the contract's line made: the reply.
pub(crate) fn create(site: &Site) -> Tree {
    site.run(LINE, site.master_key()).expect(201, JSON_API)
}

/// The one error of a reply, without a pointer.
pub(crate) fn error(status: u16, code: &str, title: &str, detail: &str) -> Tree {
    Tree::parse(&format!(
        r#"{{"errors":[{{"status":"{status}","code":"{code}","title":"{title}","detail":"{detail}"}}]}}"#
    ))
}

#[test]
fn the_accounts_contracts_own_curl_line_answers_as_its_example() {
    let Some(site) = Site::start(&[]) else { return };
    let reply = site.run(LINE, site.master_key());
    let created = reply.expect(201, JSON_API);
    let linked = "data.relationships.api_keys.data.0.id";
    assert_as_example(
        &created,
        &Tree::parse(EXAMPLE),
        &[
            ("data.id", account_id),
            (linked, key_id),
            ("included.0.id", key_id),
            ("included.0.attributes.secret", account_key),
        ],
    );
    let id = created.text("included.0.id");
    assert_eq!(created.text(linked), id);
    assert!(created.text("included.0.attributes.secret").starts_with(&format!("{id}:")));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn optional_profile_attributes_are_stored_and_come_back_in_the_contracts_order() {
    let Some(site) = Site::start(&[]) else { return };
    let attributes = r#""zip_code": "10028", "company": "The Met", "city": "New York""#;
    let line = changed(LINE, NAME, &format!("{attributes}, {NAME}"));
    let created = site.run(&line, site.master_key()).expect(201, JSON_API);
    let names = created.at("data.attributes").names();
    assert_eq!(names, ["name", "company", "city", "zip_code"]);
    let path = format!("/v1/accounts/{}", created.text("data.id"));
    let stored = site.native("GET", &path, site.master_key(), "").expect(200, "application/json");
    assert_eq!(stored.text("profile.company"), "The Met");
    assert_eq!(stored.text("profile.zip_code"), "10028");
}

#[test]
fn a_body_without_an_attributes_object_is_the_contracts_400() {
    let Some(site) = Site::start(&[]) else { return };
    let attributes = format!(r#", "attributes": {{ {NAME} }}"#);
    let refused = error(
        400,
        "malformed_request",
        "Bad request",
        "malformed request: the body has no data.attributes object",
    );
    for instead in ["", r#", "attributes": null"#, r#", "attributes": [ "name" ]"#] {
        let line = changed(LINE, &attributes, instead);
        assert_eq!(site.run(&line, site.master_key()).expect(400, JSON_API), refused, "{instead}");
    }
    let line = format!("{} -d '{{}}'", &LINE[..LINE.find(" \\\n-d").expect("a body")]);
    assert_eq!(site.run(&line, site.master_key()).expect(400, JSON_API), refused);
}

#[test]
fn a_missing_an_invalid_and_a_revoked_key_are_the_contracts_401() {
    let Some(site) = Site::start(&[]) else { return };
    let line = changed(LINE, "-H \"Authorization: Bearer $TAGBASE_API_KEY\" \\\n", "");
    let missing = site.run(&line, "").expect(401, JSON_API);
    let detail = "not authenticated: no credential";
    assert_eq!(missing, error(401, "missing_credentials", "Unauthorized", detail));

    let created = create(&site);
    let key = created.text("included.0.attributes.secret");
    let path = format!("/v1/keys/{}/revoke", created.text("included.0.id"));
    site.native("POST", &path, site.master_key(), "").expect(200, "application/json");

    let detail = "not authenticated: invalid credential";
    let invalid = error(401, "invalid_credentials", "Unauthorized", detail);
    let unknown = format!("{}{}", &key[..key.len() - 43], "A".repeat(43));
    for credential in [key, &unknown, "nonsense"] {
        assert_eq!(site.run(LINE, credential).expect(401, JSON_API), invalid, "{credential}");
    }
}

#[test]
fn a_name_that_is_missing_or_out_of_length_is_the_contracts_422() {
    let Some(site) = Site::start(&[]) else { return };
    let named = |name: &str| format!(r#""name": "{name}""#);
    for (attributes, problem) in [
        (String::new(), "is required"),
        (named(""), "must not be blank"),
        (named(&"é".repeat(101)), "must have at most 100 characters"),
    ] {
        let refused = Tree::parse(&format!(
            r#"{{"errors":[{{"status":"422","code":"validation_failed","title":"Validation failed",
            "detail":"name {problem}","source":{{"pointer":"/data/attributes/name"}}}}]}}"#
        ));
        let line = changed(LINE, NAME, &attributes);
        assert_eq!(site.run(&line, site.master_key()).expect(422, JSON_API), refused);
    }
    let longest = "é".repeat(100);
    let line = changed(LINE, NAME, &named(&longest));
    let created = site.run(&line, site.master_key()).expect(201, JSON_API);
    assert_eq!(created.text("data.attributes.name"), longest);
}

#[test]
fn there_is_no_endpoint_to_read_list_or_update_an_account_after_creation() {
    let Some(site) = Site::start(&[]) else { return };
    let id = create(&site).text("data.id").to_owned();
    for method in ["GET", "PATCH", "DELETE"] {
        for path in ["/api/v1/accounts".to_owned(), format!("/api/v1/accounts/{id}")] {
            let reply = site.native(method, &path, site.master_key(), "");
            reply.expect(405, JSON_API);
            assert_eq!(reply.header("allow"), Some("POST"), "{method} {path}");
        }
    }
}
