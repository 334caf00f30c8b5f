//! What the command line promises: what it prints, how it ends, and what it refuses.

use crate::support::forms::{account_id, native_key, uuid};
use crate::support::{Installation, Tree};

const INITIALIZE: [&str; 8] =
    ["init", "--organization", "Acme", "--name", "Ann", "--email", "ann@example.com", "--json"];

#[test]
fn init_prints_exactly_the_four_fields_that_are_needed_to_go_on() {
    let installation = Installation::new();
    let created = Tree::parse(&installation.print(&INITIALIZE));
    assert_eq!(created.names(), ["organization_id", "account_id", "member_id", "api_key"]);
    assert!(uuid(created.text("organization_id")), "{created:?}");
    assert!(account_id(created.text("account_id")), "{created:?}");
    assert!(uuid(created.text("member_id")), "{created:?}");
    assert!(native_key(created.text("api_key")), "{created:?}");

    let listed = installation.json(&["organizations", "list"]);
    assert_eq!(listed.at("0.organization_id"), created.at("organization_id"));
    assert_eq!(listed.at("0.account_id"), created.at("account_id"));
    assert_eq!(listed.text("0.name"), "Acme");
}

#[test]
fn a_second_init_is_refused_with_exit_code_1_with_and_without_a_server() {
    let installation = Installation::new();
    installation.print(&INITIALIZE);
    let refused = || {
        let outcome = installation.run(&INITIALIZE);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
        assert!(outcome.stderr.contains("already initialized"), "{}", outcome.stderr);
    };
    refused();
    let _server = installation.serve(&[]);
    refused();
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_not_wrong() {
    let installation = Installation::new();
    for arguments in [
        &[][..],
        &["serve", "--no-such-option"],
        &["serve", "--listen", "nowhere"],
        &["no-such-command"],
        &["init", "--organization", "Acme"],
        &["keys", "create"],
        &["organizations", "entitle", "x", "no_such_entitlement"],
        &["token", "--tenant", "x", "--role", "y", "--ttl", "1w"],
    ] {
        let outcome = installation.run(arguments);
        assert_eq!(outcome.code, Some(2), "{arguments:?}: {}", outcome.stderr);
        assert_eq!(outcome.stdout, "", "{arguments:?}");
    }
    assert!(installation.print(&["serve", "--help"]).contains("--listen"));
    assert!(!installation.data().exists(), "wrong usage made a data directory");
}

#[test]
fn a_second_server_on_the_same_directory_ends_at_once_and_leaves_the_first_alone() {
    let installation = Installation::new();
    installation.print(&INITIALIZE);
    let mut server = installation.serve(&[]);
    let outcome = installation.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "");
    assert!(outcome.stderr.contains("in use"), "{}", outcome.stderr);

    // The first server's socket is still its own.
    let listed = installation.json(&["organizations", "list"]);
    assert_eq!(listed.text("0.name"), "Acme");
    let ended = server.end();
    assert!(ended.status.success(), "{ended:?}");
}

#[test]
fn an_address_beyond_loopback_is_refused_before_anything_is_made() {
    let installation = Installation::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let outcome = installation.run(&["serve", "--listen", address]);
        assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
        let told = outcome.stderr.contains("only loopback addresses are served in clear");
        assert!(told && outcome.stderr.contains(address), "{}", outcome.stderr);
    }
    assert!(!installation.data().exists(), "a refused start made a data directory");
}

#[test]
fn a_command_that_needs_an_organization_says_how_to_make_one() {
    let installation = Installation::new();
    let outcome = installation.run(&["organizations", "list"]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("tenantry init"), "{}", outcome.stderr);
    assert!(!installation.data().exists(), "a question made a data directory");
}

#[test]
fn a_token_is_one_line_that_is_the_token() {
    let installation = Installation::new();
    let created = Tree::parse(&installation.print(&INITIALIZE));
    for tenant in [created.text("organization_id"), created.text("account_id")] {
        let printed = installation.print(&["token", "--tenant", tenant, "--role", "viewer"]);
        let token = printed.strip_suffix('\n').expect("a line");
        assert_eq!(token.split('.').count(), 3, "no compact JWS");
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(token.chars().all(plain), "more than a token");
    }
}
