//! The fault tests, short or long: `crates/tenantry/tests/faults/` says what each of them does, and
//! `crates/tenantry/tests/cluster/` and `rolling/` what those of several nodes do.

use std::path::Path;
use std::process::Command;

use crate::TaskResult;
use crate::process::{self, cargo};
use crate::test::Tools;

/// The tests' modules, of one node.
const NAMES: [&str; 11] = [
    "kill", "cut", "power", "sync", "full", "starved", "crowd", "canary", "panics", "restore",
    "leases",
];
/// Those of nodes on PostgreSQL.
const ROLLING: [&str; 9] = [
    "killed",
    "unanswered",
    "slow",
    "storm",
    "migrating",
    "balanced",
    "poison",
    "management",
    "calls",
];
/// How often each of the latter is made in the long form.
const REPEATS_LONG: &str = "50";
/// Kills of the long form.
const KILLS_LONG: &str = "500";
/// Power cuts of the long form.
const CUTS_LONG: &str = "50";

/// Slow clients of the long form, quiet and disturbed rounds beside them, and how long one is.
const CROWD_LONG: [(&str, &str); 3] =
    [("CLIENTS", "2000"), ("ROUNDS", "3"), ("ROUND_MILLIS", "8000")];

/// The tests of several nodes, a binary of their own.
const CLUSTER: &str = "cluster";
/// Keys that each of them revokes in the long form, how often it disturbs something meanwhile, how long
/// a node is stopped, and that latencies are held to what is promised.
const CLUSTER_LONG: [(&str, &str); 4] =
    [("REVOKES", "1000"), ("DISTURBANCES", "50"), ("AWAY_MILLIS", "10000"), ("LATENCIES", "1")];

/// The lease storm and the races for the last slot, which are the stores' own tests.
const RACES: &str = "races";
/// What of them is run.
const RACES_TESTS: [&str; 2] = ["lease_storm", "of_a_hundred_at_once"];
/// Operations of the storm, and rounds of a race, in the long form.
const RACES_LONG: [(&str, &str); 2] =
    [("TENANTRY_STORM_OPERATIONS", "1000000"), ("TENANTRY_RACE_ROUNDS", "1000")];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked<'a> {
    name: Option<&'a str>,
    long: bool,
    kills: Option<&'a str>,
    cuts: Option<&'a str>,
    seed: Option<&'a str>,
}

/// Runs all fault tests, or those of one name.
pub(crate) fn run(root: &Path, words: &[&str]) -> TaskResult {
    let asked = parse(words)?;
    let tools = Tools::prepare(root, false)?;
    if asked.name.is_none_or(|name| name == RACES) {
        let mut races = cargo(root);
        tools.name_to(&mut races);
        configure_races(&mut races, asked.long);
        process::run(&mut races)?;
    }
    if asked.name == Some(RACES) {
        return Ok(());
    }
    let mut test = cargo(root);
    tools.name_to(&mut test);
    if asked.long {
        process::run(cargo(root).args(["build", "--release", "-p", "tenantry"]))?;
        test.env("TENANTRY_FAULTS_BINARY", root.join("target/release/tenantry"));
    }
    configure(&mut test, &asked);
    process::run(&mut test)
}

fn parse<'a>(words: &[&'a str]) -> TaskResult<Asked<'a>> {
    let mut asked = Asked::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--long" => asked.long = true,
            "--kills" => asked.kills = Some(number(&mut words, word)?),
            "--cuts" => asked.cuts = Some(number(&mut words, word)?),
            "--seed" => asked.seed = Some(number(&mut words, word)?),
            name if is_test(name) && asked.name.is_none() => asked.name = Some(name),
            other => {
                let names = [&NAMES[..], &[CLUSTER, RACES], &ROLLING[..]].concat().join(", ");
                return Err(
                    format!("{other}: one of {names}, --long, --kills, --cuts, --seed").into()
                );
            }
        }
    }
    if asked.long {
        asked.kills = asked.kills.or(Some(KILLS_LONG));
        asked.cuts = asked.cuts.or(Some(CUTS_LONG));
    }
    Ok(asked)
}

fn is_test(name: &str) -> bool {
    name == CLUSTER || name == RACES || NAMES.contains(&name) || ROLLING.contains(&name)
}

/// The number after an option.
pub(crate) fn number<'a>(
    words: &mut std::slice::Iter<'_, &'a str>,
    option: &str,
) -> TaskResult<&'a str> {
    let word = words.next().filter(|word| word.parse::<u64>().is_ok());
    word.copied().ok_or_else(|| format!("{option}: a number is wanted").into())
}

fn filter(name: &str) -> String {
    format!("{name}::")
}

fn configure_races(test: &mut Command, long: bool) {
    test.args(["test", "-p", "tenantry-backends", "--test", "sqlite", "--test", "conformance"]);
    test.args(["--", "--nocapture", "--test-threads=1"]).args(RACES_TESTS);
    if long {
        test.envs(RACES_LONG);
    }
}

fn configure(test: &mut Command, asked: &Asked<'_>) {
    test.args(["test", "-p", "tenantry"]);
    match asked.name {
        None => test.args(["--test", "faults", "--test", CLUSTER, "--test", "rolling"]),
        Some(CLUSTER) => test.args(["--test", CLUSTER]),
        Some(name) if ROLLING.contains(&name) => test.args(["--test", "rolling", &filter(name)]),
        Some(name) => test.args(["--test", "faults", &filter(name)]),
    };
    // One after the other, so that each has the machine to itself; figures and seeds are shown.
    test.args(["--", "--nocapture", "--test-threads=1"]);
    let settings = [("KILLS", asked.kills), ("CUTS", asked.cuts), ("SEED", asked.seed)];
    for (name, value) in settings {
        if let Some(value) = value {
            test.env(format!("TENANTRY_FAULTS_{name}"), value);
        }
    }
    if asked.long {
        test.env("TENANTRY_FAULTS_REPEATS", REPEATS_LONG);
    }
    for (name, value) in CROWD_LONG.iter().chain(&CLUSTER_LONG).filter(|_| asked.long) {
        test.env(format!("TENANTRY_FAULTS_{name}"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_form_has_its_numbers_unless_others_are_given() {
        let asked = parse(&["kill", "--long", "--kills", "7", "--seed", "1"]).expect("good");
        assert_eq!((asked.name, asked.kills, asked.cuts), (Some("kill"), Some("7"), Some("50")));
        assert_eq!(asked.seed, Some("1"));
        assert_eq!(parse(&[]).expect("good"), Asked::default());
    }

    #[test]
    fn a_name_runs_the_tests_that_it_is_of() {
        let binaries = |words: &[&str]| -> Vec<String> {
            let mut test = Command::new("cargo");
            configure(&mut test, &parse(words).expect("good"));
            let words: Vec<_> = test.get_args().map(|word| word.to_string_lossy()).collect();
            words.windows(2).filter(|pair| pair[0] == "--test").map(|p| p[1].to_string()).collect()
        };
        assert_eq!(binaries(&["slow"]), ["rolling"]);
        assert_eq!(binaries(&["crowd"]), ["faults"]);
        assert_eq!(binaries(&["cluster"]), ["cluster"]);
        assert_eq!(binaries(&[]), ["faults", "cluster", "rolling"]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for words in [&["--kills"][..], &["--kills", "x"], &["flood"], &["kill", "power"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
