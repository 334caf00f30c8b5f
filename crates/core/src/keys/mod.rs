//! What is done with keys after they exist: revoking, and the operator's platform keys.

mod platform;
mod revoke;

pub use platform::CreatedPlatformKey;
