//! Media types of JSON:API 1.1 (§5), with the product's rulings where the contract is silent.

use crate::body;
use crate::refusal::Refusal;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use mime::Mime;

/// `application/vnd.api+json`
pub(crate) const MEDIA: &str = "application/vnd.api+json";

/// A request whose media types are fine: what it sends is read, what it accepts can be served.
pub(crate) struct Negotiated;

impl<S: Sync> FromRequestParts<S> for Negotiated {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        if !reads(body::content_type(&parts.headers)?.as_ref()) {
            return Err(Refusal::UnsupportedMediaType);
        }
        if !serves(&parts.headers) {
            return Err(Refusal::NotAcceptable);
        }
        Ok(Self)
    }
}

/// Missing is tolerated. Of the parameters only `profile` is: an unknown one is to be ignored,
/// while every `ext` and anything else is refused.
fn reads(media: Option<&Mime>) -> bool {
    media.is_none_or(|media| {
        media.essence_str() == MEDIA && media.params().all(|(name, _)| name == "profile")
    })
}

/// One acceptable range suffices: any, any application type, plain JSON, or JSON:API without
/// parameters that change what it means.
fn serves(headers: &HeaderMap) -> bool {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
        .filter(|range| !range.is_empty())
        .peekable();
    ranges.peek().is_none() || ranges.any(is_served)
}

fn is_served(range: &str) -> bool {
    // A bare `*` is not a media range (RFC 9110 §12.5.1), but some clients send it.
    let Ok(range) = (if range == "*" { "*/*" } else { range }).parse::<Mime>() else {
        return false;
    };
    let refused = range.params().any(|(name, value)| {
        name == "q" && value.as_str().parse::<f32>().is_ok_and(|quality| quality == 0.0)
    });
    let known_parameters = || range.params().all(|(name, _)| name == "q" || name == "profile");
    !refused
        && match range.essence_str() {
            "*/*" | "application/*" | "application/json" => true,
            MEDIA => known_parameters(),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, text.parse().expect("a header"));
        serves(&headers)
    }

    #[test]
    fn what_can_be_served_is_served() {
        assert!(serves(&HeaderMap::new()));
        for text in [
            "*/*",
            "*",
            "application/*",
            "application/json",
            MEDIA,
            "text/html, application/json;q=0.5",
            "application/vnd.api+json; profile=\"https://example.com/p\"",
            "application/vnd.api+json; ext=\"x\", application/vnd.api+json",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in [
            "text/html",
            "application/vnd.api+json; ext=\"x\"",
            "application/vnd.api+json; charset=utf-8",
            "application/xml, text/*",
            "*/*;q=0",
            "nonsense",
        ] {
            assert!(!accepts(text), "{text}");
        }
    }

    #[test]
    fn only_json_api_is_read() {
        let read = |text: &str| reads(Some(&text.parse().expect("a media type")));
        assert!(reads(None));
        assert!(read(MEDIA));
        assert!(read("application/vnd.api+json; profile=\"p\""));
        for text in [
            "application/json",
            "text/plain",
            "application/vnd.api+json; charset=utf-8",
            "application/vnd.api+json; ext=\"x\"",
        ] {
            assert!(!read(text), "{text}");
        }
    }
}
