//! Tenantry's own API, and what belongs to no family.

mod accounts;
mod audit;
mod databases;
mod keys;
mod leases;
mod others;
mod realms;
mod service_accounts;
mod usage;
mod words;

use super::call::Call;
use super::part::Part;
use crate::reply::JSON;
use tenantry_api::list::List;
use tenantry_api::problem::Problem;
use utoipa::ToSchema;

pub(super) fn describe() -> Part {
    let about = "Tenantry's own API. Refusals are RFC 9457 documents with a stable `code`.";
    let mut part = Part::new::<Problem>("native", about, "application/problem+json", 422);
    accounts::describe(&mut part);
    databases::describe(&mut part);
    keys::describe(&mut part);
    leases::describe(&mut part);
    service_accounts::describe(&mut part);
    realms::describe(&mut part);
    usage::describe(&mut part);
    audit::describe(&mut part);
    others::describe(&mut part);
    words::close(&mut part);
    part
}

/// A page of `T`, as every list of this API answers.
fn page<'a, T: ToSchema>(call: Call<'a>, what: &str) -> Call<'a> {
    call.paged().gives_of::<T, List<T>>(&format!("{}List", T::name()), 200, JSON, what)
}
