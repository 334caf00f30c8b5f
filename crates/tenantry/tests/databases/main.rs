//! Databases of sub-accounts' own, on real servers: PostgreSQL as the machine has it, and one from 16 on.

mod adoption;
mod connections;
mod crashes;
mod hostile;
mod hosts;
mod provisioning;
mod records;
mod schema;
mod support;
mod tls;
