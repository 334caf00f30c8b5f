//! How many wrong guesses are looked up: a budget per source, and one for the node.
//!
//! Only a credential that opens nothing spends from it. A look-up takes a token before it asks the
//! store and gives it back when it found something, or when the store did not answer, so that
//! whoever presents good keys never runs out, and what is asked in vain stays below the budget
//! however many ask at once. A source without tokens is not locked out: keys that are known to be
//! real go on.

use crate::error::{Error, Result, Unauthenticated};
use crate::ids::CredentialId;
use crate::limits;
use crate::secrets::Tag;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who is to answer for a wrong credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// Whoever presents a bearer credential from this network.
    Bearer(IpAddr),
    /// An end client that an authorised caller asks about.
    Client(IpAddr),
    /// An authorised caller who does not name the end client.
    Caller(CredentialId),
}

impl Source {
    pub(crate) fn bearer(address: IpAddr) -> Self {
        Self::Bearer(network(address))
    }

    pub(super) fn client(address: IpAddr) -> Self {
        Self::Client(network(address))
    }

    const fn rate(self) -> u32 {
        match self {
            Self::Bearer(_) | Self::Client(_) => limits::MISSES_PER_ADDRESS_PER_SECOND,
            Self::Caller(_) => limits::MISSES_PER_CALLER_PER_SECOND,
        }
    }
}

/// The network that counts as one client: an address, or the /64 that one IPv6 client is given.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// Tokens that come back with time.
#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Duration,
    rate: f64,
}

impl Bucket {
    fn full(rate: u32, now: Duration) -> Self {
        let rate = f64::from(rate);
        Self { tokens: rate * limits::MISS_BURST_SECONDS, at: now, rate }
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.most());
        self.at = self.at.max(now);
    }

    fn most(&self) -> f64 {
        self.rate * limits::MISS_BURST_SECONDS
    }

    /// How long until there is a token, where there is none.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate))
        }
    }

    fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.most());
    }
}

struct Buckets {
    sources: HashMap<Source, Bucket>,
    /// Shared by sources that find no room.
    crowd: Option<Bucket>,
    /// Sweeps are at least a second apart: a table full of spent budgets is not walked per miss.
    swept_at: Option<Duration>,
    bearers: Bucket,
    questions: Bucket,
}

/// Whose budget was spent when a wrong credential was refused with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// That of the address that presented it.
    Bearer,
    /// That of the end client that it was asked about.
    Client,
    /// That of the caller who asked and named no end client.
    Caller,
    /// The node's own, for what is presented.
    AllBearers,
    /// The node's own, for what is asked about.
    AllQuestions,
    /// The node's own, for slow hashes that wait to be checked.
    SlowHashes,
}

impl Budget {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Bearer,
        Self::Client,
        Self::Caller,
        Self::AllBearers,
        Self::AllQuestions,
        Self::SlowHashes,
    ];

    /// True where nobody who is known answers for the wrong credential.
    #[must_use]
    pub const fn is_strangers(self) -> bool {
        matches!(self, Self::Bearer | Self::AllBearers)
    }

    const fn of_node(source: Source) -> Self {
        match source {
            Source::Bearer(_) => Self::AllBearers,
            Source::Client(_) | Source::Caller(_) => Self::AllQuestions,
        }
    }

    const fn of(source: Source) -> Self {
        match source {
            Source::Bearer(_) => Self::Bearer,
            Source::Client(_) => Self::Client,
            Source::Caller(_) => Self::Caller,
        }
    }
}

/// The budget for wrong credentials.
pub(crate) struct Misses {
    buckets: Mutex<Buckets>,
    /// How many were refused, by [`Budget`].
    refused: [AtomicU64; Budget::ALL.len()],
    /// Credentials that let their bearer in lately. Never an answer: it only lets the store be
    /// asked where the budget of the address is spent.
    familiar: Cache<Tag, ()>,
}

