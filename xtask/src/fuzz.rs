//! The fuzz targets for as long as one likes: `crates/tenantry/tests/fuzz/` says what each does.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;

use crate::TaskResult;
use crate::faults::number;
use crate::process::{self, cargo};

/// How long each target runs unless told otherwise.
const SECONDS: &str = "3600";

/// Runs all targets one after the other, or one of them.
pub(crate) fn run(root: &Path, words: &[&str]) -> TaskResult {
    let (mut seconds, mut seed, mut target) = (SECONDS, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--seconds" => seconds = number(&mut words, word)?,
            "--seed" => seed = Some(number(&mut words, word)?.to_owned()),
            name if target.is_none() && !name.starts_with('-') => target = Some(name),
            other => return Err(format!("{other}: a target, --seconds or --seed").into()),
        }
    }
    // Another one each time: the short form has seen the fixed one.
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish().to_string());
    println!("{seconds} s a target, seed {seed} (again with --seed {seed})");
    let mut test = cargo(root);
    test.args(["test", "-p", "tenantry", "--test", "fuzz"]);
    test.args(target.map(|target| format!("{target}::{target}")));
    test.args(["--", "--nocapture", "--test-threads=1"]);
    test.env("TENANTRY_FUZZ_SECONDS", seconds).env("BOLERO_RANDOM_SEED", seed);
    process::run(&mut test)
}
