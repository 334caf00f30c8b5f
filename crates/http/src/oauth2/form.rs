//! Bodies in `application/x-www-form-urlencoded`, as RFC 6749 §3.2 has them read: a parameter occurs
//! once, one without a value is left out, one that is not known is ignored.

use crate::app::AppState;
use crate::body::{self, RequestBody};
use crate::refusal::Refusal;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use std::borrow::Cow;
use std::ops::Deref;
use tenantry_core::error::{Error, Problem};
use zeroize::Zeroizing;

const FORM: &str = "application/x-www-form-urlencoded";
/// The one parameter that may be repeated (RFC 8707 §2).
const RESOURCE: &str = "resource";

/// The parameters of a request, decoded; what needed no decoding is where it was.
pub(super) struct Form<'a>(Vec<(Text<'a>, Text<'a>)>);

/// A name or a value. A copy may be of a secret.
enum Text<'a> {
    There(&'a str),
    Decoded(Zeroizing<String>),
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::There(text),
            Cow::Owned(text) => Self::Decoded(Zeroizing::new(text)),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::There(text) => text,
            Self::Decoded(text) => text,
        }
    }
}

/// Reads a body. No media type at all is taken as this one.
pub(super) async fn read(
    state: &AppState,
    headers: &HeaderMap,
    body: impl RequestBody,
) -> Result<Bytes, Refusal> {
    require_form(headers)?;
    body::require_no_coding(headers)?;
    body::read_body(body, state, body::BODY_BYTES_MAX).await
}

impl<'a> Form<'a> {
    /// The parameters in a body.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut parameters: Vec<(Text<'a>, Text<'a>)> = Vec::new();
        for (name, value) in pairs(bytes) {
            let (name, value) = (Text::from(name), Text::from(value));
            // The decoder puts this in the place of what is not UTF-8.
            if name.contains('\u{fffd}') || value.contains(['\u{fffd}', '\0']) {
                return Err(Error::Malformed("the body is not text"));
            }
            if *name != *RESOURCE && parameters.iter().any(|(known, _)| **known == *name) {
                return Err(Error::Malformed("a parameter occurs twice"));
            }
            parameters.push((name, value));
        }
        parameters.retain(|(_, value)| !value.is_empty());
        Ok(Self(parameters))
    }

    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// A parameter that has to be there.
    pub(super) fn require(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name).ok_or_else(|| Error::invalid(name, Problem::Missing))
    }

    /// Every `resource`.
    pub(super) fn resources(&self) -> Vec<String> {
        let named = self.0.iter().filter(|(name, _)| **name == *RESOURCE);
        named.map(|(_, value)| (**value).to_owned()).collect()
    }
}

/// Names and values, decoded. Tokens and keys need no decoding.
fn pairs(bytes: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let plain = bytes.iter().all(|byte| byte.is_ascii() && !matches!(byte, b'%' | b'+'));
    let text = std::str::from_utf8(bytes).ok().filter(|_| plain);
    let plain = text.into_iter().flat_map(|text| text.split('&')).filter(|pair| !pair.is_empty());
    let plain = plain.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let decoded = form_urlencoded::parse(if text.is_some() { &[] } else { bytes });
    plain.map(|(name, value)| (name.into(), value.into())).chain(decoded)
}

fn require_form(headers: &HeaderMap) -> Result<(), Refusal> {
    // What nearly every client sends, without a parser.
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    if values.next().is_some_and(|value| value == FORM) && values.next().is_none() {
        return Ok(());
    }
    let Some(media) = body::content_type(headers)? else {
        return Ok(());
    };
    let charset = |(name, value): (mime::Name<'_>, mime::Name<'_>)| {
        name == mime::CHARSET && value.as_str().eq_ignore_ascii_case("utf-8")
    };
    let form = media.essence_str() == FORM;
    if form && media.params().all(charset) { Ok(()) } else { Err(Refusal::UnsupportedMediaType) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_strictly() {
        for text in ["a=1&a=2", "a=&a=1", "a=%ff", "a=%00", "%ff=1"] {
            assert!(Form::parse(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["a=1&b=2&&c&=d&e=f=g", "", "&", "=", "a"] {
            let plain: Vec<_> = pairs(text.as_bytes()).collect();
            assert_eq!(
                plain,
                form_urlencoded::parse(text.as_bytes()).collect::<Vec<_>>(),
                "{text}"
            );
        }
        let form = Form::parse(b"scope=a%3Ab+c%3Ad&x=&resource=y&resource=z").expect("a form");
        assert_eq!((form.get("scope"), form.get("x")), (Some("a:b c:d"), None));
        assert_eq!(form.resources(), ["y", "z"]);
        assert!(form.require("x").is_err());
    }
}
