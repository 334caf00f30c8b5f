//! Rate limits in a real Valkey or Redis.

use governor::clock::FakeRelativeClock;
use governor::{Quota as Other, RateLimiter};
use std::num::NonZeroU32;
use std::time::Duration;
use tenantry_backends::redis::RedisMeters;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::error::Error;
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::rates::{Meter, MeterOf, Metered, Quota, Rate, SharedMeters as _, Spending};
use tenantry_core::rng::{Rng, SeededRng};
use tenantry_testbed::programs;
use tenantry_testbed::valkey::Valkey;
use tokio::task::JoinSet;

const ROOT: AccountId = AccountId::from_bytes([1; 16]);

/// A server with these settings; none where the machine has none.
fn server(settings: &[&str]) -> Option<Valkey> {
    programs::find_valkey().map(|program| Valkey::start(&program, settings))
}

fn meters(server: &Valkey) -> RedisMeters {
    RedisMeters::new(&server.url()).expect("an address")
}

fn meter(of: u8, limit: i64, window: i64) -> Meter {
    let of = MeterOf::Key(CredentialId::from_bytes([of; 16]));
    Meter { of, rate: Rate::new(limit, window).expect("a rate") }
}

async fn spend(meters: &RedisMeters, of: &[Meter], cost: u32) -> Vec<Metered> {
    meters.spend(ROOT, of, Spending::Spend, cost).await.expect("an answer")
}

fn admitted(metered: &[Metered]) -> bool {
    metered.iter().all(|metered| metered.outcome.admitted)
}

fn draw(rng: &SeededRng, below: u32) -> u32 {
    let mut bytes = [0; 4];
    rng.fill(&mut bytes);
    u32::from_be_bytes(bytes) % below
}

#[tokio::test]
async fn windows_are_spent_from_together_or_not_at_all() {
    let Some(server) = server(&[]) else { return };
    let meters = meters(&server);
    let (narrow, wide) = (meter(1, 1, 3600), meter(2, 3, 3600));
    assert!(admitted(&spend(&meters, &[narrow, wide], 1).await));
    for _ in 0..5 {
        let refused = spend(&meters, &[narrow, wide], 1).await;
        let [first, second] = &refused[..] else { panic!("{refused:?}") };
        assert!(!first.outcome.admitted && second.outcome.admitted);
        assert_eq!((first.outcome.remaining, second.outcome.remaining), (0, 2));
    }
    let looked = meters.spend(ROOT, &[wide], Spending::Look, 2).await.expect("an answer");
    assert!(admitted(&looked) && looked[0].outcome.remaining == 2);
    assert!(!admitted(&spend(&meters, &[wide], 3).await));
    assert!(admitted(&spend(&meters, &[wide], 2).await));
    // Of another tree, and of another window, nothing was spent.
    let other = meters.spend(AccountId::from_bytes([2; 16]), &[wide], Spending::Spend, 3).await;
    assert!(admitted(&other.expect("an answer")));
    assert!(admitted(&spend(&meters, &[meter(2, 3, 60)], 3).await));
}

/// Times are the server's; which they were is told by each answer, and governor is set to them.
#[tokio::test]
async fn every_history_is_decided_as_governor_decides_it() {
    let Some(server) = server(&[]) else { return };
    let meters = meters(&server);
    let rng = SeededRng::new(7);
    let (mut yes, mut no) = (0, 0);
    for history in 0..40 {
        let limit = i64::from(draw(&rng, 400) + 1);
        let meter = meter(history, limit, 1);
        let quota = Quota::of(meter.rate);
        let interval = Duration::from_micros(quota.interval.unsigned_abs());
        let burst = NonZeroU32::new(u32::try_from(quota.burst).expect("a burst"));
        let other = Other::with_period(interval).expect("an interval");
        let clock = FakeRelativeClock::default();
        let other =
            RateLimiter::direct_with_clock(other.allow_burst(burst.expect("some")), clock.clone());
        let mut last = None;
        for _ in 0..150 {
            let cost = draw(&rng, 1 + u32::try_from(limit).expect("a limit") / 8) + 1;
            let outcome = spend(&meters, &[meter], cost).await[0].outcome;
            let ahead = i64::try_from(outcome.full_after.as_micros()).expect("a time");
            let now = outcome.tat - ahead;
            let passed = now - last.replace(now).unwrap_or(now);
            clock.advance(Duration::from_micros(u64::try_from(passed).expect("a clock")));
            let expected = other.check_n(NonZeroU32::new(cost).expect("a cost"));
            assert_eq!(outcome.admitted, matches!(expected, Ok(Ok(()))), "{outcome:?}");
            *(if outcome.admitted { &mut yes } else { &mut no }) += 1;
        }
    }
    assert!(yes > 500 && no > 500, "{yes} {no}");
}

