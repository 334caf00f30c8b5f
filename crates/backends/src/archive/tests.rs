use super::*;
use std::io::Cursor;
use tenantry_core::rng::SeededRng;
use zeroize::Zeroizing;

/// Cheap enough for a test that opens a thousand files.
const COST: Cost = Cost { memory_kib: 32, passes: 1, lanes: 1 };

const SECRETS: &[u8] = b"pepper = \"a secret that shows nowhere\"";

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).expect("long enough")
}

/// Everything that can open a backup, and what can be sealed to.
struct Keys {
    passphrase: Passphrase,
    /// The last of the recipients'.
    identity: Identity,
    recipients: Recipients,
}

impl Keys {
    fn new() -> Self {
        let identity = |seed| Identity::generate(&SeededRng::new(seed));
        let all = [7, 8, 9].map(|seed| identity(seed).recipient()).to_vec();
        Self {
            passphrase: passphrase("correct horse battery"),
            identity: identity(9),
            recipients: Recipients::new(all).expect("few").expect("some"),
        }
    }

    /// Both ways to seal, and what opens each.
    fn both(&self) -> [(SealTo<'_>, OpenWith<'_>); 2] {
        [
            (SealTo::Passphrase(&self.passphrase, COST), OpenWith::Passphrase(&self.passphrase)),
            (SealTo::Recipients(&self.recipients), OpenWith::Identity(&self.identity)),
        ]
    }
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| u8::try_from(index * 7 % 251).expect("below 251")).collect()
}

fn manifest(database: Content, secrets: Content) -> Manifest {
    Manifest {
        tenantry: "0.0.0".into(),
        created_at: "2023-11-14T22:13:20Z".into(),
        schema: 1,
        database,
        secrets,
        counts: Counts { accounts: 1, ..Counts::default() },
    }
}

fn write(database: &[u8], to: SealTo<'_>) -> Vec<u8> {
    let mut writer = ArchiveWriter::create(Vec::new(), to, &SeededRng::new(1)).expect("a head");
    let length = database.len() as u64;
    let database = writer.database(length, database, &mut |_| {}).expect("a database");
    let secrets = writer.secrets(SECRETS).expect("secrets");
    writer.finish(&manifest(database, secrets)).expect("the end")
}

fn read(file: &[u8], with: OpenWith<'_>) -> Result<(Vec<u8>, Vec<u8>), ArchiveError> {
    let mut reader = SealedArchive::read(Cursor::new(file))?.open(with)?;
    let mut database = Vec::new();
    reader.database(&mut database, &mut |_, _| {})?;
    let secrets = reader.secrets()?.to_vec();
    reader.finish()?;
    Ok((database, secrets))
}

/// Where the head ends.
fn head_bytes(file: &[u8]) -> usize {
    match SealedArchive::read(Cursor::new(file)).expect("a head").sealing() {
        Sealing::Passphrase => head::FIXED_BYTES,
        Sealing::Recipients(count) => head::FIXED_BYTES + count * recipient::SLOT_BYTES + 32,
    }
}

#[test]
fn what_was_written_reads_back_whatever_its_length() {
    let chunk = stream::CHUNK_BYTES;
    for (to, with) in Keys::new().both() {
        for length in [0, 1, chunk - 9, chunk - 8, chunk, chunk * 2 - 9, chunk * 3 + 17] {
            let database = content(length);
            let (found, secrets) = read(&write(&database, to), with).expect("readable");
            assert!(found == database, "{length}");
            assert_eq!(secrets, SECRETS);
        }
    }
}