impl Misses {
    /// A budget of so many misses a second of the whole node, at least one.
    pub(crate) fn new(per_second: u32) -> Self {
        let full = Bucket::full(per_second.max(1), Duration::ZERO);
        Self {
            buckets: Mutex::new(Buckets {
                sources: HashMap::new(),
                crowd: None,
                swept_at: None,
                bearers: full,
                questions: full,
            }),
            refused: Default::default(),
            familiar: Cache::new(limits::FAMILIAR_ENTRIES_MAX),
        }
    }

    /// How many were refused since the start, by whose budget was spent.
    pub(super) fn refused(&self) -> [(Budget, u64); Budget::ALL.len()] {
        Budget::ALL.map(|budget| (budget, self.refused[budget as usize].load(Ordering::Relaxed)))
    }

    pub(super) fn limited(&self, budget: Budget, retry_after: Duration) -> Error {
        self.refused[budget as usize].fetch_add(1, Ordering::Relaxed);
        Error::RateLimited { budget, retry_after }
    }

    /// Takes a token before a credential is looked up.
    pub(crate) fn take(&self, source: Source, now: Duration) -> Result<()> {
        let mut buckets = self.lock();
        let taken = buckets.of(source, now).take(now);
        taken.map_err(|wait| self.limited(Budget::of(source), wait))?;
        if let Err(wait) = buckets.node(source).take(now) {
            // What the node lacks is not the source's to pay.
            buckets.of(source, now).give_back();
            return Err(self.limited(Budget::of_node(source), wait));
        }
        Ok(())
    }

    /// Gives a token back: the look-up found something.
    pub(crate) fn give_back(&self, source: Source, now: Duration) {
        let mut buckets = self.lock();
        buckets.of(source, now).give_back();
        buckets.node(source).give_back();
    }

    /// What a wrong credential is answered that was refused without taking a token before.
    pub(super) fn refuse(&self, source: Option<Source>, now: Duration) -> Error {
        let charged = source.map_or(Ok(()), |source| self.charge(source, now));
        charged.err().unwrap_or(Error::NotAuthenticated(Unauthenticated::Invalid))
    }

    /// Takes a token for a wrong credential that the store was not asked about.
    pub(super) fn charge(&self, source: Source, now: Duration) -> Result<()> {
        let taken = self.lock().of(source, now).take(now);
        taken.map_err(|wait| self.limited(Budget::of(source), wait))
    }

    /// The same for a bearer at `address` whose admin JWT was refused for `error`.
    pub(crate) fn refuse_token(
        &self,
        error: Error,
        address: Option<IpAddr>,
        now: Duration,
    ) -> Error {
        let charged = address.map(|address| self.charge(Source::bearer(address), now));
        charged.and_then(Result::err).unwrap_or(error)
    }

    pub(super) fn is_familiar(&self, tag: &Tag) -> bool {
        self.familiar.get(tag).is_some()
    }

    pub(super) fn remember(&self, tag: Tag) {
        if !self.is_familiar(&tag) {
            self.familiar.insert(tag, ());
        }
    }

    pub(super) fn forget(&self, tag: &Tag) {
        self.familiar.remove(tag);
    }

