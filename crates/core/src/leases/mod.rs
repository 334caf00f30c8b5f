//! Leases: one for each concurrent call in progress, with a time to live.
//!
//! They live in the store and are counted there whenever one is taken; there is no counter that a
//! crash could leave wrong. Their time is the store's own, so that no node's clock frees or holds a
//! slot. A lease is traffic and not management: it leaves no audit event, and what its call took
//! stands in its [`CallRecord`].

mod acquire;
mod hold;
mod record;

pub(crate) use acquire::Taken;
pub use acquire::{Granted, LeaseFor, WantedLease};
pub use record::{Amount, CallRecord, Costs};

use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::error::Problem;
use crate::ids::{AccountId, LeaseId};
use crate::limits;
use crate::rng::{self, Rng};
use crate::secrets::{MacWriter, Secrets, Unverified};
use crate::text::Line;
use std::time::Duration;

/// A lease as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// The root account of the tree.
    pub root: AccountId,
    /// The account whose call it is.
    pub account: AccountId,
    /// Higher than that of every lease of the tree that was taken before. A resource that refuses a
    /// lower one than it has seen is safe from a holder that was paused beyond its time.
    pub fence: u64,
    /// How long it was taken for.
    pub ttl: LeaseTtl,
    /// When it was taken, by the store's clock like every time here.
    pub acquired_at: Timestamp,
    /// From then on it holds nothing, unless it is renewed before.
    pub expires_at: Timestamp,
    /// When it was given back.
    pub released_at: Option<Timestamp>,
}

impl Lease {
    /// True where it holds a slot at `now` of the store's clock.
    #[must_use]
    pub fn is_held(&self, now: Timestamp) -> bool {
        self.released_at.is_none() && now < self.expires_at
    }
}

/// Bytes of an id that tell when it was drawn.
const TIME_BYTES: usize = 6;
/// Bytes of an id before its MAC: the time, and chance.
const DRAWN_BYTES: usize = 9;

impl LeaseId {
    /// Draws the id of a new lease of `account`: the millisecond, 24 random bits, and 56 bits of an
    /// HMAC over both and the account. Nobody makes one up, and none passes for another account's.
    #[must_use]
    pub fn draw(secrets: &Secrets, rng: &dyn Rng, now: Timestamp, account: AccountId) -> Self {
        let mut bytes = [0; 16];
        bytes[..TIME_BYTES].copy_from_slice(&millis(now));
        bytes[TIME_BYTES..DRAWN_BYTES].copy_from_slice(&rng::draw::<3>(rng));
        let mac = mac(secrets, &bytes, account);
        bytes[DRAWN_BYTES..].copy_from_slice(&mac);
        Self::from_bytes(bytes)
    }

    /// True where [`Self::draw`] made it for `account`.
    pub(crate) fn is_of(&self, secrets: &Secrets, account: AccountId) -> bool {
        let mac = mac(secrets, self.as_bytes(), account);
        bool::from(subtle::ConstantTimeEq::ct_eq(&mac[..], &self.as_bytes()[DRAWN_BYTES..]))
    }

    /// Higher than every id that was drawn in an earlier millisecond than `at`.
    pub(crate) fn drawn_before(at: Timestamp) -> Self {
        let mut bytes = [0; 16];
        bytes[..TIME_BYTES].copy_from_slice(&millis(at));
        Self::from_bytes(bytes)
    }
}

fn millis(at: Timestamp) -> [u8; TIME_BYTES] {
    let millis = u64::try_from(at.micros().div_euclid(1000)).unwrap_or(0);
    let mut bytes = [0; TIME_BYTES];
    bytes.copy_from_slice(&millis.min((1 << 48) - 1).to_be_bytes()[2..]);
    bytes
}

fn mac(secrets: &Secrets, id: &[u8; 16], account: AccountId) -> [u8; 16 - DRAWN_BYTES] {
    let mut writer = MacWriter::new();
    writer.bytes(&id[..DRAWN_BYTES]);
    writer.bytes(account.as_bytes());
    let mut mac = [0; 16 - DRAWN_BYTES];
    mac.copy_from_slice(&secrets.lease_mac(&writer)[..16 - DRAWN_BYTES]);
    mac
}

/// How long a lease lasts unless it is renewed: 5 seconds to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTtl(Duration);

impl LeaseTtl {
    /// Reads a number of seconds.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`].
    pub fn from_seconds(seconds: i64) -> Result<Self, Problem> {
        let duration = u64::try_from(seconds).ok().map(Duration::from_secs);
        duration.and_then(Self::from_stored).ok_or_else(|| {
            let seconds = |limit: Duration| i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
            Problem::OutOfRange(seconds(limits::LEASE_TTL_MIN), seconds(limits::LEASE_TTL_MAX))
        })
    }

