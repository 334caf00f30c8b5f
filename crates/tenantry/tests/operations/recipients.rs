//! Backups that whoever makes them cannot open.

use crate::support::{Site, outcome};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const PASSPHRASE: &str = "TENANTRY_BACKUP_PASSPHRASE";
const RECIPIENT: &str = "TENANTRY_BACKUP_RECIPIENT";
const RECIPIENT_FILE: &str = "TENANTRY_BACKUP_RECIPIENT_FILE";

#[test]
fn an_identity_is_its_owners_alone_is_never_overwritten_and_tells_its_recipient() {
    let site = Site::new();
    let (identity, recipient) = site.key_pair("a");
    assert!(recipient.starts_with("tenantry-recipient-") && !recipient.contains('\n'));
    let mode = |mode| fs::set_permissions(&identity, fs::Permissions::from_mode(mode));
    let metadata = fs::metadata(&identity).expect("there");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let written = fs::read_to_string(&identity).expect("there");
    let secrets = written.lines().filter(|line| line.starts_with("tenantry-identity-"));
    assert_eq!(secrets.count(), 1, "the identity, and the recipient beside it");
    assert!(written.contains(&recipient));

    site.run(&["backup-key", "create", &identity]).refused("an identity is never overwritten");
    assert_eq!(fs::read_to_string(&identity).expect("there"), written);
    let told = site.run(&["backup-key", "recipient", &identity]).good();
    assert_eq!(told.stdout, format!("{recipient}\n"));
    let told = site.run(&["backup-key", "recipient", &identity, "--json"]).good();
    assert_eq!(told.json()["recipient"], *recipient);

    mode(0o640).expect("set");
    site.run(&["backup-key", "recipient", &identity]).refused("can be read by others");
    mode(0o600).expect("set");
    // Relative to where the command runs, as every other file.
    site.run(&["backup-key", "create", "here"]).good();
    assert_eq!(site.names(), ["data", "here"]);
}

#[test]
fn whoever_has_one_of_the_identities_restores_and_nobody_else() {
    let site = Site::new();
    let [(first, a), (second, b), (third, c), (stranger, _)] =
        ["1", "2", "3", "4"].map(|name| site.key_pair(name));
    fs::write(site.path("recipients"), format!("# ours\n\n{b}\n  {c}  \n{a}\n")).expect("written");
    let backup = ["backup", "a.backup", "--recipient", &a, "--recipient-file", "recipients"];
    let made = site.run(&backup).good();
    assert!(made.stdout.contains("to 3 recipients"), "{made:?}");
    for identity in [&first, &second, &third] {
        let restore = ["restore", "a.backup", "--check", "--identity", identity];
        site.run(&restore).good();
    }
    let restore = ["restore", "a.backup", "--data-dir", "new"];
    let with = |more: &[&str]| site.run(&[&restore[..], more].concat());
    with(&["--identity", &stranger]).refused("it is not sealed to the recipient of this identity");
    // The passphrase of the environment is no answer, nor is one that is named.
    with(&[]).refused("only the identity of one of them opens it. Name its file with --identity");
    fs::write(site.path("passphrase"), "a long passphrase\n").expect("written");
    with(&["--passphrase-file", "passphrase"]).refused("only the identity");
    fs::write(site.path("public"), &a).expect("written");
    fs::set_permissions(site.path("public"), fs::Permissions::from_mode(0o600)).expect("set");
    with(&["--identity", "public"]).refused("that is a recipient, which only seals");
    with(&["--identity", "nowhere"]).refused("could not read nowhere");
    site.run(&["backup", "b.backup"]).good();
    site.run(&["restore", "b.backup", "--data-dir", "new", "--identity", &first])
        .refused("it is sealed under a passphrase, which an identity does not open");
    let left = ["a.backup", "b.backup", "data", "passphrase", "public", "recipients"];
    assert_eq!(site.names(), left);
    with(&["--identity", &third]).good();
}

