//! Bodies in `application/x-www-form-urlencoded`, as RFC 6749 §3.2 has them read: a parameter occurs
//! once, one without a value is left out, one that is not known is ignored.

use crate::app::AppState;
use crate::body;
use crate::refusal::Refusal;
use axum::extract::Request;
use axum::http::HeaderMap;
use tenantry_core::error::{Error, Problem};
use zeroize::Zeroizing;

/// The one parameter that may be repeated (RFC 8707 §2).
const RESOURCE: &str = "resource";

/// The parameters of a request, decoded.
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    /// Reads a body. No media type at all is taken as this one.
    pub(super) async fn read(request: Request, state: &AppState) -> Result<Self, Refusal> {
        require_form(request.headers())?;
        let bytes = body::read(request, state).await?;
        Ok(Self::parse(&bytes)?)
    }

    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut parameters: Vec<(String, Zeroizing<String>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(bytes) {
            let (name, value) = (name.into_owned(), Zeroizing::new(value.into_owned()));
            // The decoder puts this in the place of what is not UTF-8.
            if name.contains('\u{fffd}') || value.contains(['\u{fffd}', '\0']) {
                return Err(Error::Malformed("the body is not text"));
            }
            if name != RESOURCE && parameters.iter().any(|(known, _)| *known == name) {
                return Err(Error::Malformed("a parameter occurs twice"));
            }
            parameters.push((name, value));
        }
        parameters.retain(|(_, value)| !value.is_empty());
        Ok(Self(parameters))
    }

    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that has to be there.
    pub(super) fn require(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name).ok_or_else(|| Error::invalid(name, Problem::Missing))
    }

    /// Every `resource`.
    pub(super) fn resources(&self) -> Vec<String> {
        let named = self.0.iter().filter(|(name, _)| name == RESOURCE);
        named.map(|(_, value)| value.to_string()).collect()
    }
}

fn require_form(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(media) = body::content_type(headers)? else {
        return Ok(());
    };
    let charset = |(name, value): (mime::Name<'_>, mime::Name<'_>)| {
        name == mime::CHARSET && value.as_str().eq_ignore_ascii_case("utf-8")
    };
    let form = media.essence_str() == "application/x-www-form-urlencoded";
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
        let form = Form::parse(b"scope=a%3Ab+c%3Ad&x=&resource=y&resource=z").expect("a form");
        assert_eq!((form.get("scope"), form.get("x")), (Some("a:b c:d"), None));
        assert_eq!(form.resources(), ["y", "z"]);
        assert!(form.require("x").is_err());
    }
}
