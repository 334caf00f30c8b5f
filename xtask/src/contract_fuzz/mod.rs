//! Schemathesis against a real server: replies are what `/openapi.json` says of them, whatever is
//! asked. The document is from the code, so a mismatch is wrong in one of the two.

mod server;

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::TaskResult;
use crate::faults::number;
use crate::process::{self, cargo};
use crate::tools::python::Packages;
use server::Server;

/// What schemathesis is told.
const FOLDER: &str = "xtask/src/contract_fuzz";

/// Cases that are drawn for each call; those that follow from its schema alone come beside them.
const CASES: &str = "6";
const CASES_LONG: &str = "300";
/// Of the short form, which is the same each time.
const SEED: &str = "1";

const CHECKS: &str = "not_a_server_error,response_schema_conformance,\
                      content_type_conformance,status_code_conformance";

/// Parts of the description, by who calls them.
const KEYS: [&str; 3] = ["native", "sub-accounts", "accounts"];
const MEMBERS: [&str; 1] = ["service-accounts"];

/// What follows from each schema, what is drawn, and what one call's reply lets another ask.
const ALL: &str = "coverage,fuzzing,stateful";
/// For callers who are refused nearly everywhere.
const DRAWN: &str = "fuzzing";

/// Who calls, and what.
struct Caller<'a> {
    who: &'static str,
    tags: &'a [&'static str],
    phases: &'static str,
    headers: Vec<String>,
    /// The id of the key that it calls with.
    own: String,
    /// Cases that are drawn for each call, where the usual number would be the same ones again.
    cases: Option<&'static str>,
}

impl<'a> Caller<'a> {
    const fn new(who: &'static str, tags: &'a [&'static str], phases: &'static str) -> Self {
        Self { who, tags, phases, headers: Vec::new(), own: String::new(), cases: None }
    }

    fn with(mut self, header: String) -> Self {
        self.headers.push(header);
        self
    }

    const fn of_cases(mut self, cases: &'static str) -> Self {
        self.cases = Some(cases);
        self
    }

    fn of_key(mut self, id: String) -> Self {
        self.own = id;
        self
    }
}

/// What was asked for.
struct Asked<'a> {
    cases: &'a str,
    seed: Option<&'a str>,
}

/// Runs the short form or, with `--long`, the one for an hour of one's own.
pub(crate) fn run(root: &Path, words: &[&str]) -> TaskResult {
    let asked = parse(words)?;
    let packages = prepare(root)?;
    fuzz(root, &packages, &asked)
}

/// The short form among the tests; where schemathesis cannot be had, it is left out, save in CI.
pub(crate) fn run_short(root: &Path, ci: bool) -> TaskResult {
    match prepare(root) {
        Ok(packages) => fuzz(root, &packages, &Asked { cases: CASES, seed: Some(SEED) }),
        Err(error) => leave_out(&*error, ci),
    }
}

fn leave_out(error: &dyn Error, ci: bool) -> TaskResult {
    if ci {
        let why = "schemathesis cannot be had, and with CI=true nothing is left out";
        return Err(format!("{why}: {error}").into());
    }
    println!("{error}");
    println!("left out: requests drawn from /openapi.json (no schemathesis)");
    Ok(())
}

fn parse<'a>(words: &[&'a str]) -> TaskResult<Asked<'a>> {
    let mut asked = Asked { cases: CASES, seed: Some(SEED) };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            // Another seed each time: the short form has seen the fixed one.
            "--long" => asked = Asked { cases: CASES_LONG, seed: None },
            "--cases" => asked.cases = number(&mut words, word)?,
            "--seed" => asked.seed = Some(number(&mut words, word)?),
            other => return Err(format!("{other}: --long, --cases or --seed").into()),
        }
    }
    Ok(asked)
}

fn prepare(root: &Path) -> TaskResult<Packages> {
    let path = env::var_os("PATH").unwrap_or_default();
    let requirements = root.join(FOLDER).join("requirements.txt");
    let tools = root.join("target/tools");
    let packages = Packages::prepare(&path, &tools, "schemathesis", &requirements)?;
    packages.check("schemathesis.cli")?;
    Ok(packages)
}

