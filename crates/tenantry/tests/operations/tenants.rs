//! Databases of tenants' own, run from the command line on a server of the operator's.

use crate::support::{self, Outcome, Site, outcome};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tenantry_backends::testing::Server as Postgres;
use tenantry_testbed::programs;

/// The operator's user's password on the server, and a pattern to look for.
const OPERATORS: &str = "canary of the operator's user";
/// A customer's root password.
const CUSTOMERS: &str = "canary of the customer's user";

/// A plane whose operator has a server for tenants, on the newest PostgreSQL that there is.
struct Tenants {
    site: Site,
    postgres: Postgres,
}

impl Tenants {
    fn start() -> Option<Self> {
        let found = programs::find_postgres_next().or_else(programs::find_postgres);
        let demanded = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(found.is_some() || !demanded, "CI=true, and there is no PostgreSQL to test with");
        let (site, postgres) = (Site::new(), Postgres::start_plain(&found?));
        for (user, password) in [("operators", OPERATORS), ("customers", CUSTOMERS)] {
            let password = password.replace('\'', "''");
            let sql = format!("CREATE ROLE {user} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'");
            postgres.execute("postgres", &sql).expect("a role");
        }
        fs::write(site.path("password"), format!("{OPERATORS}\n")).expect("written");
        let servers = format!(
            "[[database_servers]]\nname = \"own\"\nhost = \"127.0.0.1\"\nport = {}\n\
             user = \"operators\"\npassword-file = \"password\"\n",
            postgres.port()
        );
        fs::write(site.path("tenantry.toml"), servers).expect("written");
        fs::create_dir(site.path("schema")).expect("made");
        let tenants = Self { site, postgres };
        tenants.file(1, "effects", "CREATE TABLE effects (version bigint NOT NULL);");
        Some(tenants)
    }

    /// A further file of the product's schema. Applied twice, it shows twice.
    fn file(&self, version: u32, name: &str, sql: &str) {
        let name = format!("{version:04}_{name}.sql");
        let text = format!("{sql}\nINSERT INTO effects VALUES ({version});\n");
        fs::write(self.site.path("schema").join(name), text).expect("written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.site.command(arguments);
        command.env("TENANTRY_TENANT_MIGRATIONS", "schema");
        for name in ["TENANTRY_ALLOW_DATABASE_CIDR", "TENANTRY_PLAINTEXT_DATABASE_CIDR"] {
            command.env(name, "127.0.0.0/8");
        }
        command
    }

    fn databases(&self, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(&[&["databases"], arguments].concat()))
    }

