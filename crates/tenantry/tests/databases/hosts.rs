//! Which hosts are dialled for a customer: every spelling of what is not theirs to name.

use crate::provisioning::text;
use crate::support::{Settings, TestApp};
use hyper::StatusCode;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::time::Duration;
use tenantry_backends::tenant::dial::DialSettings;
use tenantry_core::clock::{Clock as _, SystemClock};
use tenantry_core::database::{
    Access, DatabaseHost, DatabaseIdentifier, DatabasePort, DatabaseState, Login, Names, Nonce,
    Refused, Step, TenantDatabase,
};
use tenantry_core::dialling::{DialRules, NamedBy};
use tenantry_core::ids::AccountId;
use tenantry_core::secrets::WrappedKey;

/// Cases 64, 65 and 67.
const HOSTS: [&str; 63] = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "::",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "[::ffff:127.0.0.1]",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "127.0.0.1.",
    "localhost.",
    "127.0.0.1:5432",
    "127.0.0.1 ",
    "169.254.169.254",
    "fd00:ec2::254",
    "metadata.google.internal",
    "100.100.100.200",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "198.18.0.1",
    "fe80::1%eth0",
    "fe80::1",
    "ff02::1",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "/var/run/postgresql",
    "@abstract",
    "a,b",
    "127.0.0.1,127.0.0.1",
    "h?host=127.0.0.1",
    "h user=x",
    "postgres://127.0.0.1/x",
    "h:5432",
    "h/../x",
    "",
    "*",
    "%31",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "127.0.0.1\0",
    "ⓛocalhost",
    "127.0.0.1#",
];

/// Listeners on every address of this machine that a test can have.
struct Ears {
    ears: Vec<TcpListener>,
    port: u16,
}

impl Ears {
    fn new() -> Self {
        let four = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port");
        let port = four.local_addr().expect("its address").port();
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        let ears: Vec<_> = [Some(four), six.ok()].into_iter().flatten().collect();
        for ear in &ears {
            ear.set_nonblocking(true).expect("set");
        }
        Self { ears, port }
    }

    fn heard(&self) -> usize {
        self.ears.iter().filter(|ear| ear.accept().is_ok()).count()
    }
}

fn strict() -> Settings {
    let mut settings = Settings::default();
    settings.policy.dial_budget = Duration::from_millis(1);
    settings.dialling =
        DialSettings { connect_deadline: Duration::from_millis(200), ..DialSettings::default() };
    settings
}

fn request(host: &str, port: u16) -> Value {
    json!({
        "name": "a", "multi_tenant": true, "db_host": host, "db_port": port, "db_name": "d",
        "db_user": "u", "db_password": "p",
    })
}

/// What an attacker may write for an address: as a number, in parts, in other bases, mapped.
fn spellings(address: Ipv4Addr, seed: u32) -> String {
    let [a, b, c, d] = address.octets();
    let number = u32::from(address);
    let (high, low) = (number >> 16, number & 0xffff);
    match seed % 12 {
        0 => address.to_string(),
        1 => number.to_string(),
        2 => format!("{number:#x}"),
        3 => format!("0{number:o}"),
        4 => format!("{a}.{}", number & 0xff_ffff),
        5 => format!("{a}.{b}.{low}"),
        6 => format!("{a:#x}.{b:#o}.{c}.{d:#x}"),
        7 => format!("::ffff:{address}"),
        8 => format!("::ffff:{high:x}:{low:x}"),
        9 => format!("64:ff9b::{high:x}:{low:x}"),
        10 => format!("2002:{high:x}:{low:x}::1"),
        _ => format!("::{address}"),
    }
}

#[tokio::test]
async fn case_64_65_67_no_spelling_of_an_address_that_is_not_public_is_dialled() {
    let (app, ears) = (TestApp::start(strict()).await, Ears::new());
    let (names, before) = (names(), app.counts().await);
    let mut generated = Vec::new();
    let denied = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "0.0.0.0/8",
        "198.18.0.0/15",
    ];
    for index in 0..300_u32 {
        // Drawn by multiplication: the same on every run, and all over the networks.
        let chance = index.wrapping_mul(2_654_435_761);
        let network: ipnet::Ipv4Net = denied[index as usize % denied.len()].parse().expect("one");
        let host = u32::from(network.network()) | (chance & u32::from(network.hostmask()));
        generated.push(spellings(Ipv4Addr::from(host), chance >> 7));
        generated.push(spellings(Ipv4Addr::LOCALHOST, index));
    }
    let hosts = HOSTS.iter().map(|host| (*host).to_owned()).chain(generated);
    for host in hosts {
        let (status, body) = app.create(&request(&host, ears.port)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{host}: {body}");
        // And below the form that a host has to have.
        let at = Access {
            host: &host,
            port: ears.port,
            user: "u",
            password: "p",
            named_by: NamedBy::Customer,
        };
        assert!(app.servers.look(at, &names).await.is_err(), "{host}");
    }
    assert_eq!(ears.heard(), 0, "somebody was dialled");
    assert_eq!(app.counts().await, before);
}

