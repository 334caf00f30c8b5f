//! Sums of usage: one statement each, so that a call which is being moved from its record into the rows
//! of hours is seen in one of them and never in both.

use tenantry_core::error::{Error, Result};
use tenantry_core::usage::{Grain, SumQuery, Whose};

/// A statement from the rows of hours or days that are asked for, and the records of calls.
///
/// Parameters: 1 root, 2 and 3 the period, 4 and 5 its whole hours, 6 what is counted, 7 how it is
/// grouped, 8 to 10 the place after which groups begin, 11 how many, 12 how many names; of accounts
/// also 13 which, 14 and 15 where parts of hours end and begin.
macro_rules! sums {
    ($rows:expr, $at:literal, $records:expr) => {
        concat!(
            "WITH records AS (",
            $records,
            "),
            used AS (
                SELECT u.account_id, u.key_id, u.",
            $at,
            " AS at, u.measure, u.name, u.amount FROM ",
            $rows,
            " AND u.root_id = $1 AND u.",
            $at,
            " >= $4 AND u.",
            $at,
            " < $5
                    AND ($6 = 'all' OR ($6 = 'verifications') = (u.measure = 'verifications'))
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'calls', status, 1 FROM records
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'duration', '', duration FROM records
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'platform_cost', '', platform_cost
                FROM records
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'telephony_cost', '', telephony_cost
                FROM records
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'synthesizer_cost', j.key, j.value::bigint
                FROM records CROSS JOIN LATERAL json_each_text(synthesizer_costs::json) AS j
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'transcriber_cost', j.key, j.value::bigint
                FROM records CROSS JOIN LATERAL json_each_text(transcriber_costs::json) AS j
                UNION ALL
                SELECT account_id, ''::bytea, ended_at, 'llm_cost', j.key, j.value::bigint
                FROM records CROSS JOIN LATERAL json_each_text(llm_costs::json) AS j
            ),
            summed AS (
                SELECT CASE $7 WHEN 'key' THEN key_id ELSE ''::bytea END AS k,
                    CASE WHEN $7 IN ('account', 'key') THEN account_id ELSE ''::bytea END AS a,
                    CASE $7 WHEN 'hour' THEN at - at % 3600000000
                        WHEN 'day' THEN at - at % 86400000000 ELSE 0 END AS t,
                    measure, name, sum(amount / 1000000)::bigint AS upper,
                    sum(amount % 1000000)::bigint AS lower
                FROM used WHERE amount > 0
                GROUP BY 1, 2, 3, measure, name
            ),
            page AS (
                SELECT DISTINCT k, a, t FROM summed
                WHERE $10 IS NULL OR (k, a, t) > ($8, $9, $10)
                ORDER BY k, a, t LIMIT $11
            ),
            ranked AS (
                SELECT s.k, s.a, s.t, s.measure, s.name, s.upper, s.lower, row_number() OVER (
                    PARTITION BY s.k, s.a, s.t, s.measure
                    ORDER BY s.upper * 1000000.0 + s.lower DESC, s.name
                ) AS place
                FROM page AS p JOIN summed AS s ON s.k = p.k AND s.a = p.a AND s.t = p.t
            ),
            told AS (
                SELECT k, a, t, measure, CASE WHEN place <= $12 THEN name ELSE '' END AS name,
                    upper, lower
                FROM ranked
            )
            SELECT k, a, t, measure, name, sum(upper)::bigint, sum(lower)::bigint,
                (SELECT c.kind FROM credentials AS c WHERE c.id = k AND c.root_id = $1)
            FROM told GROUP BY k, a, t, measure, name ORDER BY k, a, t, measure, name"
        )
    };
}

/// Records of calls in the root account's tree.
macro_rules! records {
    ($which:literal) => {
        concat!(
            "SELECT c.account_id, c.ended_at, c.status, c.duration, c.platform_cost,
                c.telephony_cost, c.synthesizer_costs, c.transcriber_costs, c.llm_costs
            FROM call_records AS c WHERE c.root_id = $1 AND $6 <> 'verifications' AND ",
            $which
        )
    };
}

/// Of whole hours only those records are looked at that are not in the rows.
macro_rules! of_tree {
    ($rows:literal, $at:literal) => {
        sums!(
            concat!($rows, " AS u WHERE true"),
            $at,
            records!("c.rolled = 0 AND c.ended_at >= $2 AND c.ended_at < $3")
        )
    };
}

/// Of parts of hours, all records.
macro_rules! of_accounts {
    ($rows:literal, $at:literal) => {
        sums!(
            concat!($rows, " AS u WHERE u.account_id = ANY($13)"),
            $at,
            concat!(
                records!(
                    "c.account_id = ANY($13) AND c.rolled = 0
                        AND c.ended_at >= $2 AND c.ended_at < $3"
                ),
                " UNION ALL ",
                records!(
                    "c.account_id = ANY($13) AND c.rolled = 1
                        AND c.ended_at >= $2 AND c.ended_at < $14"
                ),
                " UNION ALL ",
                records!(
                    "c.account_id = ANY($13) AND c.rolled = 1
                        AND c.ended_at >= $15 AND c.ended_at < $3"
                )
            )
        )
    };
}

/// The statement of a question.
pub(super) fn statement(query: &SumQuery) -> Result<&'static str> {
    Ok(match (&query.whose, query.grain) {
        (Whose::Tree, _) if !query.span.is_of_hours() => {
            return Err(Error::internal("a tree's usage is asked for by parts of hours"));
        }
        (Whose::Tree, Grain::Hours) => of_tree!("usage_hours", "hour"),
        (Whose::Tree, Grain::Days) => of_tree!("usage_days", "day"),
        (Whose::Accounts(_), Grain::Hours) => of_accounts!("usage_hours", "hour"),
        (Whose::Accounts(_), Grain::Days) => of_accounts!("usage_days", "day"),
    })
}
