//! Sums of usage: one statement each, so that a call which is being moved from its record into the rows
//! of hours is seen in one of them and never in both.

use super::errors::from_sqlite;
use super::rows;
use crate::rows::{Cell, place_cells, read_sum};
use rusqlite::{Connection, params_from_iter};
use tenantry_core::error::{Error, Result};
use tenantry_core::limits;
use tenantry_core::usage::{Grain, SumQuery, UsageSum, Whose};

/// The columns of a record that are summed up.
macro_rules! record {
    () => {
        "c.account_id, c.ended_at, c.status, c.duration, c.platform_cost, c.telephony_cost,
         c.synthesizer_costs, c.transcriber_costs, c.llm_costs"
    };
}

/// A statement from the accounts that are asked for, the rows of hours or days of them, and the records
/// of their calls.
///
/// Parameters: 1 root, 2 accounts, one after the other, 3 and 4 the period, 5 and 6 its whole hours, 7
/// and 8 where its parts of hours end and begin, 9 what is counted, 10 how it is grouped, 11 to 13
/// the place after which groups begin, 14 how many, 15 how many names.
macro_rules! sums {
    ($asked:expr, $rows:expr, $at:literal, $records:expr) => {
        concat!(
            "WITH RECURSIVE ",
            $asked,
            "records AS MATERIALIZED (",
            $records,
            "),
            used AS (
                SELECT u.account_id, u.key_id, u.",
            $at,
            " AS at, u.measure, u.name, u.amount FROM ",
            $rows,
            " u.root_id = ?1 AND u.",
            $at,
            " >= ?5 AND u.",
            $at,
            " < ?6
                    AND (?9 = 'all' OR (?9 = 'verifications') = (u.measure = 'verifications'))
                UNION ALL
                SELECT account_id, x'', ended_at, 'calls', status, 1 FROM records
                UNION ALL
                SELECT account_id, x'', ended_at, 'duration', '', duration FROM records
                UNION ALL
                SELECT account_id, x'', ended_at, 'platform_cost', '', platform_cost FROM records
                UNION ALL
                SELECT account_id, x'', ended_at, 'telephony_cost', '', telephony_cost FROM records
                UNION ALL
                SELECT account_id, x'', ended_at, 'synthesizer_cost', j.key, j.value
                FROM records, json_each(synthesizer_costs) AS j
                UNION ALL
                SELECT account_id, x'', ended_at, 'transcriber_cost', j.key, j.value
                FROM records, json_each(transcriber_costs) AS j
                UNION ALL
                SELECT account_id, x'', ended_at, 'llm_cost', j.key, j.value
                FROM records, json_each(llm_costs) AS j
            ),
            summed AS (
                SELECT CASE ?10 WHEN 'key' THEN key_id ELSE x'' END AS k,
                    CASE WHEN ?10 IN ('account', 'key') THEN account_id ELSE x'' END AS a,
                    CASE ?10 WHEN 'hour' THEN at - at % 3600000000
                        WHEN 'day' THEN at - at % 86400000000 ELSE 0 END AS t,
                    measure, name, sum(amount / 1000000) AS upper, sum(amount % 1000000) AS lower
                FROM used WHERE amount > 0
                GROUP BY 1, 2, 3, measure, name
            ),
            page AS (
                SELECT DISTINCT k, a, t FROM summed
                WHERE ?13 IS NULL OR (k, a, t) > (?11, ?12, ?13)
                ORDER BY k, a, t LIMIT ?14
            ),
            ranked AS (
                SELECT s.k, s.a, s.t, s.measure, s.name, s.upper, s.lower, row_number() OVER (
                    PARTITION BY s.k, s.a, s.t, s.measure
                    ORDER BY s.upper * 1000000.0 + s.lower DESC, s.name
                ) AS place
                FROM page AS p JOIN summed AS s ON s.k = p.k AND s.a = p.a AND s.t = p.t
            )
            SELECT k, a, t, measure, CASE WHEN place <= ?15 THEN name ELSE '' END AS told,
                sum(upper), sum(lower),
                (SELECT kind FROM credentials WHERE id = k AND root_id = ?1)
            FROM ranked GROUP BY k, a, t, measure, told ORDER BY k, a, t, measure, told"
        )
    };
}

/// Of whole hours only those records are looked at that are not in the rows.
macro_rules! of_tree {
    ($rows:literal, $at:literal) => {
        sums!(
            "",
            concat!($rows, " AS u WHERE"),
            $at,
            concat!(
                "SELECT ",
                record!(),
                " FROM call_records AS c WHERE c.root_id = ?1 AND c.rolled = 0
                    AND c.ended_at >= ?3 AND c.ended_at < ?4 AND ?9 <> 'verifications'"
            )
        )
    };
}