    /// No code panics while it holds the lock, and each step leaves the table whole.
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buckets {
    fn of(&mut self, source: Source, now: Duration) -> &mut Bucket {
        let full = self.sources.len() >= limits::MISS_SOURCES_MAX;
        if full && !self.sources.contains_key(&source) {
            self.sweep(now);
            if self.sources.len() >= limits::MISS_SOURCES_MAX {
                let crowd = Bucket::full(limits::MISSES_PER_ADDRESS_PER_SECOND, now);
                return self.crowd.get_or_insert(crowd);
            }
        }
        self.sources.entry(source).or_insert_with(|| Bucket::full(source.rate(), now))
    }

    /// Forgets who has a full budget again.
    fn sweep(&mut self, now: Duration) {
        if self.swept_at.is_some_and(|at| now.saturating_sub(at) < Duration::from_secs(1)) {
            return;
        }
        self.swept_at = Some(now);
        self.sources.retain(|_, bucket| {
            bucket.refill(now);
            bucket.tokens < bucket.most()
        });
    }

    /// Bearers and questions do not starve each other.
    fn node(&mut self, source: Source) -> &mut Bucket {
        match source {
            Source::Bearer(_) => &mut self.bearers,
            Source::Client(_) | Source::Caller(_) => &mut self.questions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn address(last: u16) -> Source {
        Source::bearer(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, last, 1, 2, 3, 4)))
    }

    fn drained(misses: &Misses, source: Source) -> usize {
        (0..100_000).take_while(|_| misses.take(source, NOW).is_ok()).count()
    }

    #[test]
    fn a_spent_budget_says_when_there_is_more_and_leaves_others_theirs() {
        let misses = Misses::new(100_000);
        let burst = drained(&misses, address(1));
        assert!((100..1000).contains(&burst), "{burst}");
        let Err(Error::RateLimited { retry_after, .. }) = misses.take(address(1), NOW) else {
            panic!("not limited");
        };
        assert_eq!(misses.refused()[Budget::Bearer as usize], (Budget::Bearer, 2));
        assert!(misses.take(address(2), NOW).is_ok());
        assert!(misses.take(address(1), NOW + retry_after * 2).is_ok());
        assert_eq!(drained(&misses, address(3)), burst);
    }

    #[test]
    fn a_cap_of_none_is_one() {
        let misses = Misses::new(0);
        assert!(drained(&misses, address(1)) > 0);
        assert!(matches!(misses.take(address(1), NOW), Err(Error::RateLimited { .. })));
    }

    #[test]
    fn an_ipv6_client_is_its_64() {
        let [one, other] = ["2001:db8::1", "2001:db8::ffff:0:0:9"]
            .map(|text| Source::bearer(text.parse().expect("an address")));
        assert_eq!(one, other);
        assert_ne!(one, address(1));
        let mapped = Source::bearer("::ffff:192.0.2.1".parse().expect("an address"));
        assert_eq!(mapped, Source::bearer("192.0.2.1".parse().expect("an address")));
    }

    #[test]
    fn what_was_found_costs_nothing() {
        let misses = Misses::new(10);
        for _ in 0..10_000 {
            misses.take(address(1), NOW).expect("never spent");
            misses.give_back(address(1), NOW);
        }
    }

    #[test]
    fn the_nodes_cap_holds_over_all_sources_and_costs_them_nothing() {
        let misses = Misses::new(10);
        let burst = (0..1000).filter(|n| misses.take(address(*n), NOW).is_ok()).count();
        assert!(burst < 200, "{burst}");
        assert!(matches!(misses.take(address(1001), NOW), Err(Error::RateLimited { .. })));
        // Questions have a cap of their own.
        let client = Source::client("192.0.2.1".parse().expect("an address"));
        assert!(misses.take(client, NOW).is_ok());
        let refused = u64::try_from(1000 - burst).expect("few") + 1;
        let expected = [0, 0, 0, refused, 0, 0];
        assert_eq!(misses.refused().map(|(_, count)| count), expected, "all of them the node's");
    }

    #[test]
    fn the_table_is_bounded_and_the_crowd_shares_one_budget() {
        let misses = Misses::new(u32::MAX);
        let many = u32::try_from(limits::MISS_SOURCES_MAX).expect("a table that fits") + 10_000;
        let passed = (0..many)
            .filter(|n| {
                let bits = (0x2001_0db8_u128 << 96) | (u128::from(*n) << 64);
                misses.take(Source::bearer(IpAddr::V6(Ipv6Addr::from_bits(bits))), NOW).is_ok()
            })
            .count();
        assert!(passed < limits::MISS_SOURCES_MAX + 1000, "{passed}");
        assert_eq!(misses.lock().sources.len(), limits::MISS_SOURCES_MAX);
        // An hour later everybody's budget is full again, so there is room.
        let late = Source::client("192.0.2.9".parse().expect("an address"));
        assert!(misses.take(late, NOW + Duration::from_hours(1)).is_ok());
        assert_eq!(misses.lock().sources.len(), 1);
    }
}
