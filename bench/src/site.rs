//! The processes of a run, and what each scenario does with them.

use crate::keys::{Draw, Keys};
use crate::load::Until;
use crate::plan::{self, CONNECTIONS, Plan, SMALL_KEYS};
use crate::prepare::Store;
use crate::requests::Requests;
use crate::sample::{self, Sample};
use crate::server::{self, Server};
use crate::{Outcome, controls};
use std::path::PathBuf;

/// What is measured in each repetition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    Hello,
    Cached,
    Zipf,
    Missed,
    Create,
    BulkCreate,
    LoneCreate,
    /// Cached verification of as many keys on another store of `growth`, by its place there, or
    /// beyond them on the large one.
    Grown(usize),
    /// Creates where so many accounts are, by the place in `accounts`.
    CreateAmong(usize),
    Fdatasync,
    SingleCommit,
}

/// A store that is served.
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) keys: Keys,
    pub(crate) caller: String,
}

impl Served {
    pub(crate) fn start(
        binary: &std::path::Path,
        store: &Store,
        cache_entries: u64,
        more: &[String],
    ) -> Outcome<Self> {
        let server = Server::tenantry(binary, &store.data(), cache_entries, more)?;
        Ok(Self { server, keys: Keys::read(&store.key_file())?, caller: store.caller()? })
    }

    /// Asks about each of these keys once, and fails where one does not verify.
    pub(crate) fn ask_once(&self, from: u64, to: u64) -> Outcome {
        let mut requests = Requests::verify(&self.caller, &self.keys, Draw::walk(from, to));
        let until = Until::Requests(to - from);
        let sample = sample::take(&self.server, CONNECTIONS, until, &mut requests)?;
        if sample.errors > 0 {
            return Err(format!("{} keys do not verify", sample.errors).into());
        }
        Ok(())
    }
}

/// All processes of a run.
pub(crate) struct Site<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) hello: Server,
    pub(crate) large: Served,
    pub(crate) grown: Vec<Served>,
    /// An empty store that creates go to.
    pub(crate) create: Server,
    pub(crate) master: String,
    /// Copies of stores that creates go to, and their organizations' master keys.
    pub(crate) among: Vec<(Server, String)>,
    /// Where the disk is measured: beside the stores.
    pub(crate) folder: PathBuf,
    /// Where the walk over the cold keys goes on.
    pub(crate) cold: Draw,
}

impl Site<'_> {
    /// The scenarios of a plan, controls first.
    pub(crate) fn scenarios(plan: &Plan) -> Vec<Scenario> {
        use Scenario::{
            BulkCreate, Cached, Create, CreateAmong, Fdatasync, Grown, Hello, LoneCreate, Missed,
            SingleCommit, Zipf,
        };
        let mut all = vec![Hello, Cached, Zipf, Missed, Create, BulkCreate, LoneCreate];
        all.extend((0..plan.accounts.len()).map(CreateAmong));
        // What creates leave to the disk is over by the time that the disk is measured.
        all.extend((0..=plan.growth.len()).map(Grown));
        all.extend([Fdatasync, SingleCommit]);
        all
    }

    /// What a scenario is called in the table and in results.
    pub(crate) fn name(plan: &Plan, scenario: Scenario) -> String {
        let name = match scenario {
            Scenario::Hello => "HELLO: bare axum, JSON in and out",
            Scenario::Cached => "verify, cached",
            Scenario::Zipf => "verify, zipf over all keys",
            Scenario::Missed => "verify, every one a miss",
            Scenario::Create => "create, durable",
            Scenario::BulkCreate => "bulk create, accounts",
            Scenario::LoneCreate => "create, one lone client",
            Scenario::Grown(index) => {
                let keys = plan.growth.get(index).unwrap_or(&plan.keys);
                return format!("verify, {SMALL_KEYS} hot of {keys} keys");
            }
            Scenario::CreateAmong(index) => {
                return format!("create, among {} accounts", plan.accounts[index]);
            }
            Scenario::Fdatasync => "control: fdatasync",
            Scenario::SingleCommit => "control: SQLite, one row a commit",
        };
        name.to_owned()
    }

    /// Whether this version has the bulk route.
    pub(crate) fn has_bulk(&self) -> Outcome<bool> {
        let mut request = Vec::new();
        Requests::bulk(&self.master).write_next(&mut request);
        // 405: without it, the path names an account.
        Ok(![404, 405].contains(&server::ask(self.create.address, &request)?))
    }

    /// Ends every process in order.
    pub(crate) fn stop(self) -> Outcome {
        let grown = self.grown.into_iter().map(|served| served.server);
        let among = self.among.into_iter().map(|(server, _)| server);
        let all = [self.large.server, self.create].into_iter().chain(grown).chain(among);
        all.into_iter().try_for_each(Server::stop)
    }

    /// Runs a scenario once.
    pub(crate) fn run(&mut self, scenario: Scenario) -> Outcome<Sample> {
        let until = Until::Elapsed(self.plan.time);
        let hot = Draw::uniform(self.plan.hot, 7);
        let large = &self.large;
        let of_large = |draw| Requests::verify(&large.caller, &large.keys, draw);
        match scenario {
            Scenario::Hello => sample::take(&self.hello, CONNECTIONS, until, &mut of_large(hot)),
            Scenario::Cached => {
                large.ask_once(0, self.plan.hot)?;
                sample::take(&large.server, CONNECTIONS, until, &mut of_large(hot))
            }
            Scenario::Zipf => {
                let draw = Draw::zipf(large.keys.count(), 7);
                sample::take(&large.server, CONNECTIONS, until, &mut of_large(draw))
            }
            Scenario::Missed => {
                let mut requests = of_large(self.cold.clone());
                let sample = sample::take(&large.server, CONNECTIONS, until, &mut requests)?;
                if let Some(draw) = requests.into_draw() {
                    self.cold = draw;
                }
                Ok(sample)
            }
            Scenario::Grown(index) => {
                let grown = self.grown.get(index).unwrap_or(large);
                grown.ask_once(0, SMALL_KEYS)?;
                let draw = Draw::uniform(SMALL_KEYS, 7);
                let mut requests = Requests::verify(&grown.caller, &grown.keys, draw);
                sample::take(&grown.server, CONNECTIONS, until, &mut requests)
            }
            Scenario::Create => {
                sample::take(&self.create, CONNECTIONS, until, &mut Requests::create(&self.master))
            }
            Scenario::CreateAmong(index) => {
                let (server, master) = &self.among[index];
                let until = Until::Requests(plan::CREATES);
                sample::take(server, CONNECTIONS, until, &mut Requests::create(master))
            }
            Scenario::BulkCreate => {
                sample::take(&self.create, 2, until, &mut Requests::bulk(&self.master))
            }
            Scenario::LoneCreate => {
                sample::take(&self.create, 1, until, &mut Requests::create(&self.master))
            }
            Scenario::Fdatasync => {
                Ok(Sample::of_rate(controls::fdatasync_rate(&self.folder, self.plan.disk_time)?))
            }
            Scenario::SingleCommit => Ok(Sample::of_rate(controls::single_commit_rate(
                &self.folder,
                self.plan.disk_time,
            )?)),
        }
    }
}