#[tokio::test]
async fn case_65_75_refusals_of_a_host_are_the_same_words_and_name_no_setting() {
    let mut settings = strict();
    settings.policy.dial_budget = Duration::from_millis(300);
    let app = TestApp::start(settings).await;
    let mut bodies = Vec::new();
    for host in ["10.0.0.1", "169.254.169.254", "::1", "localhost"] {
        let (status, body) = app.create(&request(host, 5432)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(text(&body, "message"), "db_host is not allowed", "{host}");
        bodies.push(body.to_string());
    }
    assert!(bodies.iter().all(|body| !body.contains("cidr")));
    // A name's refusal takes as long as any that was dialled, whatever its server says and when.
    for host in ["localhost", "nowhere.invalid"] {
        let began = SystemClock.now();
        app.create(&request(host, 5432)).await;
        assert!(SystemClock.now() >= began.plus(Duration::from_millis(300)), "{host}");
    }
}

#[tokio::test]
async fn the_planes_own_addresses_are_not_dialled_even_in_a_network_that_is_allowed() {
    let ears = Ears::new();
    let mut settings = Settings::default();
    settings.policy.dial_budget = Duration::from_millis(1);
    settings.dialling.own = vec![([127, 0, 0, 1], ears.port).into()];
    let app = TestApp::start(settings).await;
    let (status, body) = app.create(&request("127.0.0.1", ears.port)).await;
    assert_eq!(
        (status, text(&body, "message")),
        (StatusCode::BAD_REQUEST, "db_host is not allowed")
    );
    assert_eq!(ears.heard(), 0);
}

#[tokio::test]
async fn case_66_one_address_of_several_that_is_not_allowed_is_enough() {
    // `localhost` is both where the machine has IPv6; each alone is not enough.
    let ears = Ears::new();
    let mut settings = strict();
    let allowed = "192.0.2.0/24".parse().expect("a network");
    settings.dialling.rules = DialRules { allowed: vec![allowed] };
    let app = TestApp::start(settings).await;
    let at = Access {
        host: "localhost",
        port: ears.port,
        user: "u",
        password: "p",
        named_by: NamedBy::Customer,
    };
    assert!(matches!(app.servers.look(at, &names()).await, Err(Refused::NotAllowed)));
    assert_eq!(ears.heard(), 0);
}

#[tokio::test]
async fn case_75_an_organization_has_so_many_dials_in_a_minute() {
    let mut settings = strict();
    settings.policy.dials_per_minute = 3;
    let app = TestApp::start(settings).await;
    for _ in 0..3 {
        assert_eq!(app.create(&request("nowhere.invalid", 1)).await.0, StatusCode::BAD_REQUEST);
    }
    let body = request("nowhere.invalid", 1);
    let send = app.send(hyper::Method::POST, "/sub-accounts/create", &app.key, Some(&body), None);
    let (status, headers, _) = send.await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=60).contains(&wait));
}

/// Names for a database that nobody makes.
pub(crate) fn names() -> Names {
    let now = tenantry_core::clock::Timestamp::from_seconds(0);
    Names::of(&TenantDatabase {
        account: AccountId::from_bytes([1; 16]),
        root: AccountId::from_bytes([2; 16]),
        host: DatabaseHost::parse("db").expect("a host"),
        port: DatabasePort::DEFAULT,
        name: DatabaseIdentifier::parse("d").expect("a name"),
        server: None,
        user: DatabaseIdentifier::parse("u").expect("a name"),
        nonce: Nonce([3; 8]),
        state: DatabaseState::Provisioning,
        step: Step::Requested,
        acknowledged: false,
        origin: None,
        credential: None,
        key: WrappedKey { kek: 1, bytes: Vec::new() },
        root_password: None,
        passwords: [None, None],
        next_password: None,
        login: Login::A,
        overlap_until: None,
        pending: None,
        schema_version: 0,
        failure: None,
        attempts: 0,
        due_at: None,
        created_at: now,
        updated_at: now,
        version: 1,
    })
}