    /// Takes a stored row's.
    #[must_use]
    pub fn from_stored(duration: Duration) -> Option<Self> {
        (limits::LEASE_TTL_MIN..=limits::LEASE_TTL_MAX)
            .contains(&duration)
            .then_some(Self(duration))
    }

    /// The time.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// What a caller names a request by, so that it takes no second lease when it is sent again: 1 to 128
/// visible ASCII characters, unique within an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequestId(Box<str>);

impl LeaseRequestId {
    /// Reads one.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match text.len() {
            0 => Err(Problem::Blank),
            1..=limits::LEASE_REQUEST_ID_BYTES_MAX => {
                let visible = text.bytes().all(|b| b.is_ascii_graphic());
                if visible { Ok(Self(text.into())) } else { Err(Problem::Malformed) }
            }
            _ => Err(Problem::TooLong(limits::LEASE_REQUEST_ID_BYTES_MAX)),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account whose calls are counted, and the one above it, of one instant.
pub struct HolderRows {
    /// The account.
    pub account: Unverified<Account>,
    /// Its parent, for a sub-account.
    pub parent: Option<Unverified<Account>>,
}

/// A lease to take.
#[derive(Clone, Debug)]
pub struct NewLease {
    /// Its id.
    pub id: LeaseId,
    /// The account, with the version of its record that the caps follow from.
    pub account: (AccountId, u64),
    /// The root account of its tree, likewise; the account itself, for a root account.
    pub root: (AccountId, u64),
    /// How long it lasts.
    pub ttl: LeaseTtl,
    /// Where a lease of the account has this, that one is the answer.
    pub request_id: Option<LeaseRequestId>,
    /// The caller's own word for the call.
    pub reference: Option<Line>,
    /// How many may be held, the new one included.
    pub caps: InUse,
}

/// A number of concurrent calls of an account, and of the whole tree that it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    /// Of the account. Of a root account, its tree's.
    pub own: u32,
    /// Of the tree.
    pub tree: u32,
}

/// What became of an attempt to take a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// It was taken; it is one of those in use.
    New(Lease, InUse),
    /// The request had taken it before; `held` where it still holds its slot.
    Again {
        /// The lease.
        lease: Lease,
        /// Whether it still holds its slot.
        held: bool,
        /// Those in use.
        in_use: InUse,
    },
    /// A cap is reached; nothing was taken.
    Full(InUse),
}

/// What became of a lease that was to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is given back since then, by this call or one before it.
    At(Timestamp),
    /// It had expired before. The record of its call is kept all the same: the call took place.
    Expired,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use crate::secrets::SecretsMaterial;

    #[test]
    fn an_id_is_of_its_account_alone_and_nobody_makes_one_up() {
        let rng = SeededRng::new(5);
        let secrets = || Secrets::new(&SecretsMaterial::generate(&rng).expect("secrets"));
        let (secrets, others) = (secrets(), secrets());
        let now = Timestamp::from_seconds(1_752_158_100);
        let (own, other) = (AccountId::generate(&rng, now), AccountId::generate(&rng, now));
        let id = LeaseId::draw(&secrets, &rng, now, own);
        assert!(id.is_of(&secrets, own));
        assert!(!id.is_of(&secrets, other));
        assert!(!id.is_of(&others, own));
        for bit in 0..128 {
            let mut bytes = *id.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!LeaseId::from_bytes(bytes).is_of(&secrets, own), "bit {bit}");
        }
    }

    #[test]
    fn ids_go_by_the_millisecond() {
        let rng = SeededRng::new(6);
        let secrets = Secrets::new(&SecretsMaterial::generate(&rng).expect("secrets"));
        let account = AccountId::generate(&rng, Timestamp::from_seconds(1));
        let at = |micros: i64| Timestamp::from_micros(1_752_158_100_000_000 + micros);
        let id = LeaseId::draw(&secrets, &rng, at(999), account);
        assert!(id >= LeaseId::drawn_before(at(0)));
        assert!(id < LeaseId::drawn_before(at(1_000)));
    }

    #[test]
    fn a_ttl_is_five_seconds_to_an_hour() {
        for (seconds, fits) in
            [(4, false), (5, true), (3600, true), (3601, false), (0, false), (-1, false)]
        {
            assert_eq!(LeaseTtl::from_seconds(seconds).is_ok(), fits, "{seconds}");
        }
        assert_eq!(LeaseTtl::from_seconds(i64::MAX), Err(Problem::OutOfRange(5, 3600)));
    }

    #[test]
    fn a_request_id_is_visible_ascii() {
        for (text, fits) in
            [("", false), ("a", true), ("a b", false), ("ä", false), ("req-1.2_3~", true)]
        {
            assert_eq!(LeaseRequestId::parse(text).is_ok(), fits, "{text}");
        }
        assert!(LeaseRequestId::parse(&"a".repeat(128)).is_ok());
        assert!(LeaseRequestId::parse(&"a".repeat(129)).is_err());
    }
}
