//! Access tokens and introspection, beside HELLO and a server that others made.
//!
//! Each algorithm has a server of its own on an empty store. Tokens live for ten minutes, so those
//! that are introspected are got just before.

mod issued;

use crate::keys::Draw;
use crate::load::Until;
use crate::plan::{CONNECTIONS, Plan, REPETITIONS};
use crate::report::{Figure, Report, Row, Wanted};
use crate::requests::Requests;
use crate::sample::{self, Sample};
use crate::server::{self, Server};
use crate::statistics::median_ratio;
use crate::{Outcome, clock, history, prepare, process, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry::wiring::{self, Missing};
use tenantry_core::accounts::NewOrganization;
use tenantry_core::replay::Once;
use tenantry_core::service_accounts::NewServiceAccount;
use tenantry_core::text::{Line, Name};

/// Access tokens per second, and introspections, of a release server
#[derive(clap::Args)]
pub(crate) struct Tokens {
    /// The release server
    #[arg(long, default_value = "target/release/tenantry")]
    server: PathBuf,
    /// Short runs: a minute
    #[arg(long)]
    quick: bool,
    /// Where stores are kept
    #[arg(long, default_value = "target/bench-store")]
    stores: PathBuf,
    /// Where results are kept
    #[arg(long, default_value = "bench/results")]
    results: PathBuf,
    /// One more argument for the servers; may be repeated
    #[arg(long, allow_hyphen_values = true)]
    serve_with: Vec<String>,
    /// node, for the server that others made
    #[arg(long, requires = "peer_script")]
    peer_node: Option<PathBuf>,
    /// Its script, beside its packages
    #[arg(long, requires = "peer_node")]
    peer_script: Option<PathBuf>,
    /// Only scenarios whose name contains this (no result is written)
    #[arg(long)]
    only: Option<String>,
}

/// What is measured in each repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Hello,
    Token(&'static str),
    Peer,
    Seen,
    Unseen,
}

impl Scenario {
    const ALL: [Self; 7] = [
        Self::Hello,
        Self::Token("ES256"),
        Self::Token("EdDSA"),
        Self::Token("RS256"),
        Self::Peer,
        Self::Seen,
        Self::Unseen,
    ];

    fn name(self) -> String {
        match self {
            Self::Hello => "HELLO: bare axum, JSON in and out".to_owned(),
            Self::Token(algorithm) => format!("token, {algorithm}"),
            Self::Peer => "oidc-provider: token, ES256".to_owned(),
            Self::Seen => "introspection, token seen before".to_owned(),
            Self::Unseen => "introspection, token not seen before".to_owned(),
        }
    }
}

/// How much is measured.
struct Sizes {
    form: &'static str,
    time: Duration,
    /// Tokens that are introspected again and again.
    seen: u64,
    /// Tokens that are introspected once.
    unseen: u64,
}

const LONG: Sizes =
    Sizes { form: "tokens", time: Duration::from_secs(4), seen: 10_000, unseen: 60_000 };
const QUICK: Sizes =
    Sizes { form: "tokens, quick", time: Duration::from_millis(1200), seen: 1_000, unseen: 10_000 };

/// A server that signs by one algorithm, with a client.
struct Served {
    algorithm: &'static str,
    server: Server,
    /// `client_id:secret`, base64.
    basic: String,
    /// Who introspects: the organization's master key.
    master: String,
}

struct Site {
    sizes: &'static Sizes,
    hello: Server,
    served: Vec<Served>,
    peer: Option<Server>,
}

impl Tokens {
    pub(crate) fn run(&self) -> Outcome {
        let sizes = if self.quick { &QUICK } else { &LONG };
        let began = clock::now();
        let load_averages = process::load_averages();
        println!("load averages at the start: {load_averages}");
        let more = server::arguments(&self.server, &self.serve_with)?;
        let served = |algorithm| Served::start(&self.server, &self.stores, algorithm, &more);
        let peer = match (&self.peer_node, &self.peer_script) {
            (Some(node), Some(script)) => Some(Server::peer(node, script)?),
            _ => None,
        };
        let served = ["ES256", "EdDSA", "RS256"].map(served).into_iter().collect::<Outcome<_>>()?;
        let mut site = Site { sizes, hello: Server::hello()?, served, peer };
        let rows = site.repeat(self.only.as_deref())?;
        site.stop()?;
        let report = Report {
            at: clock::stamp(),
            form: sizes.form.to_owned(),
            commit: run::commit(),
            processor: process::processor(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            load_averages,
            figures: figures(&rows),
            rows,
        };
        report.print(history::latest(&self.results, sizes.form).as_ref());
        if self.only.is_none() {
            println!("\nkept as {}", history::keep(&self.results, &report)?.display());
        }
        println!("{:.0} s in all", began.elapsed().as_secs_f64());
        Ok(())
    }
}

impl Served {
    fn start(
        binary: &Path,
        stores: &Path,
        algorithm: &'static str,
        more: &[String],
    ) -> Outcome<Self> {
        let data = stores.join(format!("tokens-{algorithm}"));
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let (basic, master) = begin(&data)?;
        let arguments = [&["--signing-algorithm".to_owned(), algorithm.to_owned()], more].concat();
        let server = Server::tenantry(binary, &data, 1000, &arguments)?;
        Ok(Self { algorithm, server, basic, master })
    }

    /// So many tokens, got now.
    fn issue(&self, count: u64) -> Outcome<Vec<String>> {
        issued::get(self.server.address, Requests::token("/oauth2/token", &self.basic), count)
    }
}

/// Makes an organization with a service account: its id and secret, and the master key.
fn begin(data: &Path) -> Outcome<(String, String)> {
    let local = wiring::open(&prepare::config(data)?, Missing::Create)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let new = NewOrganization {
            name: Name::parse("Organization")?,
            member_name: Name::parse("Owner")?,
            member_email: Line::parse("owner@localhost")?,
        };
        let operator = prepare::operator(None);
        let organization = local.plane.create_organization(&operator, new, Once::unkept()).await?;
        let (operator, account) =
            (prepare::operator(Some(organization.account.id)), organization.account.id);
        let new = NewServiceAccount::default();
        let made =
            local.plane.create_service_account(&operator, account, new, Once::unkept()).await?;
        let id = &made.details.service_account.client_id;
        let basic = STANDARD.encode(format!("{id}:{}", made.secret.reveal()));
        Ok((basic, organization.secret.reveal().to_owned()))
    })
}

