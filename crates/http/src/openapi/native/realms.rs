//! `/v1/realms`

use crate::openapi::part::{Caller, Part};
use crate::reply::JSON;
use tenantry_api::list::List;
use tenantry_api::realms::{CreateRealm, Realm};
use utoipa::openapi::path::HttpMethod::{Delete, Get, Post};

pub(super) fn describe(part: &mut Part) {
    let summary = "Believe the admin JWTs of an issuer";
    part.call(Post, "/v1/realms", (Caller::Key, summary), |call| {
        call.about("Its administrators may do whatever the organization's master key may, so that takes all of it.")
            .takes::<CreateRealm>(JSON)
            .gives::<Realm>(201, JSON, "The realm")
            .repeatable()
    });
    part.call(Get, "/v1/realms", (Caller::Key, "List the organization's realms"), |call| {
        call.gives_of::<Realm, List<Realm>>("RealmList", 200, JSON, "All of them, oldest first")
    });
    part.call(Delete, "/v1/realms/{id}", (Caller::Key, "Believe an issuer no more"), |call| {
        call.gives::<Realm>(200, JSON, "The realm as it was").changes()
    });
}
