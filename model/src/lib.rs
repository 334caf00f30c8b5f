//! A model of how the nodes of a cluster follow each other's changes: small enough that every order
//! of events can be tried, and every rule taken out.
//!
//! Three nodes cache one key, which is switched off and on again. What the network, the store and
//! time may do, they may do at any moment, or never. [`rules`] lists what the code does against it
//! (`crates/core/src/cluster/`, `crates/core/src/verify/history.rs`); the tests try all that can
//! happen with all rules, where nothing may go wrong, and without each of them, where something must.
//!
//! A question to the store arrives at any time after it was asked, the row that a poll writes is seen
//! at any time after the log was read, and an answer comes at any time after that, or is lost. A
//! failover keeps a part of the log from its first row on, and of the nodes' rows nothing that can be
//! relied on; answers of the server before may still arrive. A hint is a poll that comes sooner, and
//! polls come at any time here.
//!
//! # What keeps it small
//!
//! Only one node's cache is looked at in a run, and nothing that is in a cache bears on what is noted
//! in the store: of the other two nodes there is what they read, apply and note, no more. Each
//! configuration is tried with the node that makes the changes looked at, and with another. Time is
//! one tick or two to the bound. There are at most three rows of the log, and one failover
//! or one pruning, not both.
//!
//! # What is left out
//!
//! - Shards, accounts, what else is cached, the parts in which a long log is read, and more heads that
//!   are claimed than a node remembers: rows enter less often then, never more.
//! - Clocks that do not run alike: the code takes a hundredth off what an answer is worth.
//! - A server that goes on answering reads after another one has taken over, and was not cut off. The
//!   operator's pages say how it is kept from that.
//! - Four things that the code does besides, and that the tries show not to be needed for what is
//!   promised here: a node drops all that it has cached whenever another server answers, as creates
//!   need it, which write nothing to the log; rows under way while it starts over do not enter; it
//!   notes nothing as applied of a history that is not the store's; rows that say that the key is off
//!   are claimed, too.

pub mod cluster;
mod log;
mod node;
pub mod rules;
