//! `nodes`

use crate::cli::Nodes;
use crate::config::Config;
use crate::transport::Transport;
use crate::wiring::Missing;
use crate::{Result, output};
use tenantry_api::operator as api;

/// Lists the nodes of a cluster and how far each has read the change log.
pub(crate) async fn run(config: &Config, nodes: &Nodes) -> Result<()> {
    let transport = Transport::local(config, Missing::Refuse).await?;
    let listed: api::Nodes = transport.get("/operator/nodes").await?;
    if nodes.printing.json {
        return output::json(&listed.data);
    }
    if listed.data.is_empty() {
        output::line("No nodes: one process serves this store by itself.");
        return Ok(());
    }
    let rows = listed.data.iter().map(|node| {
        vec![
            node.id.clone(),
            node.name.clone(),
            node.seen_at.clone(),
            format!("{} s ago", node.silent_seconds),
            behind(node, &listed.data).to_string(),
        ]
    });
    output::table(&["NODE", "NAME", "SEEN", "", "CHANGES BEHIND"], rows);
    Ok(())
}

/// How many changes a node had not applied that another node had.
fn behind(node: &api::Node, all: &[api::Node]) -> u64 {
    let shards = node.applied.iter().enumerate();
    let missing = shards.map(|(shard, applied)| {
        let newest = all.iter().filter_map(|other| other.applied.get(shard)).max();
        newest.map_or(0, |newest| newest.saturating_sub(*applied))
    });
    missing.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_behind_the_newest_of_each_shard() {
        let node = |applied: &[u64]| api::Node {
            id: String::new(),
            name: String::new(),
            seen_at: String::new(),
            silent_seconds: 0,
            applied: applied.to_vec(),
        };
        let all = [node(&[5, 0]), node(&[3, 9]), node(&[5, 9])];
        assert_eq!(all.each_ref().map(|node| behind(node, &all)), [9, 2, 0]);
    }
}
