//! The sub-accounts dialect.

use super::call::Call;
use super::part::{Caller, Part};
use super::values::{number, time_or_day};
use crate::dialects::sub_accounts::account::Done;
use crate::dialects::sub_accounts::create::Reply as SubAccount;
use crate::dialects::sub_accounts::list::Item;
use crate::dialects::sub_accounts::me::Me;
use crate::dialects::sub_accounts::problem::{Body as Refused, ConcurrencyExceeded, NoValidFields};
use crate::dialects::sub_accounts::usage::{Usage, UsageOf};
use crate::reply::JSON;
use tenantry_core::limits;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::{Delete, Get, Patch, Post};

/// What a sub-account is made of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct CreateSubAccount {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Whether it has a database of its own.
    multi_tenant: Option<bool>,
    /// Its host. Read only with `multi_tenant`.
    db_host: Option<String>,
    /// Its name.
    db_name: Option<String>,
    /// Its port, a number or digits; 5432 unless given.
    #[schema(value_type = Option<serde_json::Value>)]
    db_port: Option<String>,
    /// A user who may create it.
    db_user: Option<String>,
    /// That user's password.
    db_password: Option<String>,
    /// Concurrent calls; the organization's default unless given.
    #[schema(minimum = 1, maximum = 1_000_000)]
    allow_concurrent_calls: Option<u32>,
}

/// What can be changed of a sub-account: one of the two at least.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the handler reads member by member")]
struct UpdateSubAccount {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Concurrent calls.
    #[schema(minimum = 1, maximum = 1_000_000)]
    allow_concurrent_calls: Option<u32>,
}

/// What is wrong with a body that makes or changes a sub-account.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes shapes that the contract has beside each other")]
enum SubAccountsBadRequest<'a> {
    Rule(Refused<'a>),
    NothingToChange(NoValidFields),
    TooManyCalls(ConcurrencyExceeded),
}

pub(super) fn describe() -> Part {
    let about = "The sub-accounts contract. Refusals are `{\"error\":400,\"message\":\"…\"}`.";
    let mut part = Part::new::<Refused<'_>>("sub-accounts", about, JSON, 400);
    accounts(&mut part);
    usage(&mut part);
    part.call(Get, "/user/me", (Caller::Key, "Who is behind the key?"), |call| {
        call.gives::<Me<'_>>(200, JSON, "The person, and the calls that the account may have")
    });
    part
}

fn accounts(part: &mut Part) {
    let wrong = "A value breaks a rule, or more calls are asked for than there are to give";
    part.call(Post, "/sub-accounts/create", (Caller::Key, "Make a sub-account"), |call| {
        call.gives::<SubAccountsBadRequest<'_>>(400, JSON, wrong)
            .takes::<CreateSubAccount>(JSON)
            .gives::<SubAccount<'_>>(
                200,
                JSON,
                "All fields of the contract; `api_key` is shown once",
            )
            .repeatable()
            .refuses(&[(429, "Too many databases were asked for in a minute")])
    });
    part.call(Get, "/sub-accounts/all", (Caller::Key, "List sub-accounts"), |call| {
        numbered(call)
            .gives_as::<Vec<Item<'_>>>("SubAccountList", 200, JSON, "A page, oldest first")
            .with_header(200, "link", "Where the next page is")
    });
    let path = "/sub-accounts/{id}";
    part.call(Get, path, (Caller::Key, "Read a sub-account"), |call| {
        call.gives::<SubAccount<'_>>(200, JSON, "The sub-account, without its secrets")
    });
    part.call(Patch, path, (Caller::Key, "Change a sub-account"), |call| {
        call.gives::<SubAccountsBadRequest<'_>>(400, JSON, wrong)
            .takes::<UpdateSubAccount>(JSON)
            .gives::<Done>(200, JSON, "It is changed")
            .changes()
    });
    part.call(Delete, path, (Caller::Key, "Close a sub-account for good"), |call| {
        call.gives::<Done>(200, JSON, "Its keys refuse from then on").changes()
    });
}

fn usage(part: &mut Part) {
    part.call(
        Get,
        "/sub-accounts/all/usage",
        (Caller::Key, "The usage of each sub-account"),
        |call| {
            period(numbered(call))
                .gives_as::<Vec<UsageOf<'_>>>("SubAccountUsageList", 200, JSON, "A page")
                .with_header(200, "link", "Where the next page is")
        },
    );
    part.call(
        Get,
        "/sub-accounts/{id}/usage",
        (Caller::Key, "The usage of a sub-account"),
        |call| period(call).gives::<Usage>(200, JSON, "Sums over the period"),
    );
}

fn numbered(call: Call<'_>) -> Call<'_> {
    let (pages, size) = (limits::SUB_ACCOUNTS_PAGES_MAX, limits::SUB_ACCOUNTS_PAGE_MAX);
    call.query("page_number", number(1, pages), "Which page, from 1").query(
        "page_size",
        number(1, size),
        "Entries of a page, 1,000 unless given",
    )
}

fn period(call: Call<'_>) -> Call<'_> {
    call.about(
        "What the records say that calls' leases were released with, in cents and seconds, to the \
         last second of the period. At most 32 days at once.",
    )
    .query("from", time_or_day(), "A time or a day (UTC); the start of the month unless given")
    .query("to", time_or_day(), "A time or a day (UTC); the end of today unless given")
}