impl Site {
    /// Runs every scenario in each repetition, and returns a row for each, the control first.
    fn repeat(&mut self, only: Option<&str>) -> Outcome<Vec<Row>> {
        let mut scenarios = Scenario::ALL.to_vec();
        if self.peer.is_none() {
            println!("left out: oidc-provider (no node, npm or registry)");
            scenarios.retain(|scenario| *scenario != Scenario::Peer);
        }
        if let Some(only) = only {
            scenarios.retain(|s| *s == Scenario::Hello || s.name().contains(only));
        }
        let mut rows: Vec<Row> =
            scenarios.iter().map(|s| Row { name: s.name(), samples: Vec::new() }).collect();
        for repetition in 0..REPETITIONS {
            println!("repetition {} of {REPETITIONS}", repetition + 1);
            for index in Plan::order(repetition, scenarios.len()) {
                let sample = self.sample(scenarios[index])?;
                let cpu = sample.cpu_micros.unwrap_or(0.0);
                println!("  {:36} {:>9.0} /s {cpu:>8.1} us", rows[index].name, sample.rate);
                rows[index].samples.push(sample);
            }
        }
        Ok(rows)
    }

    fn sample(&self, scenario: Scenario) -> Outcome<Sample> {
        let until = Until::Elapsed(self.sizes.time);
        let take = |server, until, requests: &mut Requests<'_>| {
            sample::take(server, CONNECTIONS, until, requests)
        };
        let introspected = &self.served[0];
        match scenario {
            Scenario::Hello => take(&self.hello, until, &mut Requests::hello()),
            Scenario::Token(algorithm) => {
                let served = self.served.iter().find(|served| served.algorithm == algorithm);
                let served = served.ok_or("no such server")?;
                take(&served.server, until, &mut Requests::token("/oauth2/token", &served.basic))
            }
            Scenario::Peer => {
                let peer = self.peer.as_ref().ok_or("no such server")?;
                let basic = STANDARD.encode("bench:bench");
                take(peer, until, &mut Requests::token("/token", &basic))
            }
            Scenario::Seen => {
                let tokens = introspected.issue(self.sizes.seen)?;
                let ask = |draw| Requests::introspect(&introspected.master, &tokens, draw);
                let once = Until::Requests(self.sizes.seen);
                take(&introspected.server, once, &mut ask(Draw::walk(0, self.sizes.seen)))?;
                let draw = Draw::uniform(self.sizes.seen, 7);
                take(&introspected.server, until, &mut ask(draw))
            }
            Scenario::Unseen => {
                let tokens = introspected.issue(self.sizes.unseen)?;
                introspected.server.settle()?;
                let draw = Draw::walk(0, self.sizes.unseen);
                let mut requests = Requests::introspect(&introspected.master, &tokens, draw);
                let once = Until::Requests(self.sizes.unseen);
                take(&introspected.server, once, &mut requests)
            }
        }
    }

    fn stop(self) -> Outcome {
        self.served.into_iter().try_for_each(|served| served.server.stop())
    }
}

