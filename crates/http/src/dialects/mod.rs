//! The three published contracts, each in a folder of its own. A dialect translates and knows
//! nothing of the others.

pub(crate) mod accounts;
pub(crate) mod service_accounts;
pub(crate) mod sub_accounts;