    fn serve(&self, data: &Path) -> support::Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("TENANTRY_DATA_DIR", data);
        Site::start(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A sub-account with a database on the operator's server; its id.
    fn managed(&self, server: &support::Server, number: u32) -> String {
        let body = json!({ "name": format!("s{number}"), "database": { "managed": true } });
        let (status, reply) = server.post("/v1/accounts", self.site.master_key(), &body);
        assert_eq!(status, 201, "{reply}");
        assert_eq!(reply["account"]["status"], "active", "{reply}");
        reply["account"]["id"].as_str().expect("an id").to_owned()
    }

    /// The databases' names, in the order in which they are gone through.
    fn names(&self) -> Vec<String> {
        let listed = self.databases(&["list", "--json"]).good().json();
        let listed = listed.as_array().expect("a list").iter();
        listed.map(|database| database["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Which files have had their effect in a database, each as often as it had.
    fn effects(&self, database: &str) -> Vec<i64> {
        let sql = "SELECT version FROM effects ORDER BY version";
        let rows = self.postgres.query(database, sql).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Does something while noting a file in the history of a database takes for ever; who is at that
    /// then is cut off, as by a crash of the server.
    fn while_noting_waits(&self, database: &str, something: impl FnOnce()) {
        let wait = "CREATE FUNCTION tenantry.wait() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END';
            CREATE TRIGGER wait BEFORE INSERT ON tenantry.schema_history
            FOR EACH ROW EXECUTE FUNCTION tenantry.wait()";
        self.postgres.execute(database, wait).expect("a trigger");
        something();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'PgSleep'";
        let ended = self.postgres.query(database, end).expect("ended").len();
        assert_eq!(ended, 1, "somebody waited");
        let go_on = "DROP FUNCTION tenantry.wait() CASCADE";
        self.postgres.execute(database, go_on).expect("no trigger");
    }

    /// Which it says that it has.
    fn history(&self, database: &str) -> Vec<i64> {
        let sql = "SELECT version::bigint FROM tenantry.schema_history ORDER BY version";
        let rows = self.postgres.query(database, sql).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

/// Whether a file below a directory holds a text.
fn holds(directory: &Path, text: &str) -> bool {
    directory.read_dir().expect("a directory").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = fs::read(&path).expect("a file");
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// Seen failing with the history written in a transaction of its own after the file's.
#[test]
fn a_migration_of_100_tenants_is_killed_half_way_and_resumed_and_nothing_is_applied_twice() {
    const TENANTS: u32 = 100;
    let Some(tenants) = Tenants::start() else { return };
    let server = tenants.serve(&tenants.site.data());
    for number in 0..TENANTS {
        tenants.managed(&server, number);
    }
    server.end();
    let names = tenants.names();
    assert_eq!(names.len(), TENANTS as usize);

    tenants.file(2, "more", "ALTER TABLE effects ADD COLUMN IF NOT EXISTS more text;");
    tenants.file(3, "most", "ALTER TABLE effects ADD COLUMN IF NOT EXISTS most text;");
    let mut command = tenants.command(&["databases", "migrate", "--all"]);
    // One of them does not get past its note, so that the end is sure to come between the two.
    tenants.while_noting_waits(&names[TENANTS as usize / 2], || {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        while tenants.history(&names[TENANTS as usize * 6 / 10]).len() == 1 {
            assert!(child.try_wait().expect("a child").is_none(), "over before it was half-way");
        }
        child.kill().and_then(|()| child.wait()).expect("killed");
    });

    let full = |name: &&String| tenants.history(name) == [1, 2, 3];
    let done = names.iter().filter(full).count();
    assert!((30..100).contains(&done), "{done} were done");
    let resumed = tenants.databases(&["migrate", "--all", "--json"]).good().json();
    let resumed = resumed.as_array().expect("a list").iter();
    let applied = resumed.filter(|one| one["applied"].as_u64().expect("a count") > 0).count();
    assert!((1..=100 - done).contains(&applied), "{applied} besides {done}");
    for name in &names {
        assert_eq!(tenants.effects(name), [1, 2, 3], "{name}");
        assert_eq!(tenants.history(name), [1, 2, 3], "{name}");
    }
    let told = tenants.databases(&["migrate", "--all"]).good().stdout;
    assert_eq!(told, "100 of 100 tenant databases are up to date, 0 of them since now.\n");
}

#[test]
fn a_tenant_that_fails_is_told_stops_no_other_and_as_a_canary_stops_all() {
    let Some(tenants) = Tenants::start() else { return };
    let server = tenants.serve(&tenants.site.data());
    let ids: BTreeSet<_> = (0..4).map(|number| tenants.managed(&server, number)).collect();
    server.end();
    let listed = tenants.databases(&["list", "--json"]).good().json();
    let [broken, good @ ..] = &tenants.names()[..] else { panic!("none") };
    let account = listed[0]["account_id"].as_str().expect("an id");
    assert!(ids.contains(account));
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        tenants.postgres.execute(broken, &sql).expect("renamed");
    };
    rename("effects", "hidden");
    tenants.file(2, "more", "ALTER TABLE effects ADD COLUMN more text;");

    let refused = tenants.databases(&["migrate", "--all", "--canary", "1"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("3 were not tried, since a canary failed"), "{refused:?}");
    for name in good {
        assert_eq!(tenants.effects(name), [1]);
    }
    let refused = tenants.databases(&["migrate", "--all"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("1 of 4 tenant databases were not migrated"), "{refused:?}");
    let line = refused.stdout.lines().find(|line| line.contains(account)).expect("named");
    assert!(line.contains("0002") || line.contains('2'), "says which file: {line}");
    for name in good {
        assert_eq!(tenants.effects(name), [1, 2]);
    }
    assert_eq!(tenants.history(broken), [1]);

    rename("hidden", "effects");
    tenants.databases(&["migrate", "--account", account]).good();
    assert_eq!(tenants.effects(broken), [1, 2]);
    // Who comes later has all of it at once.
    let server = tenants.serve(&tenants.site.data());
    tenants.managed(&server, 5);
    server.end();
    assert!(tenants.names().iter().all(|name| tenants.effects(name) == [1, 2]));
}

#[test]
fn credentials_outlast_a_rotation_of_the_key_and_a_restore_and_no_password_shows_anywhere() {
    let Some(tenants) = Tenants::start() else { return };
    let (site, postgres) = (&tenants.site, &tenants.postgres);
    let server = tenants.serve(&site.data());
    let managed = tenants.managed(&server, 0);
    let contract = json!({
        "name": "adopted", "multi_tenant": true, "db_name": "adopted", "db_host": "127.0.0.1",
        "db_port": postgres.port(), "db_user": "customers", "db_password": CUSTOMERS,
    });
    let (status, reply) = server.post("/sub-accounts/create", site.master_key(), &contract);
    assert_eq!((status, &reply["db_name"]), (200, &json!("adopted")), "{reply}");
    let adopted = reply["id"].as_str().expect("an id").to_owned();

    let mut passwords = vec![OPERATORS.to_owned(), CUSTOMERS.to_owned()];
    let credentials = |account: &str| -> Value {
        tenants.databases(&["credentials", account, "--json"]).good().json()
    };
    let login = |given: &Value, database: &str| {
        let part = |name: &str| given[name].as_str().expect("a part").to_owned();
        let (user, password) = (part("user"), part("password"));
        let rows = postgres.query_as((&user, &password), database, "SELECT 1 FROM effects");
        rows.map(|_| password)
    };
    let first = credentials(&adopted);
    passwords.push(login(&first, "adopted").expect("let in"));
    let rotated = tenants.databases(&["rotate", &adopted, "--grace", "1h", "--json"]).good().json();
    passwords.push(login(&rotated, "adopted").expect("let in"));
    login(&first, "adopted").expect("let in for an hour yet");
    let before = credentials(&managed);
    passwords.push(before["password"].as_str().expect("a password").to_owned());
    let shown = tenants.databases(&["status", &managed]).good().stdout;
    assert!(shown.contains("own") && shown.contains("schema version there"), "{shown}");
    let mut told = shown + &tenants.databases(&["list"]).good().stdout + &server.end();

    // The key-encryption key goes, and what it sealed is read as before.
    let file = site.data().join("secrets.toml");
    let step = |name: &str| {
        let command = format!("{name}-key-encryption-key");
        site.run(&["secrets", &command, file.to_str().expect("UTF-8")]).good();
    };
    step("add");
    step("promote");
    let rewrapped = tenants.databases(&["rewrap"]).good().stdout;
    assert!(rewrapped.starts_with("2 data keys") && rewrapped.contains("2 of them since now"));
    step("retire");
    fs::remove_file(site.data().join("secrets.toml.before")).expect("removed");
    assert_eq!(credentials(&managed)["password"], before["password"]);

    // Nor do they stay behind with a data directory that is lost.
    site.run(&["backup", "a.backup"]).good();
    site.run(&["restore", "a.backup", "--data-dir", "restored"]).good();
    let server = tenants.serve(&site.path("restored"));
    let path = format!("/v1/accounts/{adopted}/database/credentials");
    let (status, given) = server.post(&path, site.master_key(), &json!({}));
    assert_eq!(status, 200, "{given}");
    assert_eq!(login(&given, "adopted").expect("let in"), passwords[3]);
    told += &server.end();

    for password in &passwords {
        for directory in ["data", "restored"] {
            assert!(!holds(&site.path(directory), password), "{password} is in {directory}");
        }
        let backup = fs::read(site.path("a.backup")).expect("the backup");
        assert!(!backup.windows(password.len()).any(|window| window == password.as_bytes()));
        assert!(!told.contains(password), "{password} is in what was printed or logged");
    }
    assert!(holds(&site.data(), &adopted) || holds(&site.data(), "adopted"), "the search finds");
}
