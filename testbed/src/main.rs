//! `cargo xtask cluster`: a cluster to try, until it is interrupted.
//!
//! An interrupt ends this program; everything else then ends by itself ([`tenantry_testbed::process`]).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it talks to the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;
use tenantry_testbed::cluster::{Cluster, NODES_MAX, Programs};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [tenantry, count] = &words[..] else {
        eprintln!("usage: tenantry-cluster BINARY NODES");
        return ExitCode::FAILURE;
    };
    let Some(count) = count.parse().ok().filter(|count| (1..=NODES_MAX).contains(count)) else {
        eprintln!("1 to {NODES_MAX} nodes");
        return ExitCode::FAILURE;
    };
    let tenantry = PathBuf::from(tenantry);
    let programs = match Programs::find(tenantry.clone()) {
        Ok(programs) => programs,
        Err(missing) => {
            eprintln!("{missing} is not on this machine");
            return ExitCode::FAILURE;
        }
    };
    let cluster = match Cluster::start(&programs, count) {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let [primary, pooled, standby] = cluster.databases();
    println!("HAProxy      http://{}", cluster.address());
    for (number, node) in cluster.nodes().iter().enumerate() {
        println!("node {}       http://{node}", number + 1);
    }
    println!("pgbouncer    {pooled}\nPostgreSQL   {primary}\nstandby      {standby}");
    println!("logs         {}", cluster.folder().display());
    println!("master key   cat {}", cluster.master_key_file().display());
    println!("commands     {} {} nodes", tenantry.display(), cluster.settings().join(" "));
    println!("Ctrl-C stops all of it; nothing is kept.");
    loop {
        std::thread::park();
    }
}
