//! The service-accounts dialect.

use super::call::{Call, Caller, Part};
use crate::dialects::service_accounts::envelope::{Data, Envelope};
use crate::dialects::service_accounts::problem::Body as Refused;
use crate::reply::JSON;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod::Post;
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};

/// An object without any of the members that the server sets.
#[derive(ToSchema)]
struct NoFields {}

pub(super) fn describe() -> Part {
    let about = "The service-accounts contract. An administrator's JWT, `x-tenantid` and, where \
                 an issuer has several realms, `realmname`.";
    let mut part = Part::new::<Refused<'_>>("service-accounts", about, JSON);
    part.call(
        Post,
        "/api/v1/admin/service-account/create",
        (Caller::Administrator, "Make a service account"),
        |call| {
            tenant(call)
                .may_take::<NoFields>(JSON)
                .gives::<Envelope<Data<'_>>>(
                    200,
                    JSON,
                    "The service account; `clientSecret` is shown once",
                )
                .repeatable()
        },
    );
    part
}

/// The headers that every call of the family takes.
fn tenant(call: Call<'_>) -> Call<'_> {
    let uuid = ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::String))
        .format(Some(SchemaFormat::Custom("uuid".to_owned())));
    call.header("x-tenantid", uuid.into(), "The organization to act for")
        .may_have_header("realmname", "The realm of the token; found by its issuer unless given")
}
