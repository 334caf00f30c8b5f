//! The cluster of `cargo xtask cluster`: it answers, and nothing of it is left.

use crate::fleet::{Caller, READY_MAX, Said};
use crate::support::{say, within};
use std::path::PathBuf;
use std::process::Command;
use tenantry_testbed::cluster::{Cluster, Programs};

#[test]
fn a_cluster_answers_through_balancer_and_pooler_and_leaves_nothing() {
    let programs = match Programs::find(PathBuf::from(env!("CARGO_BIN_EXE_tenantry"))) {
        Ok(programs) => programs,
        Err(missing) => {
            let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!demanded, "CI=true, and there is no {missing} to test with");
            return say(&format!("left out: no {missing}"));
        }
    };
    let cluster = Cluster::start(&programs, 2).expect("a cluster");
    let master = std::fs::read_to_string(cluster.master_key_file()).expect("the master key");
    let balanced = cluster.address();
    let mut caller = Caller { address: &balanced, master: &master, to: None };
    let keys: Vec<_> = (0..8).map(|_| caller.make_key()).collect();
    let nodes = cluster.nodes();
    assert_eq!(nodes.len(), 2);
    for node in &nodes {
        let mut caller = Caller { address: node, master: &master, to: None };
        assert!(keys.iter().all(|key| caller.ask(key) == Said::Valid), "{node}");
    }
    // As it says on the terminal.
    let listed = Command::new(&programs.tenantry)
        .args(cluster.settings())
        .args(["nodes", "--json"])
        .output()
        .expect("the binary");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let folder = cluster.folder().to_owned();
    drop(cluster);
    let gone = within(READY_MAX, || !folder.exists());
    assert!(gone.is_some(), "its folder is there still");
    for address in nodes.iter().chain([&balanced]) {
        let refused = within(READY_MAX, || std::net::TcpStream::connect(address).is_err());
        assert!(refused.is_some(), "{address} answers still");
    }
}
