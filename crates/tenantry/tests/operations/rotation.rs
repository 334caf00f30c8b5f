//! The key-encryption key, rotated step by step on a plane that serves in between.

use crate::support::{Outcome, Site};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tenantry_backends::testing::Server;

const NODE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

fn step(site: &Site, name: &str, file: &Path) -> Outcome {
    let command = format!("{name}-key-encryption-key");
    site.run(&["secrets", &command, file.to_str().expect("UTF-8")])
}

/// The `kid`s of the published signing keys.
fn published(site: &Site) -> Vec<String> {
    let listed = site.run(&["signing-keys", "list", "--json"]).good().json();
    let keys = listed["data"].as_array().unwrap_or_else(|| panic!("{listed}"));
    keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

#[test]
fn a_server_opens_its_signing_keys_after_every_step_until_the_old_key_is_gone() {
    let site = Site::new();
    let file = site.data().join("secrets.toml");
    let made = fs::read_to_string(&file).expect("secrets");
    let serving = || {
        let server = site.serve(&site.data());
        let kids = published(&site);
        server.end();
        kids
    };
    let kids = serving();
    assert_eq!(kids.len(), 1);

    step(&site, "promote", &file).refused("add-key-encryption-key");
    step(&site, "retire", &file).refused("promote-key-encryption-key");
    assert_eq!(fs::read_to_string(&file).expect("secrets"), made, "a refusal changes nothing");

    let told = step(&site, "add", &file).good().stdout;
    assert!(told.contains("Key-encryption key 2") && told.contains("promote"), "{told}");
    let before = site.data().join("secrets.toml.before");
    assert_eq!(fs::read_to_string(&before).expect("kept"), made);
    step(&site, "add", &file).refused("under way");
    step(&site, "retire", &file).refused("promote-key-encryption-key");
    assert_eq!(serving(), kids);

    let told = step(&site, "promote", &file).good().stdout;
    assert!(told.contains("retire"), "{told}");
    assert_eq!(serving(), kids);
    for path in [&file, &before] {
        assert_eq!(fs::metadata(path).expect("there").permissions().mode() & 0o777, 0o600);
    }

    site.run(&["doctor"]).good();

    let told = step(&site, "retire", &file).good().stdout;
    assert!(told.contains("databases rewrap"), "{told}");
    // Nothing was sealed anew: the key that was opened above is what the retired one had sealed.
    assert!(!serving().contains(&kids[0]));
    // And the copy that was kept brings it back.
    fs::rename(&before, &file).expect("put back");
    assert!(serving().contains(&kids[0]));
}

#[test]
fn nodes_are_of_one_plane_from_step_to_step_and_no_further() {
    let Some(server) = Server::shared() else { return };
    let (database, site) = (server.database(), Site::bare());
    let file = site.path("secrets.toml");
    let [made, added, promoted, retired] =
        ["made.toml", "added.toml", "promoted.toml", "retired.toml"].map(|name| site.path(name));
    site.run(&["secrets", "generate", "secrets.toml"]).good();
    fs::copy(&file, &made).expect("copied");
    for (name, copy) in [("add", &added), ("promote", &promoted), ("retire", &retired)] {
        step(&site, name, &file).good();
        fs::copy(&file, copy).expect("copied");
    }
    let command = |secrets: &Path, rest: &[&str]| {
        let mut command = site.command(rest);
        command.env("TENANTRY_DATABASE", database.url());
        command.env("TENANTRY_SECRETS_FILE", secrets);
        // Of its own: nodes of two steps serve at once.
        command.env("TENANTRY_DATA_DIR", secrets.with_extension("data"));
        command
    };
    let start = |secrets: &Path| Site::start(command(secrets, &NODE));
    let refused = |secrets: &Path| {
        let told = start(secrets).err().expect("refused");
        assert!(told.contains("not those that the plane's other nodes have"), "{told}");
    };

    let init = ["init", "--organization", "Acme", "--name", "Ann", "--email", "a@example.com"];
    let made_by = crate::support::outcome(&mut command(&made, &[&init[..], &["--json"]].concat()));
    let key = made_by.good().json()["api_key"].as_str().expect("a key").to_owned();

    // Before a node has the next key as the current one, nobody may have it alone.
    refused(&retired);
    let nodes = [&made, &added].map(|secrets| start(secrets).expect("of the plane"));
    refused(&retired);
    for node in nodes {
        node.end();
    }
    // From then on whoever was never told of it is no longer let in.
    let node = start(&promoted).expect("of the plane");
    refused(&made);
    start(&added).expect("of the plane").end();
    start(&retired).expect("of the plane").end();
    refused(&made);
    let (status, reply) = node.post("/v1/accounts", &key, &json!({ "name": "s" }));
    assert_eq!(status, 201, "{reply}");
    node.end();
}
