//! Query strings, read strictly: a parameter that the route does not have, or one that occurs
//! twice, is refused, so that a misspelt filter does not list everything.

use crate::refusal::Refusal;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tenantry_core::error::{Error, Problem};
use tenantry_core::page::PageRequest;

/// The parameters of a query string, decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default())?)
    }
}

impl Query {
    fn parse(text: &str) -> Result<Self, Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            // The decoder puts this in the place of what is not UTF-8.
            if name.contains('\u{fffd}') || value.contains(['\u{fffd}', '\0']) {
                return Err(Error::Malformed("the query is not text"));
            }
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Error::Malformed("a query parameter occurs twice"));
            }
            parameters.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter out.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Takes a parameter out and reads it.
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        let value = read(&text).ok_or_else(|| Error::parameter(name, Problem::Malformed))?;
        Ok(Some(value))
    }

    /// Takes `limit` and `cursor` out.
    pub(crate) fn page(&mut self) -> Result<AskedPage, Error> {
        let limit = self.number("limit")?;
        Ok(AskedPage { limit, cursor: self.take("cursor") })
    }

    /// Takes a parameter of decimal digits out.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<Option<u32>, Error> {
        self.read(name, whole_number)
    }

    /// Takes `wait` out: whether the reply is to come only when the change holds everywhere.
    pub(crate) fn wait(&mut self) -> Result<bool, Error> {
        self.flag("wait")
    }

    /// Takes a parameter out that is true or false; false where it is absent.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Error> {
        let flag = self.read(name, |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })?;
        Ok(flag.unwrap_or(false))
    }

    /// Refuses what is left.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Malformed("the route has no such query parameter"))
        }
    }
}

/// Decimal digits and nothing else: the library's parser would take a sign.
pub(crate) fn whole_number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The page that a query asks for.
pub(crate) struct AskedPage {
    limit: Option<u32>,
    cursor: Option<String>,
}

impl AskedPage {
    /// As the rules take it.
    pub(crate) fn request(&self) -> Result<PageRequest<'_>, Error> {
        PageRequest::new(self.limit, self.cursor.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_strictly() {
        for text in ["a=1&a=2", "a=%ff", "a=%00", "%ff=1"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        let mut query = Query::parse("limit=5&cursor=a%2Db&x=").expect("a query");
        let page = query.page().expect("a page");
        assert_eq!((page.limit, page.cursor.as_deref()), (Some(5), Some("a-b")));
        assert!(query.finish().is_err(), "x is left");
        for text in ["limit=", "limit=+5", "limit=5.0", "limit=99999999999", "wait=yes", "wait="] {
            let mut query = Query::parse(text).expect("a query");
            assert!(query.page().is_err() || query.wait().is_err(), "{text}");
        }
    }
}