#[test]
fn a_flipped_byte_is_found_wherever_it_is() {
    for (to, with) in Keys::new().both() {
        let file = write(&content(2000), to);
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << (at % 8);
            let refused = read(&damaged, with);
            assert!(
                matches!(refused, Err(ArchiveError::Damaged(_) | ArchiveError::NotABackup)),
                "{at}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_file_that_was_cut_off_is_found_wherever_it_was_cut() {
    for (to, with) in Keys::new().both() {
        let file = write(&content(stream::CHUNK_BYTES * 2), to);
        let chunk = stream::CHUNK_BYTES + 16;
        let borders = (0..3).map(|number| head_bytes(&file) + number * chunk);
        let places = (0..400).chain((400..file.len()).step_by(997));
        for at in places.chain(borders).chain([file.len() - 1]) {
            let refused = read(&file[..at], with);
            assert!(
                matches!(refused, Err(ArchiveError::Damaged(_) | ArchiveError::NotABackup)),
                "{at}: {refused:?}"
            );
        }
    }
}

#[test]
fn chunks_cannot_be_left_out_moved_repeated_or_added() {
    for (to, with) in Keys::new().both() {
        let file = write(&content(stream::CHUNK_BYTES * 3), to);
        let (head, rest) = file.split_at(head_bytes(&file));
        let chunks: Vec<&[u8]> = rest.chunks(stream::CHUNK_BYTES + 16).collect();
        assert_eq!(chunks.len(), 4);
        let put = |order: &[usize]| {
            let chunks = order.iter().flat_map(|index| chunks[*index]);
            head.iter().chain(chunks).copied().collect::<Vec<u8>>()
        };
        assert!(read(&put(&[0, 1, 2, 3]), with).is_ok());
        for order in [&[1, 2, 3][..], &[0, 2, 1, 3], &[0, 0, 1, 2, 3], &[0, 1, 3], &[0, 1, 2, 3, 3]]
        {
            let refused = read(&put(order), with);
            assert!(matches!(refused, Err(ArchiveError::Damaged(_))), "{order:?}");
        }
    }
}

#[test]
fn what_does_not_open_it_is_told_apart_from_damage_and_named() {
    let keys = Keys::new();
    let [under, to] = keys.both().map(|(to, _)| write(&content(10), to));
    let other = passphrase("correct horse batterz");
    let refused = read(&under, OpenWith::Passphrase(&other));
    assert!(matches!(refused, Err(ArchiveError::WrongPassphrase)));
    let other = Identity::generate(&SeededRng::new(10));
    let refused = read(&to, OpenWith::Identity(&other));
    assert!(matches!(refused, Err(ArchiveError::WrongIdentity)));
    let refused = read(&under, OpenWith::Identity(&keys.identity));
    assert!(matches!(refused, Err(ArchiveError::UnderPassphrase)));
    let refused = read(&to, OpenWith::Passphrase(&keys.passphrase));
    assert!(matches!(refused, Err(ArchiveError::ToRecipients)));
    let short = Passphrase::new(Zeroizing::new("elevenchars".to_owned()));
    assert!(matches!(short, Err(ArchiveError::PassphraseTooShort)));
}

#[test]
fn each_recipient_opens_it_alone_and_nobody_else() {
    let all: Vec<Identity> =
        (0..=16).map(|seed| Identity::generate(&SeededRng::new(100 + seed))).collect();
    let (stranger, owners) = all.split_last().expect("some");
    let recipients = Recipients::new(owners.iter().map(Identity::recipient).collect());
    let recipients = recipients.expect("few enough").expect("some");
    let file = write(&content(10), SealTo::Recipients(&recipients));
    for identity in owners {
        assert!(read(&file, OpenWith::Identity(identity)).is_ok());
    }
    let refused = read(&file, OpenWith::Identity(stranger));
    assert!(matches!(refused, Err(ArchiveError::WrongIdentity)));
}

/// A slot that opens was not made for another file: the key that it holds is not this one's.
#[test]
fn a_slot_of_another_file_opens_nothing() {
    let keys = Keys::new();
    let to = SealTo::Recipients(&keys.recipients);
    let slots = head::FIXED_BYTES..head::FIXED_BYTES + 3 * recipient::SLOT_BYTES;
    let (mut file, other) = (write(&content(10), to), {
        let writer = ArchiveWriter::create(Vec::new(), to, &SeededRng::new(2)).expect("a head");
        writer.finish(&manifest(none(), none())).expect("a file")
    });
    file[slots.clone()].copy_from_slice(&other[slots.clone()]);
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file[..slots.end]);
    file[slots.end..slots.end + 32].copy_from_slice(sum.as_ref());
    let refused = read(&file, OpenWith::Identity(&keys.identity));
    assert!(matches!(refused, Err(ArchiveError::WrongIdentity)));
}

/// X25519 with such a key would give everybody the same secret.
#[test]
fn nothing_is_sealed_to_a_key_that_is_none() {
    let mut payload = vec![1];
    payload.extend_from_slice(&[0; 32]);
    let mut sum = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    sum.update(b"tenantry-recipient-");
    sum.update(&payload);
    payload.extend_from_slice(&sum.finish().as_ref()[..4]);
    let text = format!("tenantry-recipient-{}", bs58::encode(payload).into_string());
    let recipient = Recipient::parse(&text).expect("its checksum is right");
    let recipients = Recipients::new(vec![recipient]).expect("few").expect("some");
    let refused =
        ArchiveWriter::create(Vec::new(), SealTo::Recipients(&recipients), &SeededRng::new(1));
    assert!(matches!(refused.err(), Some(ArchiveError::BadRecipient)));
}

#[test]
fn other_files_and_later_versions_are_named_as_such() {
    let keys = Keys::new();
    let [under, to] = keys.both();
    for other in [&b""[..], b"SQLite format 3\0", &[0; 4096]] {
        assert!(matches!(read(other, under.1), Err(ArchiveError::NotABackup)));
    }
    let seal = |file: &mut [u8]| {
        let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file[..88]);
        file[88..120].copy_from_slice(sum.as_ref());
    };
    // Anybody can write a head whose key would take all memory there is, or that has no end.
    let mut file = write(&content(10), under.0);
    file[12] = 0xff;
    seal(&mut file);
    assert!(matches!(read(&file, under.1), Err(ArchiveError::TooLarge(_))));
    let mut file = write(&content(10), to.0);
    for count in [[0, 0], [0, 17], [0xff, 0xff]] {
        file[12..14].copy_from_slice(&count);
        seal(&mut file);
        assert!(matches!(read(&file, to.1), Err(ArchiveError::TooLarge(_))), "{count:?}");
    }
    file[10] = 3;
    seal(&mut file);
    assert!(matches!(read(&file, to.1), Err(ArchiveError::UnknownSealing)));
    file[9] = 2;
    seal(&mut file);
    assert!(matches!(read(&file, to.1), Err(ArchiveError::TooNew { found: 2, known: 1 })));
}

