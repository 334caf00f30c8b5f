//! Pages of lists, and the cursors between them.
//!
//! A cursor is the id after which the next page begins, authenticated together with the list that
//! it belongs to: what a caller may page through was decided for this tenant and this list, and a
//! cursor of another one is refused.

use crate::Plane;
use crate::error::{Error, Problem, Result};
use crate::ids::AccountId;
use crate::limits;
use crate::secrets::{MacWriter, Protected, Secrets, Unverified};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest<'a> {
    limit: u32,
    cursor: Option<&'a str>,
}

impl<'a> PageRequest<'a> {
    /// The cursor that was presented.
    pub(crate) const fn cursor(&self) -> Option<&'a str> {
        self.cursor
    }

    /// At most `limit` entries, 1 to [`limits::LIST_PAGE_MAX`], after `cursor`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a limit outside its range.
    pub fn new(limit: Option<u32>, cursor: Option<&'a str>) -> Result<Self> {
        Self::within(limits::LIST_PAGE_MAX, limit, cursor)
    }

    /// At most `limit` entries, 1 to `max`, after `cursor`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a limit outside its range.
    pub fn within(max: u32, limit: Option<u32>, cursor: Option<&'a str>) -> Result<Self> {
        let limit = limit.unwrap_or(max);
        if limit == 0 || limit > max {
            return Err(Error::parameter("limit", Problem::OutOfRange(1, max.into())));
        }
        Ok(Self { limit, cursor })
    }

    /// Most entries.
    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// Its entries, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The page with each entry made into something else.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(make).collect(), next: self.next }
    }
}

/// A list: its name, whose it is, and what narrows it down.
#[derive(Debug)]
pub(crate) struct List<'a> {
    /// Which list.
    pub(crate) name: &'static str,
    /// The tenant whose caller asks.
    pub(crate) tenant: AccountId,
    /// The parent and filters, each as bytes.
    pub(crate) narrowed: &'a [&'a [u8]],
}

/// Rows of a list as a store reads them: each with its id, which keeps the place of a row that
/// cannot be read.
pub type Listed<T> = Vec<([u8; 16], Result<Unverified<T>>)>;

const ID_BYTES: usize = 16;

impl Plane {
    /// One page of a list, from `read(after, limit)`. A row whose seal does not match has raised
    /// its alarm and is left out.
    pub(crate) async fn page<T: Protected>(
        &self,
        list: &List<'_>,
        request: &PageRequest<'_>,
        read: impl AsyncFnOnce(Option<[u8; 16]>, u32) -> Result<Listed<T>>,
    ) -> Result<Page<T>> {
        let after = self.after(list, request.cursor)?;
        // One more than is shown tells whether there is a next page.
        let mut rows = read(after, request.limit + 1).await?;
        let shown = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = rows.len() > shown;
        rows.truncate(shown);
        let next = rows.last().filter(|_| more).map(|(id, _)| *id);
        let mut items = Vec::with_capacity(rows.len());
        for (_, row) in rows {
            match row.and_then(|row| row.open(&self.secrets)) {
                Ok(record) => items.push(record),
                Err(Error::Integrity { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Page { items, next: next.map(|id| self.cursor(list, id)) })
    }

    /// What a cursor of `list` stands for.
    pub(crate) fn after(&self, list: &List<'_>, cursor: Option<&str>) -> Result<Option<[u8; 16]>> {
        cursor.map(|cursor| open(&self.secrets, list, cursor)).transpose()
    }

    /// The cursor of `list` behind the entry with this id.
    pub(crate) fn cursor(&self, list: &List<'_>, id: [u8; 16]) -> String {
        seal(&self.secrets, list, id)
    }
}

fn seal(secrets: &Secrets, list: &List<'_>, id: [u8; 16]) -> String {
    let mut bytes = id.to_vec();
    bytes.extend_from_slice(&mac(secrets, list, &id));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(secrets: &Secrets, list: &List<'_>, cursor: &str) -> Result<[u8; 16]> {
    let malformed = || Error::parameter("cursor", Problem::Malformed);
    // Longer ones are not ours, and are not decoded.
    if cursor.len() > limits::CURSOR_BYTES_MAX {
        return Err(malformed());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| malformed())?;
    let (id, presented) = bytes.split_first_chunk::<ID_BYTES>().ok_or_else(malformed)?;
    let expected = mac(secrets, list, id);
    if bool::from(subtle::ConstantTimeEq::ct_eq(&expected[..], presented)) {
        Ok(*id)
    } else {
        Err(malformed())
    }
}

/// What makes a cursor this list's: half of an HMAC-SHA-256, which nobody guesses.
fn mac(secrets: &Secrets, list: &List<'_>, id: &[u8; 16]) -> [u8; 16] {
    let List { name, tenant, narrowed } = list;
    let mut writer = MacWriter::new();
    writer.text(name);
    writer.bytes(tenant.as_bytes());
    writer.number(i64::try_from(narrowed.len()).unwrap_or(i64::MAX));
    for part in *narrowed {
        writer.bytes(part);
    }
    writer.bytes(id);
    let whole = secrets.cursor_mac(&writer);
    std::array::from_fn(|index| whole[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use crate::secrets::SecretsMaterial;
    use proptest::prelude::*;

    fn secrets(seed: u64) -> Secrets {
        Secrets::new(&SecretsMaterial::generate(&SeededRng::new(seed)).expect("secrets"))
    }

    fn list<'a>(tenant: u8, narrowed: &'a [&'a [u8]]) -> List<'a> {
        List { name: "keys", tenant: AccountId::from_bytes([tenant; 16]), narrowed }
    }

    #[test]
    fn a_cursor_opens_the_list_that_it_was_made_for_and_no_other() {
        let secrets_of_the_plane = secrets(1);
        let own = list(1, &[b"a"]);
        let cursor = seal(&secrets_of_the_plane, &own, [7; 16]);
        assert_eq!(open(&secrets_of_the_plane, &own, &cursor).ok(), Some([7; 16]));
        let others = [
            list(2, &[b"a"]),
            list(1, &[b"b"]),
            list(1, &[]),
            list(1, &[b"a", b""]),
            List { name: "accounts", ..list(1, &[b"a"]) },
        ];
        for other in others {
            assert!(open(&secrets_of_the_plane, &other, &cursor).is_err(), "{other:?}");
        }
        assert!(open(&secrets(2), &own, &cursor).is_err());
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_cursor(text in "[ -~]{0,80}", at in 0_usize..42, with in "[A-Za-z0-9_-]") {
            let secrets = secrets(1);
            let own = list(1, &[]);
            prop_assert!(open(&secrets, &own, &text).is_err());
            let mut changed = seal(&secrets, &own, [7; 16]);
            let before = changed.clone();
            changed.replace_range(at..=at, &with);
            prop_assert!(changed == before || open(&secrets, &own, &changed).is_err());
        }
    }
}
