//! The suite on PostgreSQL behind pgbouncer, which gives each transaction another session.

use crate::on_postgres::OnPostgres;
use crate::support::NOW;
use std::sync::OnceLock;
use tenantry_backends::postgres::{PostgresOptions, PostgresStore};
use tenantry_backends::testing::Server;
use tenantry_testbed::pooler::Pooler;
use tenantry_testbed::programs;

/// The one pooler of all tests of this program; none where the machine has none.
fn pooler(server: &Server) -> Option<&'static Pooler> {
    static POOLER: OnceLock<Option<Pooler>> = OnceLock::new();
    let start = || Some(Pooler::start(&programs::find_pgbouncer()?, server.directory()));
    let pooler = POOLER.get_or_init(start).as_ref();
    let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(pooler.is_some() || !demanded, "CI=true, and there is no pgbouncer to test with");
    pooler
}

async fn start() -> Option<OnPostgres> {
    let server = Server::shared()?;
    let pooler = pooler(server)?;
    let database = server.database();
    let name = database.url().rsplit('/').next()?.to_owned();
    let options = PostgresOptions {
        direct_url: Some(database.url().to_owned()),
        ..PostgresOptions::new(pooler.url(&name), NOW)
    };
    Some(OnPostgres::open(database, &options).await)
}

crate::suite!();

#[tokio::test]
async fn migrations_run_through_it_where_there_is_no_other_way() {
    let Some(server) = Server::shared() else { return };
    let Some(pooler) = pooler(server) else { return };
    let database = server.empty_database();
    let name = database.url().rsplit('/').next().expect("a name").to_owned();
    let options = PostgresOptions::new(pooler.url(&name), NOW);
    let nodes = (0..4).map(|_| PostgresStore::open(&options));
    for opened in futures_util::future::join_all(nodes).await {
        opened.expect("a store");
    }
}