/// Of parts of hours, all records. Each account is looked up by itself.
macro_rules! of_accounts {
    ($rows:literal, $at:literal) => {
        sums!(
            "asked (id, next) AS (
                SELECT substr(?2, 1, 16), 17
                UNION ALL SELECT substr(?2, next, 16), next + 16 FROM asked WHERE next < length(?2)
            ), ",
            concat!("asked CROSS JOIN ", $rows, " AS u WHERE u.account_id = asked.id AND"),
            $at,
            concat!(
                "SELECT ",
                record!(),
                " FROM asked CROSS JOIN call_records AS c
                WHERE c.root_id = ?1 AND c.account_id = asked.id AND c.rolled = 0
                    AND c.ended_at >= ?3 AND c.ended_at < ?4 AND ?9 <> 'verifications'
                UNION ALL
                SELECT ",
                record!(),
                " FROM asked CROSS JOIN call_records AS c
                WHERE c.root_id = ?1 AND c.account_id = asked.id AND c.rolled = 1
                    AND c.ended_at >= ?3 AND c.ended_at < ?7 AND ?9 <> 'verifications'
                UNION ALL
                SELECT ",
                record!(),
                " FROM asked CROSS JOIN call_records AS c
                WHERE c.root_id = ?1 AND c.account_id = asked.id AND c.rolled = 1
                    AND c.ended_at >= ?8 AND c.ended_at < ?4 AND ?9 <> 'verifications'"
            )
        )
    };
}

const OF_TREE_BY_HOURS: &str = of_tree!("usage_hours", "hour");
const OF_TREE_BY_DAYS: &str = of_tree!("usage_days", "day");
const OF_ACCOUNTS_BY_HOURS: &str = of_accounts!("usage_hours", "hour");
const OF_ACCOUNTS_BY_DAYS: &str = of_accounts!("usage_days", "day");

/// The sums of a question.
pub(super) fn list(connection: &Connection, query: &SumQuery) -> Result<Vec<UsageSum>> {
    let (sql, accounts) = match (&query.whose, query.grain) {
        (Whose::Tree, _) if !query.span.is_of_hours() => {
            return Err(Error::internal("a tree's usage is asked for by parts of hours"));
        }
        (Whose::Tree, Grain::Hours) => (OF_TREE_BY_HOURS, None),
        (Whose::Tree, Grain::Days) => (OF_TREE_BY_DAYS, None),
        (Whose::Accounts(accounts), Grain::Hours) => (OF_ACCOUNTS_BY_HOURS, Some(accounts)),
        (Whose::Accounts(accounts), Grain::Days) => (OF_ACCOUNTS_BY_DAYS, Some(accounts)),
    };
    let accounts = accounts.map(|accounts| {
        accounts.iter().flat_map(|id| id.as_bytes().iter().copied()).collect::<Vec<u8>>()
    });
    let span = query.span;
    let [key, account, time] = place_cells(query);
    let cells = [
        Cell::bytes(query.root.as_bytes()),
        Cell::Bytes(accounts.as_deref()),
        Cell::number(span.from.micros()),
        Cell::number(span.to.micros()),
        Cell::number(span.hours.0.micros()),
        Cell::number(span.hours.1.micros()),
        Cell::number(span.lead_to.micros()),
        Cell::number(span.tail_from.micros()),
        Cell::text(query.counted.as_str()),
        Cell::text(query.by.as_str()),
        key,
        account,
        time,
        Cell::number(query.limit),
        Cell::number(limits::USAGE_NAMES_MAX),
    ];
    let mut statement = connection.prepare_cached(sql).map_err(from_sqlite)?;
    rows::list(&mut statement, params_from_iter(&cells), |row| read_sum(row, query.by))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::migrations::migrate;
    use tenantry_core::clock::Timestamp;

    /// How each table is looked through.
    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let explained = format!("EXPLAIN QUERY PLAN {sql}");
        let mut statement = connection.prepare(&explained).expect("a statement");
        let nothing = [const { Cell::Number(None) }; 15];
        let nothing = params_from_iter(&nothing);
        let lines = statement.query_map(nothing, |row| row.get::<_, String>(3)).expect("a plan");
        lines.collect::<rusqlite::Result<_>>().expect("lines")
    }

    #[test]
    fn no_question_looks_at_rows_of_other_accounts_or_other_times() {
        let mut connection = Connection::open_in_memory().expect("a database");
        migrate(&mut connection, Timestamp::from_seconds(1)).expect("migrated");
        let by_account = "(root_id=? AND account_id=? AND";
        for (sql, rows) in [
            (
                OF_TREE_BY_HOURS,
                "u USING INDEX usage_hours_of_tree (root_id=? AND hour>?".to_owned(),
            ),
            (OF_TREE_BY_DAYS, "u USING PRIMARY KEY (root_id=?".to_owned()),
            (OF_ACCOUNTS_BY_HOURS, format!("u USING PRIMARY KEY {by_account} hour>? AND hour<?)")),
            (OF_ACCOUNTS_BY_DAYS, format!("u USING PRIMARY KEY {by_account} day>? AND day<?)")),
        ] {
            let plan = plan(&connection, sql);
            let seen = |what: &str| plan.iter().filter(|line| line.contains(what)).count();
            assert_eq!(seen(&format!("SEARCH {rows}")), 1, "{plan:#?}");
            let is_whole = |line: &String| {
                let mut words = line.split(' ');
                words.next() == Some("SCAN") && matches!(words.next(), Some("u" | "c"))
            };
            assert!(!plan.iter().any(is_whole), "{plan:#?}");
            let records = if sql.contains("asked") { (1, 2) } else { (1, 0) };
            let unrolled = seen("SEARCH c USING INDEX call_records_unrolled (root_id=?");
            let ended = format!("call_records_by_account {by_account} ended_at>? AND ended_at<?)");
            assert_eq!((unrolled, seen(&ended)), records, "{plan:#?}");
        }
    }
}
