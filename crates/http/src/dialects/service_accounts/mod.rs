//! The service-accounts contract: an administrator's JWT, `x-tenantid`, replies in an envelope.

pub(crate) mod create;
mod envelope;
pub(crate) mod problem;
mod tenant;
