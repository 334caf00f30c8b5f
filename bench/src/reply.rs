//! As much of HTTP/1.1 as it takes to know where a reply ends and what its status is.

/// A whole reply at the beginning of what was received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Where the body begins.
    pub(crate) body: usize,
    /// Where the reply ends.
    pub(crate) end: usize,
}

/// What came is no reply that this reader understands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// The reply in `bytes`, `None` while it is not whole. Replies state their length; bodies in
/// chunks are not read.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Reply>, Broken> {
    const STATUS: std::ops::Range<usize> = 9..12;
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 ") {
        return Err(Broken);
    }
    let status = number(&bytes[STATUS]).ok_or(Broken)?;
    let length = content_length(&bytes[..head + 2]).ok_or(Broken)?;
    let body = head + 4;
    let end = body + length;
    let status = u16::try_from(status).map_err(|_| Broken)?;
    Ok((bytes.len() >= end).then_some(Reply { status, body, end }))
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let line = lines
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))?;
    number(line[NAME.len()..].trim_ascii())
}

fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + usize::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"HTTP/1.1 201 Created\r\nx: y\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn a_reply_ends_where_its_length_says() {
        let reply = parse(WHOLE).expect("understood").expect("whole");
        assert_eq!((reply.status, reply.end), (201, WHOLE.len()));
        assert_eq!(&WHOLE[reply.body..reply.end], b"hello");
    }

    #[test]
    fn a_part_of_a_reply_is_waited_for() {
        for length in 0..WHOLE.len() {
            assert_eq!(parse(&WHOLE[..length]), Ok(None), "{length}");
        }
    }

    #[test]
    fn what_is_no_reply_or_has_no_length_is_broken() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            b"nonsense that goes on\r\n\r\n",
            b"HTTP/1.1 2x0 OK\r\ncontent-length: 1\r\n\r\n",
        ] {
            assert_eq!(parse(bytes), Err(Broken));
        }
    }
}
