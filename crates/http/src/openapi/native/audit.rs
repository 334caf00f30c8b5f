//! `/v1/audit-events`

use crate::native::audit::{CSV, NEXT_CURSOR};
use crate::openapi::part::{Caller, Part};
use crate::openapi::values::{number, text, time, word};
use crate::reply::JSON;
use tenantry_api::audit::{AuditEvent, VerifiedTrail};
use tenantry_api::list::List;
use tenantry_core::limits;
use utoipa::openapi::path::HttpMethod::Get;

pub(super) fn describe(part: &mut Part) {
    part.call(Get, "/v1/audit-events", (Caller::Key, "List what was done"), |call| {
        let filter = || text(0, limits::AUDIT_FILTER_BYTES_MAX);
        call.about(
            "The organization's own trail, oldest first. A page that a filter leaves little of may \
             be short, or empty, and still have a next one.",
        )
        .query("actor", filter(), "The id of who did it")
        .query("action", filter(), "What was done, such as `key.revoked`")
        .query("target", filter(), "The id of what it was done to")
        .query("from", time(), "Not before then")
        .query("to", time(), "Before then")
        .query("format", word(["json", "csv"]), "As `Accept` says unless given; JSON then")
        .query(
            "limit",
            number(1, limits::AUDIT_CSV_EVENTS_MAX),
            "Entries of a page: 100 of JSON and 1,000 of CSV at most, and unless given",
        )
        .continued()
        .gives_of::<AuditEvent, List<AuditEvent>>("AuditEventList", 200, JSON, "A page")
        .gives_text(200, CSV, "A page")
        .with_header(200, NEXT_CURSOR.as_str(), "Of CSV: `cursor` of the next page")
    });
    part.call(
        Get,
        "/v1/audit-events/verify",
        (Caller::Key, "Is the trail what was written?"),
        |call| {
            call.about("Looks over a part of the organization's own chain of events at a time.")
                .continued()
                .gives::<VerifiedTrail>(200, JSON, "What was found of this part")
        },
    );
}
