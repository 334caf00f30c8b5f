//! `UsageStore::sum_usage`: whose, of when, in which groups; and the same whether a call is in the rows
//! of hours or in its record.

use crate::backend::Backend;
use crate::support::Draw;
use crate::usage::{DAY, HOUR, START, World, hours, record, sent};
use std::collections::BTreeMap;
use std::slice;
use std::time::Duration;
use tenantry_core::clock::Timestamp;
use tenantry_core::ids::{AccountId, CredentialId};
use tenantry_core::leads::NodeId;
use tenantry_core::leases::{Amount, CallRecord, Costs};
use tenantry_core::limits;
use tenantry_core::usage::{
    Counted, Grain, Group, GroupBy, Measure, Period, SumQuery, UsageSum, Verified, Whose, rows_of,
};

impl World {
    fn query(&self, whose: Whose, by: GroupBy) -> SumQuery {
        SumQuery {
            root: self.root.id,
            whose,
            span: hours(START, 24 * 30),
            grain: Grain::Hours,
            counted: Counted::All,
            by,
            after: None,
            limit: 1_000,
        }
    }

    async fn ask(&self, query: &SumQuery) -> Vec<UsageSum> {
        self.store.sum_usage(query).await.expect("sums")
    }

    /// How many calls are told of an account's in seconds of a period.
    async fn calls(&self, account: AccountId, from: Timestamp, to: Timestamp) -> u64 {
        let query = SumQuery {
            span: Period { from, to }.span(),
            counted: Counted::Calls,
            ..self.query(Whose::Accounts([account].into()), GroupBy::Account)
        };
        let sums = self.ask(&query).await;
        sums.iter().filter(|sum| sum.measure == Measure::Calls).map(|sum| sum.amount).sum()
    }
}

/// The record of any call.
fn any_record(draw: &Draw, at: Timestamp) -> CallRecord {
    let number = |below: u64| {
        let bytes: [u8; 8] = tenantry_core::rng::draw(&draw.rng);
        u64::from_be_bytes(bytes) % below
    };
    let cost = || Amount::from_millionths(number(3) * 1_500_001);
    let by_provider = || -> BTreeMap<Box<str>, Amount> {
        let names = ["a", "b", "\u{e9}\" \\ {", "d"].into_iter();
        names.filter(|_| number(2) == 0).map(|name| (name.into(), cost())).collect()
    };
    let costs = Costs {
        synthesizer: by_provider(),
        transcriber: by_provider(),
        llm: by_provider(),
        platform: cost(),
        telephony: cost(),
    };
    let status = ["done", "failed", "busy"][usize::try_from(number(3)).expect("three")];
    let duration = (number(3) > 0).then(|| Duration::from_micros(number(10_000_000_000)));
    CallRecord { duration, costs, ..record(status, at) }
}

pub(crate) async fn sums_are_of_their_own_tree_and_account_alone(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let foreign = World::seeded(backend, 99).await;
    let at = START.plus(HOUR);
    for (world, status) in [(&world, "own"), (&foreign, "foreign")] {
        world.call(&world.own, &record(status, at)).await;
        world.call(&world.sibling, &record(status, at)).await;
        world.call(&world.root, &record(status, at)).await;
    }
    let rows = vec![(world.valid(world.own.id, 1, START), 5)];
    world.store.add_usage(&sent(NodeId::from_bytes([1; 16]), 1, rows)).await.expect("added");
    let rows = vec![(foreign.valid(foreign.own.id, 1, START), 7)];
    world.store.add_usage(&sent(NodeId::from_bytes([2; 16]), 1, rows)).await.expect("added");
    let names = async |query: &SumQuery| -> Vec<(Group, String, u64)> {
        let sums = world.ask(query).await.into_iter();
        let sums = sums.filter(|sum| sum.measure != Measure::Duration);
        sums.map(|sum| (sum.group, sum.name.into(), sum.amount)).collect()
    };
    let (root, own, sibling) = (world.root.id, world.own.id, world.sibling.id);
    for rolled in [false, true] {
        let one = |id| (Group::Account(id), "own".to_owned(), 1);
        let valid = (Group::Account(own), "VALID".to_owned(), 5);
        let mut all = vec![one(root), one(own), one(sibling), valid.clone()];
        all.sort_by_key(|(group, name, _)| (group.place(), name == "VALID"));
        for grain in [Grain::Hours, Grain::Days] {
            if grain == Grain::Days && !rolled {
                continue;
            }
            let ask = |whose| SumQuery { grain, ..world.query(whose, GroupBy::Account) };
            assert_eq!(names(&ask(Whose::Tree)).await, all, "{grain:?}");
            let some = ask(Whose::Accounts([own, foreign.own.id].into()));
            assert_eq!(names(&some).await, [one(own), valid.clone()], "{grain:?}");
            let others = ask(Whose::Accounts([foreign.own.id, foreign.root.id].into()));
            assert_eq!(names(&others).await, []);
            let calls = SumQuery { counted: Counted::Calls, ..some.clone() };
            assert_eq!(names(&calls).await, [one(own)]);
            let verifications = SumQuery { counted: Counted::Verifications, ..some };
            assert_eq!(names(&verifications).await, slice::from_ref(&valid));
        }
        world.roll().await;
    }
    let tree_of_nobody = SumQuery { root: own, ..world.query(Whose::Tree, GroupBy::Hour) };
    assert_eq!(names(&tree_of_nobody).await, []);
}