#[test]
fn nothing_of_the_content_shows() {
    let keys = Keys::new();
    for (to, _) in keys.both() {
        let file = write(SECRETS, to);
        assert!(!file.windows(8).any(|window| SECRETS.windows(8).any(|secret| secret == window)));
        let again = ArchiveWriter::create(Vec::new(), to, &SeededRng::new(2)).expect("a head");
        let again = again.finish(&manifest(none(), none())).expect("a file");
        assert!(file[24..56] != again[24..56]);
    }
    // Nor who can open it.
    let file = write(SECRETS, SealTo::Recipients(&keys.recipients));
    let text = keys.identity.recipient().to_string();
    let encoded = text.rsplit('-').next().expect("a key");
    let key = &bs58::decode(encoded).into_vec().expect("base58")[1..33];
    assert!(!file.windows(32).any(|window| window == key));
}

/// Backups outlive versions: what the first one wrote, under a passphrase and to recipients.
#[test]
fn what_the_first_version_wrote_is_written_and_read_the_same() {
    let keys = Keys::new();
    let [(under, _), (_, with)] = keys.both();
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &write(b"database", under));
    let first = "13fefa399662ced5920c1b56c9a2075458048e01f7a504ac154a335a0be7c853";
    assert_eq!(writer::hex(sum.as_ref()), first);
    // HPKE draws by itself, so that no two files are the same.
    let text: String = include_str!("first-recipient.hex").split_whitespace().collect();
    let digits = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    let file = digits.collect::<Result<Vec<u8>, _>>().expect("hexadecimal");
    let (database, secrets) = read(&file, with).expect("readable");
    assert_eq!((&database[..], &secrets[..]), (&b"database"[..], SECRETS));
}

fn none() -> Content {
    Content { bytes: 0, sha256: String::new() }
}
