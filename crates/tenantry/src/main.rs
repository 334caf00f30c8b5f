//! The `tenantry` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    tenantry::run(std::env::args_os())
}
