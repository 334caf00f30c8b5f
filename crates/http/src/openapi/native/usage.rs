//! `/v1/usage`

use crate::openapi::part::{Caller, Part};
use crate::openapi::values::{text, time, word};
use crate::reply::JSON;
use tenantry_api::usage::UsageList;
use tenantry_core::usage::GroupBy;
use utoipa::openapi::path::HttpMethod::Get;

pub(super) fn describe(part: &mut Part) {
    part.call(Get, "/v1/usage", (Caller::Key, "What accounts took"), |call| {
        call.about(
            "Verifications and calls of the caller's own account and of those below it, in whole \
             hours. At most 32 days at once; of whole days (UTC) 400, but by hour. Verifications \
             show within half a minute, calls at once.",
        )
        .query("from", time(), "Down to its hour; the start of the month unless given")
        .query("to", time(), "Up to the next hour; the end of today unless given")
        .query("account", text(1, 64), "`acc_…`, or the UUID: this account alone")
        .query("group_by", word(GroupBy::ALL.map(GroupBy::as_str)), "`account` unless given")
        .paged()
        .gives::<UsageList>(200, JSON, "A page of groups")
        .refuses(&[(404, "The account does not exist, or is somebody else's")])
    });
}
