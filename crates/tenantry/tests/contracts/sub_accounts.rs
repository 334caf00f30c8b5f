//! The sub-accounts contract: plain JSON, keys `sa-` and 32 hexadecimal digits.

use crate::support::forms::{second, sub_account_key, uuid};
use crate::support::{Site, Tree, assert_as_example, changed};

pub(crate) const JSON: &str = "application/json";

/// The contract's request, word for word.
pub(crate) const LINE: &str = r#"curl --request POST \
  --url https://api.bolna.ai/sub-accounts/create \
  --header 'Authorization: Bearer <token>' \
  --header 'Content-Type: application/json' \
  --data '{
  "name": "alpha-007",
  "multi_tenant": false,
  "db_host": "prod-alpha-007-db-east-1.my-database.com",
  "db_name": "alpha-007_db",
  "db_port": 5432,
  "db_user": "alpha-007_user",
  "db_password": "alpha-007_password",
  "allow_concurrent_calls": 10
}'"#;

/// The contract's reply, word for word.
const EXAMPLE: &str = r#"{
  "id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
  "name": "alpha-007",
  "user_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
  "organization_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
  "api_key": "sa-b33f4fbf011d4661a273a46b11d185f8",
  "multi_tenant": false,
  "db_host": null,
  "db_name": null,
  "db_port": null,
  "db_user": null,
  "db_password": null,
  "allow_concurrent_calls": 10,
  "created_at": "2025-01-23T01:14:37Z",
  "updated_at": "2025-01-23T01:14:37Z"
}"#;

/// The whole body of every 401.
pub(crate) const ACCESS_DENIED: &str = r#"{"error":401,"message":"Access denied"}"#;

/// The header of the line that carries the credential.
const AUTHORIZATION: &str = "  --header 'Authorization: Bearer <token>' \\\n";

/// An account that the contract's line made: the reply.
pub(crate) fn create(site: &Site) -> Tree {
    site.run(LINE, site.master_key()).expect(200, JSON)
}

#[test]
fn the_sub_accounts_contracts_own_curl_line_answers_as_its_example() {
    let Some(site) = Site::start(&[]) else { return };
    let reply = site.run(LINE, site.master_key());
    let created = reply.expect(200, JSON);
    assert_as_example(
        &created,
        &Tree::parse(EXAMPLE),
        &[
            ("id", uuid),
            ("user_id", uuid),
            ("organization_id", uuid),
            ("api_key", sub_account_key),
            ("created_at", second),
            ("updated_at", second),
        ],
    );
    assert_eq!(created.text("user_id"), site.organization.text("member_id"));
    assert_eq!(created.text("organization_id"), site.tenant());
    assert_ne!(created.text("id"), site.tenant());
    assert_eq!(created.at("created_at"), created.at("updated_at"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn without_a_key_that_opens_something_the_sub_accounts_contract_answers_401_in_its_own_words() {
    let Some(site) = Site::start(&[]) else { return };
    let without_key = changed(LINE, AUTHORIZATION, "");
    let unknown = "sa-00000000000000000000000000000000";
    for (line, credential) in [(&*without_key, ""), (LINE, unknown), (LINE, "nonsense")] {
        let reply = site.run(line, credential);
        reply.expect(401, JSON);
        assert_eq!(reply.body, ACCESS_DENIED, "{credential}");
    }
}

#[test]
fn a_body_that_breaks_the_sub_accounts_contract_is_refused_by_field() {
    let Some(site) = Site::start(&[]) else { return };
    for (from, to, message) in [
        (r#""name": "alpha-007","#, "", "name is required"),
        (
            r#""allow_concurrent_calls": 10"#,
            r#""allow_concurrent_calls": "10""#,
            "allow_concurrent_calls must be an integer",
        ),
        (r#""multi_tenant": false"#, r#""multi_tenant": "no""#, "multi_tenant must be a boolean"),
    ] {
        let reply = site.run(&changed(LINE, from, to), site.master_key());
        reply.expect(400, JSON);
        assert_eq!(reply.body, format!(r#"{{"error":400,"message":"{message}"}}"#));
    }
}

#[test]
fn without_the_entitlement_sub_accounts_are_refused_until_it_is_given_back() {
    let Some(site) = Site::start(&[]) else { return };
    let entitle = ["organizations", "entitle", site.tenant(), "sub_accounts"];

    let taken = site.installation.json(&[&entitle[..], &["--remove"]].concat());
    assert_eq!(taken.at("0.entitlements"), &Tree::Array(Vec::new()));
    let reply = site.run(LINE, site.master_key());
    reply.expect(403, JSON);
    let message = "Sub-accounts are not enabled for this organization";
    assert_eq!(reply.body, format!(r#"{{"error":403,"message":"{message}"}}"#));

    site.installation.print(&entitle);
    create(&site);
}

#[test]
fn a_database_of_its_own_is_refused_and_nothing_of_the_request_is_kept() {
    let Some(mut site) = Site::start(&[]) else { return };
    let line = changed(LINE, r#""multi_tenant": false"#, r#""multi_tenant": true"#);
    let line = line.replace(r#""name": "alpha-007""#, r#""name": "never-made""#);
    // A name that nobody has (RFC 6761 §6.4), whatever network the machine is on.
    let line = line.replace("prod-alpha-007-db-east-1.my-database.com", "my-database.com.invalid");
    let reply = site.run(&line, site.master_key());
    reply.expect(400, JSON);
    let message = "The database cannot be reached, or does not take db_user and db_password";
    assert_eq!(reply.body, format!(r#"{{"error":400,"message":"{message}"}}"#));
    // The same call without a database is kept: what is looked for below can be found.
    create(&site);
    assert!(!site.installation.files_with(b"alpha-007").is_empty());
    assert_nothing_kept(&site);

    let ended = site.server.end();
    assert!(ended.status.success(), "{ended:?}");
    assert!(!format!("{ended:?}").contains("alpha-007"), "the log tells what was sent");
    assert_nothing_kept(&site);
    let database = site.installation.data().join("tenantry.db");
    assert_eq!(count_accounts(&database, "alpha-007"), 1);
    assert_eq!(count_accounts(&database, "never-made"), 0);
}

#[test]
fn a_database_of_its_own_is_checked_before_it_is_refused() {
    let Some(site) = Site::start(&[]) else { return };
    let line = changed(LINE, r#""multi_tenant": false"#, r#""multi_tenant": true"#);
    for (from, to, message) in [
        (r#""db_user": "alpha-007_user","#, "", "db_user is required"),
        (r#""db_port": 5432"#, r#""db_port": 65536"#, "db_port must be between 1 and 65535"),
    ] {
        let reply = site.run(&changed(&line, from, to), site.master_key());
        reply.expect(400, JSON);
        assert_eq!(reply.body, format!(r#"{{"error":400,"message":"{message}"}}"#));
    }
    assert_nothing_kept(&site);
}

/// No secret of the database that was named, and nothing of the account, in the store, its log or any other file.
fn assert_nothing_kept(site: &Site) {
    // Where it was to be stood in a row while it was looked for, and may stand in a page that is free now.
    for text in ["alpha-007_password", "never-made"] {
        let files = site.installation.files_with(text.as_bytes());
        assert!(files.is_empty(), "{text} is in {files:?}");
    }
}

fn count_accounts(database: &std::path::Path, name: &str) -> u32 {
    let mode = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(database, mode).expect("the store");
    let count = "SELECT count(*) FROM accounts WHERE name = ?1";
    connection.query_row(count, [name], |row| row.get(0)).expect("a count")
}
