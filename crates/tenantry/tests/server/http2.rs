//! HTTP/2 by hand, for what no client library sends (case 59). Tried with the limits on streams and
//! on resets ten and ten thousand times as high: those tests fail then.

use crate::support::Running;
use tenantry_http::server::Limits;
use tokio::io::AsyncReadExt as _;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `GET /livez`, indexed and literal (RFC 7541 §6).
const LIVEZ: &[u8] = b"\x82\x86\x04\x06/livez\x01\x01x";
/// `POST /v1/whoami`, whose body is awaited.
const POST: &[u8] = b"\x83\x86\x04\x0f/v1/keys/verify\x01\x01x";

fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, b""));
    bytes
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn code(payload: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?))
}

/// Frames that the server sends, as kind, stream and payload, until one that `wanted` takes.
async fn find<T>(
    server: &Running,
    bytes: &[u8],
    wanted: impl Fn(u8, u32, &[u8]) -> Option<T>,
) -> Option<T> {
    let mut wire = server.connect().await;
    wire.send(bytes).await;
    loop {
        let mut head = [0; 9];
        wire.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("a frame")];
        wire.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if let Some(found) = wanted(head[3], stream, &payload) {
            return Some(found);
        }
    }
}

fn goaway(kind: u8, _: u32, payload: &[u8]) -> Option<u32> {
    (kind == GOAWAY).then(|| code(payload, 4)).flatten()
}

#[tokio::test]
async fn a_request_is_answered() {
    let server = Running::start(Limits::default()).await;
    let bytes = [preface(), frame(HEADERS, END_STREAM | END_HEADERS, 1, LIVEZ)].concat();
    let answered = find(&server, &bytes, |kind, stream, payload| {
        // The indexed field `:status: 200`.
        (kind == HEADERS && stream == 1).then(|| payload[0])
    });
    assert_eq!(answered.await, Some(0x88));
}

#[tokio::test]
async fn rapid_resets_end_the_connection() {
    let server = Running::start(Limits::default()).await;
    let mut bytes = preface();
    for stream in (1..2000).step_by(2) {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, LIVEZ));
        bytes.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    assert_eq!(find(&server, &bytes, goaway).await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let server = Running::start(Limits::default()).await;
    let mut bytes = [preface(), frame(HEADERS, END_STREAM, 1, LIVEZ)].concat();
    for _ in 0..1000 {
        bytes.extend(frame(CONTINUATION, 0, 1, b"\x00\x01x\x01y"));
    }
    assert_eq!(find(&server, &bytes, goaway).await, Some(ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn streams_beyond_128_are_refused() {
    let server = Running::start(Limits::default()).await;
    let mut bytes = preface();
    for n in 0..200 {
        let authorized = [
            POST,
            &[0x0f, 0x08, u8::try_from(7 + server.key.len()).expect("a short key")],
            b"Bearer ",
            server.key.as_bytes(),
        ];
        bytes.extend(frame(HEADERS, END_HEADERS, 2 * n + 1, &authorized.concat()));
    }
    let refused = find(&server, &bytes, |kind, stream, payload| {
        (kind == RST_STREAM && code(payload, 0) == Some(REFUSED_STREAM)).then_some(stream)
    });
    assert_eq!(refused.await, Some(2 * 128 + 1));
}

#[tokio::test]
async fn case_58_fields_of_a_connection_and_a_wrong_length_are_stream_errors() {
    let server = Running::start(Limits::default()).await;
    let with = |field: &[u8]| [POST, field].concat();
    let reset = |kind: u8, stream: u32, _: &[u8]| match kind {
        RST_STREAM => Some(stream),
        GOAWAY => Some(0),
        _ => None,
    };
    let connection = with(b"\x00\x0aconnection\x05close");
    let bytes = [preface(), frame(HEADERS, END_HEADERS, 1, &connection)].concat();
    assert_eq!(find(&server, &bytes, reset).await, Some(1));
    let length = with(b"\x00\x0econtent-length\x019");
    let head = frame(HEADERS, END_HEADERS, 1, &length);
    let bytes = [preface(), head, frame(DATA, END_STREAM, 1, b"{}")].concat();
    assert_eq!(find(&server, &bytes, reset).await, Some(1));
}
