//! Usage: what accounts took.

use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Reply of `GET /v1/usage`.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageList {
    /// The first instant that is told of: `from` of the question, down to its hour.
    #[schema(format = DateTime)]
    pub from: String,
    /// The first instant that is not: `to` of the question, up to the next hour.
    #[schema(format = DateTime)]
    pub to: String,
    /// `account`, `key`, `hour` or `day`.
    pub group_by: &'static str,
    /// A page of groups, in the order of ids or of time. What took nothing is left out.
    pub data: Vec<UsageEntry>,
    /// What `cursor` of the next page is; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// What one group took: an account, a key, an hour or a day.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct UsageEntry {
    /// By account: `acc_…`; by key the account that the key belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// By key: `key_…`, `sec_…`, or `svc_…` for access tokens that a service account got with a key of
    /// its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// By hour: when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub hour: Option<String>,
    /// By day: when it begins (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub day: Option<String>,
    /// Verifications, by code.
    pub verifications: BTreeMap<String, u64>,
    /// Calls; not there by key, as no key makes a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallUsage>,
}

/// What calls took, by the records that were given with the release of their leases.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallUsage {
    /// How many there were.
    pub count: u64,
    /// How long they took.
    #[schema(value_type = f64)]
    pub duration_seconds: Millionths,
    /// How many had each status. Of more than 100 the rarest are told together, as `other`.
    pub statuses: BTreeMap<String, u64>,
    /// What they cost.
    pub costs: CostSums,
}

/// What calls cost, in cents. Of more than 100 providers of a kind the cheapest are told together, as
/// `other`.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostSums {
    /// For the platform itself.
    #[schema(value_type = f64)]
    pub platform: Millionths,
    /// For telephony.
    #[schema(value_type = f64)]
    pub telephony: Millionths,
    /// For speech synthesis, by provider.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub synthesizer: BTreeMap<String, Millionths>,
    /// For transcription, by provider.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub transcriber: BTreeMap<String, Millionths>,
    /// For language models, by provider.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub llm: BTreeMap<String, Millionths>,
    /// All of it.
    #[schema(value_type = f64)]
    pub total: Millionths,
}

/// A number that is counted in millionths and shown as a whole or a decimal fraction: seconds of
/// microseconds, cents of millionths of a cent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Millionths(pub u64);

impl Serialize for Millionths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const WHOLE: u64 = 1_000_000;
        if self.0.is_multiple_of(WHOLE) {
            return serializer.serialize_u64(self.0 / WHOLE);
        }
        #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 there is no nearer number")]
        let number = self.0 as f64 / 1e6;
        serializer.serialize_f64(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_no_more_digits_than_it_was_counted_in() {
        for (millionths, printed) in [
            (0, "0"),
            (1, "1e-6"),
            (100_000, "0.1"),
            (1_000_000, "1"),
            (12_345_679, "12.345679"),
            (300_000, "0.3"),
            (4_503_599_627_370_497, "4503599627.370497"),
            (1_000_000_000_000_000, "1000000000"),
        ] {
            let text = serde_json::to_string(&Millionths(millionths)).expect("a number");
            assert_eq!(text, printed);
        }
    }
}
