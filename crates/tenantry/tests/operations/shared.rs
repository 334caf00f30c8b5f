//! Nodes on one PostgreSQL.

use crate::support::Site;
use serde_json::json;
use std::fs;
use tenantry_backends::testing::{Database, Server};

/// What a command needs to know of the database.
fn on<'a>(database: &'a Database, secrets: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["--database", database.url(), "--secrets-file", secrets][..], rest].concat()
}

const INIT: [&str; 8] =
    ["init", "--organization", "Acme", "--name", "Ann", "--email", "ann@example.com", "--json"];

/// How often a node is asked until it answers; each time is a connection of its own.
const ASKED_MAX: u32 = 100_000;

#[test]
fn two_nodes_with_the_same_secrets_serve_one_plane() {
    let Some(server) = Server::shared() else { return };
    let (database, site) = (server.database(), Site::bare());
    let drawn = site.run(&["secrets", "generate", "secrets.toml"]).good();
    assert!(drawn.stdout.contains("secrets.toml"), "{drawn:?}");
    site.run(&["secrets", "generate", "secrets.toml"]).refused("never overwritten");

    site.run(&on(&database, "secrets.toml", &["organizations", "list"])).refused("tenantry init");
    let made = site.run(&on(&database, "secrets.toml", &INIT)).good().json();
    let key = made["api_key"].as_str().expect("a key");

    let nodes = ["one", "two"].map(|name| {
        let mut command = site.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("TENANTRY_DATABASE", database.url());
        // The one from the file, the other from its environment.
        if name == "one" {
            command.env("TENANTRY_SECRETS_FILE", site.path("secrets.toml"));
        } else {
            let text = fs::read_to_string(site.path("secrets.toml")).expect("secrets");
            command.env("TENANTRY_SECRETS", text);
        }
        command.env("TENANTRY_DATA_DIR", site.path(name));
        Site::start(command).unwrap_or_else(|error| panic!("{error}"))
    });
    let (_, made) = nodes[0].post("/v1/accounts", key, &json!({ "name": "s" }));
    let sub = made["key"]["secret"].as_str().expect("a key").to_owned();
    for node in &nodes {
        // A node that starts refuses until it has read the change log.
        let asks =
            (0..ASKED_MAX).map(|_| node.post("/v1/keys/verify", key, &json!({ "key": sub })));
        let (_, verdict) = asks.into_iter().find(|(status, _)| *status != 503).expect("an answer");
        assert_eq!(verdict["code"], "VALID");
    }
    let listed = site.run(&on(&database, "secrets.toml", &["organizations", "list", "--json"]));
    assert!(listed.good().stdout.contains("Acme"));
}

#[test]
fn a_node_with_other_secrets_does_not_start() {
    let Some(server) = Server::shared() else { return };
    let (database, site) = (server.database(), Site::bare());
    for file in ["secrets.toml", "other.toml"] {
        site.run(&["secrets", "generate", file]).good();
    }
    site.run(&on(&database, "secrets.toml", &INIT)).good();
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["organizations", "list"]] {
        let refused = site.run(&on(&database, "other.toml", command));
        refused.refused("not those that the plane's other nodes have");
    }
    let without = site.run(&["--database", database.url(), "organizations", "list"]);
    without.refused("secrets generate");
}

/// By when a change holds everywhere could not be told with two bounds. Seen failing without the question
/// before a node joins.
#[test]
fn a_node_of_another_bound_does_not_join_those_that_answer() {
    let Some(server) = Server::shared() else { return };
    let (database, site) = (server.database(), Site::bare());
    site.run(&["secrets", "generate", "secrets.toml"]).good();
    site.run(&on(&database, "secrets.toml", &INIT)).good();
    let on_node = |name, more: &[&str]| {
        let data = ["--data-dir", name, "serve", "--listen", "127.0.0.1:0"];
        let all = on(&database, "secrets.toml", &[&data[..], more].concat());
        all.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut command = site.command(&[]);
    command.args(on_node("one", &["--max-staleness", "60", "--node-name", "one"]));
    let node = Site::start(command).unwrap_or_else(|error| panic!("{error}"));
    let listed = "SELECT 1 FROM nodes WHERE name = 'one'";
    while database.query(listed).expect("rows").is_empty() {
        std::thread::yield_now();
    }
    let other = on_node("two", &[]);
    let other: Vec<&str> = other.iter().map(String::as_str).collect();
    site.run(&other).refused("node one runs with --max-staleness 60");
    node.end();
    // It has taken its leave: nobody has to wait until its time is up.
    let mut command = site.command(&[]);
    command.args(&other);
    Site::start(command).unwrap_or_else(|error| panic!("{error}")).end();
}

#[test]
fn what_is_for_the_embedded_store_says_so() {
    let site = Site::bare();
    let at = ["--database", "postgres://u:canary@192.0.2.1/t"];
    for (command, instead) in [
        (&["backup", "file"][..], "pg_dump"),
        (&["restore", "file"], "pg_restore"),
        (&["doctor"], "pg_amcheck"),
        (&["audit", "verify"], "--url"),
    ] {
        let refused = site.run(&[&at[..], command].concat()).refused(instead);
        assert!(!refused.stderr.contains("canary"));
    }
}