fn fuzz(root: &Path, packages: &Packages, asked: &Asked<'_>) -> TaskResult {
    process::run(cargo(root).args(["build", "--package", "tenantry"]))?;
    let folder = root.join("target/contract-fuzz");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let server = Server::start(&root.join("target/debug/tenantry"), &folder)?;
    let run = |caller: &Caller<'_>| {
        println!("\n== as {}", caller.who);
        let mut command = packages.module("schemathesis.cli");
        let ours = root.join(FOLDER);
        command.env("SCHEMATHESIS_HOOKS", ours.join("hooks.py"));
        command.env("TENANTRY_FUZZ_OWN_KEY", &caller.own);
        command.current_dir(&folder).arg("--config-file").arg(ours.join("schemathesis.toml"));
        configure(&mut command, asked, caller);
        process::run(command.arg(format!("{}/openapi.json", server.url())))
    };
    let bearer = |key: &str| format!("Authorization: Bearer {key}");

    let master = server.master_key()?;
    let own = server.key_id(&master)?;
    run(&Caller::new("a master key", &KEYS, ALL).with(bearer(&master)).of_key(own))?;

    let tenant = format!("x-tenantid: {}", server.organization());
    let token = bearer(&server.admin_token()?);
    let headers = [token, tenant, "realmname: local".to_owned()];
    run(&headers.into_iter().fold(Caller::new("an administrator", &MEMBERS, ALL), Caller::with))?;

    // Made now: the master key has closed whatever accounts it met.
    let key = server.sub_account_key(&master)?;
    let own = server.key_id(&key)?;
    run(&Caller::new("a sub-account's key", &KEYS, DRAWN).with(bearer(&key)).of_key(own))?;

    let all = [KEYS[0], KEYS[1], KEYS[2], MEMBERS[0]];
    run(&Caller::new("nobody", &all, DRAWN).of_cases("1"))?;
    // Had they lost their keys, most of what they asked would have been refused at the door.
    server.key_id(&master)?;
    server.key_id(&key)?;
    server.stop()
}

fn configure(command: &mut Command, asked: &Asked<'_>, caller: &Caller<'_>) {
    let cases = caller.cases.unwrap_or(asked.cases);
    command.args(["run", "--checks", CHECKS, "--max-examples", cases]);
    // Wrong credentials are counted, and answered late beyond a number: callers have theirs.
    command.args(["--continue-on-failure", "--generation-with-security-parameters", "false"]);
    // What it keeps between runs would make one run differ from the next.
    command.args(["--generation-database", "none", "--warnings", "off", "--no-color"]);
    command.args(asked.seed.iter().flat_map(|seed| ["--seed", seed]));
    command.args(["--phases", caller.phases]);
    command.args(caller.headers.iter().flat_map(|header| ["--header", header]));
    command.args(caller.tags.iter().flat_map(|tag| ["--include-tag", tag]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_form_is_the_same_each_time_and_the_long_one_is_not() {
        let short = parse(&[]).expect("good");
        assert_eq!((short.cases, short.seed), (CASES, Some(SEED)));
        let long = parse(&["--long"]).expect("good");
        assert_eq!((long.cases, long.seed), (CASES_LONG, None));
        let again = parse(&["--long", "--cases", "9", "--seed", "7"]).expect("good");
        assert_eq!((again.cases, again.seed), ("9", Some("7")));
        assert!(parse(&["--cases"]).is_err() && parse(&["native"]).is_err());
    }

    #[test]
    fn without_schemathesis_the_tests_go_on_and_ci_does_not() {
        let error = std::io::Error::other("no network");
        assert!(leave_out(&error, false).is_ok());
        let refused = leave_out(&error, true).expect_err("CI leaves nothing out").to_string();
        assert!(refused.ends_with(": no network"), "{refused}");
    }
}