#[test]
fn a_recipient_that_is_none_is_refused_before_anything_is_written_and_a_secret_not_repeated() {
    let site = Site::new();
    let (identity, recipient) = site.key_pair("a");
    let secret = fs::read_to_string(&identity).expect("there");
    let secret = secret.lines().last().expect("the identity");
    let slip = format!("{}1{}", &recipient[..30], &recipient[31..]);
    let backup = |recipient: &str| site.run(&["backup", "a.backup", "--recipient", recipient]);
    backup(&slip).refused("mistyped or incomplete");
    backup(&recipient[..recipient.len() - 1]).refused("mistyped or incomplete");
    backup("ssh-ed25519 AAAA").refused("a recipient begins with tenantry-recipient-");
    let refused = backup(secret).refused("the secret half");
    assert!(!refused.stderr.contains(&secret[20..]), "{refused:?}");
    fs::write(site.path("recipients"), format!("{recipient}\n{slip}\n")).expect("written");
    let file = |name: &str| site.run(&["backup", "a.backup", "--recipient-file", name]);
    file("recipients").refused("recipients, line 2: it is mistyped");
    fs::write(site.path("recipients"), "# nobody\n").expect("written");
    file("recipients").refused("it names no recipient");
    let many: Vec<String> = (0..17).map(|name| site.key_pair(&format!("n{name}")).1).collect();
    fs::write(site.path("recipients"), many.join("\n")).expect("written");
    file("recipients").refused("at most 16 recipients");
    let words = ["backup", "a.backup", "--recipient", &recipient, "--passphrase-file", "x"];
    assert_eq!(site.run(&words).code, Some(2), "one or the other");
    assert_eq!(site.names(), ["data", "recipients"]);
}

#[test]
fn a_backup_that_runs_by_itself_takes_its_recipient_from_its_settings() {
    let site = Site::new();
    let (identity, recipient) = site.key_pair("a");
    let (other, other_recipient) = site.key_pair("b");
    fs::write(site.path("recipients"), &other_recipient).expect("written");
    let settings = format!("[backup]\nrecipient = [\"{recipient}\"]\n");
    fs::write(site.path("tenantry.toml"), &settings).expect("written");
    let both = format!("{recipient}, {other_recipient}");
    let backup = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = site.command(&[&["backup", "a.backup"], arguments].concat());
        outcome(command.env_remove(PASSPHRASE).envs(variables.iter().copied()))
    };
    let opens = |identity: &str| {
        site.run(&["restore", "a.backup", "--check", "--identity", identity]).code == Some(0)
    };
    for (variables, arguments, opened) in [
        (&[][..], &[][..], [true, false]),
        (&[(RECIPIENT, &*both)], &[], [true, true]),
        (&[(RECIPIENT_FILE, "recipients")], &[], [false, true]),
        (&[(RECIPIENT, &*recipient)], &["--recipient-file", "recipients"], [false, true]),
        (&[(PASSPHRASE, "a long passphrase")], &["--recipient", &recipient], [true, false]),
        (&[(PASSPHRASE, "a long passphrase")], &[], [false, false]),
    ] {
        backup(variables, arguments).good();
        assert_eq!([opens(&identity), opens(&other)], opened, "{variables:?} {arguments:?}");
        fs::remove_file(site.path("a.backup")).expect("removed");
    }
    let two = [(RECIPIENT, &*recipient), (PASSPHRASE, "a long passphrase")];
    backup(&two, &[]).refused("exclude each other");
    backup(&[(RECIPIENT, "")], &[]).refused("a recipient begins with");
    fs::write(site.path("tenantry.toml"), settings.replace("recipient", "recipients"))
        .expect("written");
    backup(&[], &[]).refused("unknown field `recipients`");
    assert_eq!(site.names(), ["data", "recipients", "tenantry.toml"]);
}
