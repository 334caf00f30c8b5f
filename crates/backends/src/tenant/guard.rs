//! A guard on the socket: what a PostgreSQL server may say.
//!
//! The driver has no limits of its own on what it takes in, and answers whatever way of proving the
//! password it is asked for. So the headers of the server's messages (PostgreSQL's documentation,
//! "Message Formats") are read on their way: until the server has proved by SCRAM that it knows the
//! password there is little that it may say, and afterwards there is an end to it too. Nothing of a
//! message that is refused reaches the driver.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tenantry_core::limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// A stream whose messages from the server are looked at.
pub(super) struct Guarded<S> {
    stream: S,
    watch: Watch,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, watch: Watch::default() }
    }
}

/// What a message begins with: its kind, its length, and of one about authentication which.
const HEAD: usize = 5;
const CODE: usize = 4;

#[derive(Default)]
struct Watch {
    head: [u8; HEAD + CODE],
    /// Bytes of it that were seen.
    seen: usize,
    /// Bytes of the message that are to come.
    rest: usize,
    proved: bool,
    open: bool,
    total: u64,
}

impl Watch {
    /// Looks at what came.
    fn look(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.total += bytes.len() as u64;
        let most = if self.open {
            limits::DATABASE_SESSION_BYTES_MAX
        } else {
            limits::DATABASE_LOGIN_BYTES_MAX
        };
        if self.total > most {
            return Err(refused("the server says too much"));
        }
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.seen] = bytes[0];
            self.seen += 1;
            bytes = &bytes[1..];
            if self.seen == HEAD {
                self.judge_length()?;
            }
            if self.seen == self.wanted() {
                self.judge()?;
            }
        }
        Ok(())
    }

    /// How much of a message's head is looked at.
    fn wanted(&self) -> usize {
        match (self.head[0], self.open) {
            (b'R', false) => HEAD + CODE,
            _ => HEAD,
        }
    }

    fn length(&self) -> usize {
        let [_, a, b, c, d, ..] = self.head;
        usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX)
    }

    fn judge_length(&self) -> io::Result<()> {
        let least = if self.wanted() > HEAD { 2 * CODE } else { CODE };
        let most = if self.open {
            limits::DATABASE_MESSAGE_BYTES_MAX
        } else {
            limits::DATABASE_LOGIN_MESSAGE_BYTES_MAX
        };
        if (least..=most).contains(&self.length()) {
            Ok(())
        } else {
            Err(refused("a message of the server's has a length that none has"))
        }
    }

    fn judge(&mut self) -> io::Result<()> {
        self.rest = self.length() + 1 - self.seen;
        let kind = self.head[0];
        let [.., a, b, c, d] = self.head;
        self.seen = 0;
        if self.open {
            return Ok(());
        }
        match (kind, u32::from_be_bytes([a, b, c, d])) {
            // The server's own proof.
            (b'R', 12) => {
                self.proved = true;
                Ok(())
            }
            (b'R', 0) if self.proved => {
                self.open = true;
                Ok(())
            }
            (b'R', 0) => Err(refused("the server does not ask for the password")),
            (b'R', code) if !matches!(code, 10 | 11) => {
                Err(refused("the server asks for the password in another way than SCRAM"))
            }
            // SASL and its challenges; errors, notices, and an older version of the protocol.
            (b'R', 10 | 11) | (b'E' | b'N' | b'v', _) => Ok(()),
            _ => Err(refused("the server says what nobody says before the login")),
        }
    }
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let looked = self.watch.look(&buf.filled()[before..]);
        if looked.is_err() {
            buf.set_filled(before);
        }
        Poll::Ready(looked)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Guarded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [&[kind], &length[..], body].concat()
    }

    fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
        message(b'R', &[&code.to_be_bytes()[..], rest].concat())
    }

    fn login() -> Vec<u8> {
        [
            authentication(10, b"SCRAM-SHA-256\0\0"),
            authentication(11, b"r=x"),
            authentication(12, b"v=x"),
            authentication(0, b""),
        ]
        .concat()
    }

    /// However the bytes arrive.
    fn look(bytes: &[u8]) -> Result<Watch, String> {
        let mut whole = Watch::default();
        let outcome = whole.look(bytes).map_err(|error| error.to_string());
        for size in [1, 2, 3, 7] {
            let mut watch = Watch::default();
            let mut parts = bytes.chunks(size).map(|part| watch.look(part));
            assert_eq!(parts.any(|looked| looked.is_err()), outcome.is_err(), "{size}");
        }
        outcome.map(|()| whole)
    }

    #[test]
    fn a_login_by_scram_opens_the_session_for_what_comes_after() {
        let mut bytes = login();
        assert!(look(&bytes).expect("let through").open);
        bytes.extend(message(b'S', b"client_encoding\0UTF8\0"));
        bytes.extend(message(b'R', b"not about a login any more"));
        bytes.extend(message(b'D', &[0; 1000]));
        bytes.extend(message(b'Z', b"I"));
        assert_eq!(look(&bytes).expect("let through").rest, 0);
    }

    #[test]
    fn case_74_other_ways_to_ask_for_the_password_and_none_are_refused() {
        for code in [2, 3, 5, 6, 7, 8, 9, 13, u32::MAX] {
            assert!(look(&authentication(code, b"salt")).is_err(), "{code}");
        }
        assert!(look(&authentication(0, b"")).is_err(), "trust");
        let half = [authentication(10, b"SCRAM-SHA-256\0\0"), authentication(0, b"")].concat();
        assert!(look(&half).is_err(), "a proof is missing");
        for kind in [b'D', b'S', b'Z', b'K', b'H', b'\0'] {
            assert!(look(&message(kind, b"early")).is_err(), "{kind}");
        }
    }

    #[test]
    fn case_74_lengths_have_an_end_before_and_after_the_login() {
        for length in [0_u32, 3, 7, 65_537, 1 << 30, u32::MAX] {
            let head = [&b"R"[..], &length.to_be_bytes()].concat();
            assert!(look(&head).is_err(), "{length}");
        }
        assert!(look(&message(b'E', &vec![b'x'; 60_000])).is_ok());
        assert!(
            look(
                &[message(b'N', &vec![b'x'; 60_000]), message(b'N', &vec![b'x'; 60_000])].concat()
            )
            .is_err()
        );
        let after = |length: u32| [login(), [&b"D"[..], &length.to_be_bytes()].concat()].concat();
        assert!(look(&after(8 << 20)).is_ok());
        assert!(look(&after((8 << 20) + 1)).is_err());
        assert!(look(&after(3)).is_err());
        let mut watch = Watch::default();
        watch.look(&login()).expect("let through");
        let row = message(b'D', &vec![0; 1 << 20]);
        let rows = (0..64).take_while(|_| watch.look(&row).is_ok()).count();
        assert_eq!(rows, 31, "32 MiB in all");
    }
}