/// What the rows add up to, and what is wanted of it. Ratios are taken repetition by repetition.
fn figures(rows: &[Row]) -> Vec<Figure> {
    let rates = |scenario: Scenario| {
        let name = scenario.name();
        rows.iter().find(|row| row.name == name).map(Row::rates)
    };
    let wanted = [
        ("token ES256 / HELLO", Scenario::Token("ES256"), Scenario::Hello, Some(0.36)),
        ("token EdDSA / HELLO", Scenario::Token("EdDSA"), Scenario::Hello, Some(0.40)),
        ("token RS256 / HELLO", Scenario::Token("RS256"), Scenario::Hello, None),
        ("introspection, seen / HELLO", Scenario::Seen, Scenario::Hello, Some(0.7)),
        ("introspection, unseen / HELLO", Scenario::Unseen, Scenario::Hello, Some(0.25)),
        ("token ES256 / oidc-provider", Scenario::Token("ES256"), Scenario::Peer, Some(8.0)),
    ];
    let mut figures = Vec::new();
    for (name, over, under, wanted) in wanted {
        let value = rates(over).zip(rates(under)).and_then(|(o, u)| median_ratio(&o, &u));
        figures.extend(value.map(|value| {
            let figure = Figure::one(name.to_owned(), "x", value);
            match wanted {
                Some(least) => figure.wanting(Wanted::AtLeast(least)),
                None => figure,
            }
        }));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ratio_is_of_one_repetition_and_says_what_is_wanted() {
        let row = |scenario: Scenario, rates: [f64; 3]| Row {
            name: scenario.name(),
            samples: rates.map(Sample::of_rate).into(),
        };
        let rows = [
            row(Scenario::Hello, [100.0, 50.0, 100.0]),
            row(Scenario::Token("ES256"), [40.0, 20.0, 10.0]),
            row(Scenario::Peer, [4.0, 2.0, 1.0]),
        ];
        let figures = figures(&rows);
        let shown: Vec<String> =
            figures.iter().map(|figure| format!("{} {:.2}", figure.name, figure.value)).collect();
        assert_eq!(shown, ["token ES256 / HELLO 0.40", "token ES256 / oidc-provider 10.00"]);
        assert!(figures.iter().all(|figure| figure.wanted.is_some()));
    }

    #[test]
    fn tokens_are_introspected_long_before_they_end() {
        for sizes in [LONG, QUICK] {
            // At the least that one core of a slow machine does.
            let seconds = (sizes.seen + sizes.unseen) / 1_000;
            assert!(seconds < 300, "{}", sizes.form);
        }
    }
}
