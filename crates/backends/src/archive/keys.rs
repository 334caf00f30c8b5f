//! The keys of one file.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

/// The keys of one file.
pub(super) struct Keys {
    pub(super) check: hmac::Key,
    pub(super) stream: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// The keys that follow from what only those know who may open the file, and from its `head`,
    /// a random salt among it: another head gives other keys.
    pub(super) fn derive(master: &[u8; 32], head: &[u8]) -> Self {
        let master = hkdf::Salt::new(hkdf::HKDF_SHA256, head).extract(&master[..]);
        let too_long = "32 bytes are within HKDF's output";
        let check = master.expand(&[b"tenantry backup check v1"], hmac::HMAC_SHA256);
        let mut stream = Zeroizing::new([0; 32]);
        master
            .expand(&[b"tenantry backup stream v1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut stream[..]))
            .expect(too_long);
        Self { check: check.expect(too_long).into(), stream }
    }
}
