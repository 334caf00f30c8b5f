//! Remaining uses. What was drawn is read under its row's lock, and the server's clock after that.

use super::PostgresStore;
use super::rows::{Param, number};
use super::session::{Expect, Work};
use crate::rows::{read_drawn, stored_number};
use async_trait::async_trait;
use tenantry_core::clock::Timestamp;
use tenantry_core::error::{Error, Result};
use tenantry_core::ids::CredentialId;
use tenantry_core::store::UsesStore;
use tenantry_core::uses::{Draw, Drawn, DrawnRow, Unspent};
use tokio_postgres::Row;

// Locks the row, and makes it where there is none. The clock is read after that.
const LOCK: &str = "WITH locked AS (
        INSERT INTO drawn_uses (lineage, root_id, granted_at, began_at, drawn)
        VALUES ($1, $2, $3, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0)
        ON CONFLICT (lineage) DO UPDATE SET root_id = drawn_uses.root_id
        RETURNING lineage, granted_at, began_at, drawn
    )
    SELECT lineage, granted_at, began_at, drawn,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    FROM locked";

const DRAW: &str =
    "UPDATE drawn_uses SET granted_at = $2, began_at = $3, drawn = $4 WHERE lineage = $1";

// What is given back of an earlier grant or period is not.
const RETURN: &str = "WITH locked AS (
        SELECT d.lineage FROM drawn_uses d
        WHERE d.lineage = ANY ($1::bytea[]) ORDER BY d.lineage FOR NO KEY UPDATE
    )
    UPDATE drawn_uses d SET drawn = greatest(d.drawn - u.unspent, 0)
    FROM locked JOIN unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])
        AS u (lineage, granted_at, began_at, unspent) ON u.lineage = locked.lineage
    WHERE d.lineage = locked.lineage AND d.granted_at = u.granted_at AND d.began_at = u.began_at";

/// A row as it was decided to be.
struct Decided {
    lineage: CredentialId,
    row: DrawnRow,
    number: i64,
    drawn: Option<Drawn>,
}

#[async_trait]
impl UsesStore for PostgresStore {
    async fn draw_uses(&self, draw: &Draw) -> Result<Option<Drawn>> {
        let params = vec![
            Param::bytes(draw.lineage.as_bytes()),
            Param::bytes(draw.root.as_bytes()),
            Param::number(draw.uses.granted_at().micros()),
        ];
        let decide = |rows: &[Row]| {
            let row =
                rows.first().ok_or_else(|| Error::internal("a row that is made is not there"))?;
            let (before, now) = (read_drawn(row)?, Timestamp::from_micros(number(row, 4)?));
            let (row, drawn) = match draw.from(before, now) {
                Some((row, drawn)) => (row, Some(drawn)),
                None => (before, None),
            };
            let number = stored_number(row.drawn)?;
            Ok(Decided { lineage: draw.lineage, row, number, drawn })
        };
        let drawing =
            Self::read_then_write(&self.connections, (LOCK, params), decide, DRAW, written);
        let decided = tokio::time::timeout(super::session::CALL_DEADLINE, drawing).await;
        Ok(decided.unwrap_or_else(|_| Err(super::session::too_long()))?.drawn)
    }

    async fn return_uses(&self, unspent: &[Unspent]) -> Result<()> {
        let numbers = |of: fn(&Unspent) -> i64| {
            Param::Numbers(unspent.iter().map(|unspent| Some(of(unspent))).collect())
        };
        let params = vec![
            Param::many(unspent.iter().map(|unspent| &unspent.lineage.as_bytes()[..])),
            numbers(|unspent| unspent.granted_at.micros()),
            numbers(|unspent| unspent.began_at.micros()),
            numbers(|unspent| i64::try_from(unspent.unspent).unwrap_or(i64::MAX)),
        ];
        let mut work = Work::default();
        work.push(RETURN, params, Expect::Nothing);
        self.write(&work).await.map(drop)
    }
}

fn written(decided: &Decided) -> Vec<Param<'_>> {
    vec![
        Param::bytes(decided.lineage.as_bytes()),
        Param::number(decided.row.granted_at.micros()),
        Param::number(decided.row.began_at.micros()),
        Param::number(decided.number),
    ]
}