pub(crate) async fn sums_are_the_same_before_and_after_a_roll(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let accounts = [&world.root, &world.own, &world.sibling];
    let mut number = 0;
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let mut spans = vec![hours(START, 24 * 3), hours(START.plus(HOUR), 30)];
    for (from, long) in [(0, 4_319), (10, 20), (59, 2), (61, 118), (50, 3_000)] {
        let from = START.plus(minutes(from));
        spans.push(Period { from, to: from.plus(minutes(long)) }.span());
    }
    for round in 0..4 {
        for call in 0..25 {
            number += 1;
            let at = START.plus(minutes(number * 37 % 4_320));
            world.call(accounts[call % 3], &any_record(&world.draw, at)).await;
        }
        let whose = [
            Whose::Accounts([world.own.id].into()),
            Whose::Accounts([world.own.id, world.sibling.id, world.root.id].into()),
            Whose::Tree,
        ];
        let mut queries = Vec::new();
        for (span, whose) in spans.iter().flat_map(|span| whose.iter().map(move |w| (*span, w))) {
            for by in [GroupBy::Account, GroupBy::Hour, GroupBy::Day] {
                let query = SumQuery { span, ..world.query(whose.clone(), by) };
                if whose != &Whose::Tree || span.is_of_hours() {
                    queries.push(query.clone());
                }
                if span.is_of_days() && by != GroupBy::Hour {
                    queries.push(SumQuery { grain: Grain::Days, ..query });
                }
            }
        }
        let mut before = Vec::new();
        for query in &queries {
            before.push(world.ask(query).await);
        }
        assert!(before.iter().filter(|sums| sums.len() > 3).count() > 30);
        // In the last round a part stays as it was.
        if round < 3 {
            assert_eq!(world.roll().await, 25);
        } else {
            let calls = world.store.list_unrolled_calls(11).await.expect("a list");
            let calls: Vec<_> = calls.into_iter().map(|call| call.expect("a call")).collect();
            let ids: Vec<_> = calls.iter().map(|call| call.lease).collect();
            world.store.roll_calls(&ids, &rows_of(&calls)).await.expect("rolled");
        }
        for (query, before) in queries.iter().zip(before) {
            assert_eq!(world.ask(query).await, before, "{query:?}");
        }
    }
}

pub(crate) async fn parts_of_hours_are_summed_to_the_instant(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let micros = Duration::from_micros;
    // Around the beginning of an hour, of a second, and around the end of both.
    let hour = START.plus(HOUR * 3);
    let second = hour.plus(Duration::from_mins(30));
    let ends = [
        hour.minus(micros(1)),
        hour,
        second.minus(micros(1)),
        second,
        second.plus(micros(999_999)),
        second.plus(micros(1_000_000)),
        hour.plus(HOUR).minus(micros(1)),
        hour.plus(HOUR),
    ];
    for at in ends {
        world.call(&world.own, &record("x", at)).await;
    }
    let own = world.own.id;
    let last_of_hour = hour.plus(HOUR).minus(Duration::from_secs(1));
    for rolled in [false, true] {
        for (from, to, expected) in [
            (second, second, 2),
            (second.minus(micros(1)), second, 3),
            (hour, last_of_hour, 6),
            (hour, second, 4),
            (second, last_of_hour, 4),
            (second.plus(Duration::from_secs(1)), last_of_hour, 2),
            (hour.minus(Duration::from_secs(1)), hour, 2),
            (START, START.plus(DAY), 8),
            (hour.plus(HOUR), START.plus(DAY), 1),
            (START.plus(DAY), START.plus(DAY), 0),
        ] {
            let told = world.calls(own, from, to).await;
            assert_eq!(told, expected, "{from:?} {to:?}, rolled: {rolled}");
        }
        world.roll().await;
    }
}

