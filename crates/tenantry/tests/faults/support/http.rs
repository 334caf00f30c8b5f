//! HTTP/1.1 on a connection that is kept, so that a kill is seen as the end of the connection.

use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for a byte: longer than any deadline of the server's.
const PATIENCE: Duration = Duration::from_secs(20);
/// Largest reply that is read.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// A kept connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
}

/// A whole reply.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Connection {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address: address.to_owned() })
    }

    /// Sends a request and reads the whole reply. A reply that does not arrive whole is an error.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<Reply> {
        let request = self.request(method, path, headers, body);
        self.exchange(request.as_bytes())
    }

    /// Sends a request, waits for the first byte of its reply, and cuts the connection.
    pub(crate) fn send_and_cut(
        mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<()> {
        let request = self.request("POST", path, headers, body);
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.stream.get_mut().read_exact(&mut [0])
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        let length = body.len().to_string();
        request.extend(["content-length: ", &length, "\r\n\r\n", body]);
        request
    }

    /// Sends bytes and reads a whole reply.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.stream.get_mut().write_all(request)?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Reply> {
        let broken = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut status = None;
        let mut length = 0_u64;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if status.is_none() {
                let word = line.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
                status = Some(word.ok_or_else(|| broken("no status"))?);
            } else if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| broken("no length"))?;
            }
        }
        let mut body = vec![0; usize::try_from(length.min(REPLY_BYTES_MAX)).unwrap_or(0)];
        self.stream.read_exact(&mut body)?;
        let text = String::from_utf8(body).map_err(|_| broken("not UTF-8"))?;
        Ok(Reply { status: status.ok_or_else(|| broken("no head"))?, text })
    }
}

impl Reply {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The string at a JSON pointer.
    pub(crate) fn text_at(&self, pointer: &str) -> String {
        let value = self.json();
        let text = value.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no string at {pointer} of {}", self.text)).to_owned()
    }
}

/// One request on a connection of its own.
pub(crate) fn once(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Reply> {
    Connection::open(address)?.send(method, path, headers, body)
}
