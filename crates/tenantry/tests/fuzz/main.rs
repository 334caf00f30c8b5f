//! What reads bytes from strangers, fed with bytes: each target for some seconds here, for as long
//! as one likes by `cargo xtask fuzz`.
//!
//! Here bolero draws the input at random from a seed that `.cargo/config.toml` fixes; half of the
//! inputs are edits of an entry of the target's corpus. `cargo bolero test -p tenantry --test fuzz
//! TARGET`, where cargo-bolero is installed, guides the same targets by coverage.

mod corpus;
mod http_bytes;
mod json;
mod json_api;
mod keys;
mod permissions;
mod tokens;

use std::env;
use std::time::Duration;

/// Inputs of a target in the short form.
const ITERATIONS: usize = 3_000;
/// Longest input, in bytes.
const BYTES_MAX: usize = 4096;

/// Runs `target` on random inputs and edits of its corpus, `share` being what part of the usual
/// number of inputs it can afford.
fn fuzz(
    name: &str,
    share: usize,
    target: impl Fn(&[u8]) + std::panic::RefUnwindSafe + std::panic::UnwindSafe,
) {
    let corpus = corpus::read(name);
    // What was found or thought of is not left to chance.
    for entry in &corpus {
        target(entry);
    }
    let check = bolero::check!().with_max_len(BYTES_MAX);
    let run = |input: &[u8]| target(&corpus::shape(input, &corpus));
    match env::var("TENANTRY_FUZZ_SECONDS") {
        Ok(seconds) => {
            let seconds = seconds.parse().expect("TENANTRY_FUZZ_SECONDS is a number");
            check.with_test_time(Duration::from_secs(seconds)).for_each(run);
        }
        Err(_) => check.with_iterations(ITERATIONS / share).for_each(run),
    }
}