#[tokio::test]
async fn of_those_who_ask_at_once_as_many_as_may_are_let_in() {
    let Some(server) = server(&[]) else { return };
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        // A node each.
        let meters = meters(&server);
        asking.spawn(async move {
            let mut let_in = 0;
            for _ in 0..20 {
                let_in += u32::from(admitted(&spend(&meters, &[meter(1, 100, 3600)], 1).await));
            }
            let_in
        });
    }
    assert_eq!(asking.join_all().await.iter().sum::<u32>(), 100);
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_within_its_time_and_comes_back() {
    let Some(mut server) = server(&[]) else { return };
    let meters = meters(&server);
    let one = meter(1, 1, 3600);
    assert!(admitted(&spend(&meters, &[one], 1).await));
    server.kill();
    let clock = SystemClock;
    let started = clock.monotonic();
    for _ in 0..2 {
        let refused = meters.spend(ROOT, &[one], Spending::Spend, 1).await;
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    assert!(clock.monotonic().saturating_sub(started) < Duration::from_secs(5));
    server.start_again();
    // The connection of before is found to be none by its first use.
    let _ = meters.spend(ROOT, &[one], Spending::Look, 1).await;
    assert!(admitted(&spend(&meters, &[one], 1).await), "it has forgotten everything");
    assert!(!admitted(&spend(&meters, &[one], 1).await));
}

/// F20: what may not be forgotten is not written, and that is told.
#[tokio::test]
async fn f20_a_full_server_is_unavailable_and_one_that_forgets_is_warned_of() {
    let Some(roomy) = server(&[]) else { return };
    assert_eq!(meters(&roomy).check_settings().await.expect("an answer"), None);
    let full = ["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"];
    let Some(full) = server(&full) else { return };
    let (meters, rng) = (meters(&full), SeededRng::new(3));
    assert_eq!(meters.check_settings().await.expect("an answer"), None);
    let mut told = None;
    let filled = {
        for _ in 0..200_000 {
            let mut id = [0; 16];
            rng.fill(&mut id);
            let of = MeterOf::Key(CredentialId::from_bytes(id));
            let meter = Meter { of, rate: Rate::new(1, 3600).expect("a rate") };
            if let Err(error) = meters.spend(ROOT, &[meter], Spending::Spend, 1).await {
                told = Some(error);
                break;
            }
        }
        told.is_some()
    };
    assert!(filled && matches!(told, Some(Error::Unavailable(_))), "{told:?}");
    let forgets = ["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lru"];
    let Some(forgets) = server(&forgets) else { return };
    let warned = self::meters(&forgets).check_settings().await.expect("an answer");
    assert!(warned.is_some_and(|text| text.contains("allkeys-lru")));
}

#[test]
fn an_address_is_a_redis_url() {
    for url in ["redis://127.0.0.1", "redis://u:p@h:6379/1", "rediss://h", "unix:///run/s"] {
        assert!(RedisMeters::new(url).is_ok(), "{url}");
    }
    for url in ["", "127.0.0.1:6379", "http://h", "redis://"] {
        assert!(RedisMeters::new(url).is_err(), "{url}");
    }
}
