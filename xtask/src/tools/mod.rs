//! Programs that tests run and that not every machine has: each is found on the PATH, or else unpacked under
//! `target/tools`, without root and without a change to anything else on the machine.

mod debian;

pub(crate) mod curl;
pub(crate) mod haproxy;
pub(crate) mod node;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod postgres_next;
pub(crate) mod python;
pub(crate) mod valkey;