pub(crate) async fn sums_beside_rolls_miss_none_and_tell_none_twice(backend: &dyn Backend) {
    const CALLS: u64 = 60;
    let world = World::new(backend).await;
    for number in 0..CALLS {
        let at = START.plus(Duration::from_secs(60 * number));
        world.call(&world.own, &record("x", at)).await;
    }
    let (from, to) = (START.plus(Duration::from_secs(30)), START.plus(HOUR * 2));
    let tree = world.query(Whose::Tree, GroupBy::Day);
    let looking = async {
        let mut looks = 0;
        loop {
            assert_eq!(world.calls(world.own.id, from, to).await, CALLS - 1);
            let sums = world.ask(&tree).await;
            assert_eq!((sums[0].measure, sums[0].amount), (Measure::Calls, CALLS));
            looks += 1;
            let left = world.store.list_unrolled_calls(1).await.expect("a list");
            if left.is_empty() {
                return looks;
            }
        }
    };
    let rolling = async {
        for _ in 0..CALLS {
            let calls = world.store.list_unrolled_calls(1).await.expect("a list");
            let calls: Vec<_> = calls.into_iter().map(|call| call.expect("a call")).collect();
            let ids: Vec<_> = calls.iter().map(|call| call.lease).collect();
            world.store.roll_calls(&ids, &rows_of(&calls)).await.expect("rolled");
            tokio::task::yield_now().await;
        }
    };
    let (looks, ()) = tokio::join!(looking, rolling);
    assert!(looks > 5, "{looks} looks saw nothing of the rolls");
}

pub(crate) async fn groups_come_in_pages(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let mut rows = Vec::new();
    for hour in 0..50 {
        let at = START.plus(HOUR * hour);
        let key = u8::try_from(hour % 7).expect("seven");
        let account = [world.own.id, world.sibling.id][usize::from(key % 2)];
        let mut row = (world.valid(account, key, at), 2);
        rows.push(row.clone());
        row.0.name = "REVOKED".into();
        rows.push(row);
    }
    world.verified(1, rows).await.expect("added");
    for (by, count) in
        [(GroupBy::Hour, 50), (GroupBy::Day, 3), (GroupBy::Key, 7), (GroupBy::Account, 2)]
    {
        for grain in [Grain::Hours, Grain::Days] {
            if (by, grain) == (GroupBy::Hour, Grain::Days) {
                continue;
            }
            let whole = SumQuery { grain, ..world.query(Whose::Tree, by) };
            let all = world.ask(&whole).await;
            assert_eq!(all.len(), 2 * count, "each in two codes, by {by:?}");
            let places: Vec<_> = all.iter().map(|sum| sum.group.place()).collect();
            assert!(places.is_sorted(), "{by:?}");
            for limit in [1, 2, 49, 50] {
                let mut paged = Vec::new();
                let mut after = None;
                loop {
                    let page = world.ask(&SumQuery { limit, after, ..whole.clone() }).await;
                    assert!(page.len() <= 2 * limit as usize);
                    let Some(last) = page.last() else { break };
                    after = Some(last.group.place());
                    paged.extend(page);
                }
                assert_eq!(paged, all, "{by:?} in pages of {limit}");
            }
        }
    }
}

pub(crate) async fn a_credential_is_told_by_its_kind(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let organization = world.draw.organization(&*world.store).await;
    let account = organization.account.id;
    let (machine, secret) = world.draw.service_account(&organization.account, "m");
    let commit = world.draw.commit(account);
    let (stored, sealed) = (world.draw.seal(machine.clone()), world.draw.seal(secret.clone()));
    world.store.insert_service_account(&stored, &sealed, 10, commit).await.expect("stored");
    let ids = [*organization.key.id.as_bytes(), *secret.id.as_bytes(), *machine.id.as_bytes()];
    let rows = ids.map(|id| {
        let mut of = world.valid(account, 0, START);
        (of.root, of.key) = (account, Some(CredentialId::from_bytes(id)));
        (of, 1)
    });
    world.verified(1, rows.to_vec()).await.expect("added");
    let query = SumQuery {
        root: account,
        counted: Counted::Verifications,
        ..world.query(Whose::Tree, GroupBy::Key)
    };
    let mut told: Vec<_> = world.ask(&query).await.into_iter().map(|sum| sum.group).collect();
    let mut expected = vec![
        Group::Key(account, Verified::Key(organization.key.id)),
        Group::Key(account, Verified::Secret(secret.id)),
        Group::Key(account, Verified::Client(machine.id)),
    ];
    expected.sort_by_key(Group::place);
    told.sort_by_key(Group::place);
    assert_eq!(told, expected);
}

pub(crate) async fn names_beyond_the_limit_are_one_sum(backend: &dyn Backend) {
    let world = World::new(backend).await;
    let max = u64::from(limits::USAGE_NAMES_MAX);
    // The later a status, the more calls have it.
    let rows = (0..max + 5).map(|number| {
        let mut of = world.valid(world.own.id, 0, START);
        (of.key, of.measure) = (None, Measure::Calls);
        of.name = format!("status {number:03}").into();
        (of, number + 1)
    });
    world.verified(1, rows.collect()).await.expect("added");
    for whose in [Whose::Tree, Whose::Accounts([world.own.id].into())] {
        let sums = world.ask(&world.query(whose, GroupBy::Account)).await;
        let told: Vec<_> = sums.iter().map(|sum| (&*sum.name, sum.amount)).collect();
        assert_eq!(told.len(), limits::USAGE_NAMES_MAX as usize + 1);
        assert_eq!(told[..2], [("", 1 + 2 + 3 + 4 + 5), ("status 005", 6)]);
    }
}
