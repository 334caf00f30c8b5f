//! What is done with keys after they exist: revoking, and the operator's platform keys.

mod foreign;
mod import;
mod platform;
mod revoke;

pub use foreign::{ForeignHash, ForeignKind};
pub use import::{ImportedHash, ImportedRows, NewImport};
pub use platform::CreatedPlatformKey;
