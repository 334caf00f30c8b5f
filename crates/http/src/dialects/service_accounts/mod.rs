//! The service-accounts contract: an administrator's JWT, `x-tenantid`, replies in an envelope.

pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod envelope;
pub(crate) mod find;
pub(crate) mod list;
pub(crate) mod problem;
pub(crate) mod rotate;
mod tenant;
