//! `POST /api/v1/accounts`

use super::media::{MEDIA, Negotiated};
use crate::app::AppState;
use crate::body;
use crate::caller::Caller;
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Serialize, Serializer};
use tenantry_core::accounts::{
    AccountLimits, CreatedAccount, FirstKey, NewAccount, NewPlacement, Profile,
};
use tenantry_core::error::{Conflict, Denial, Error, Problem, Violation};
use tenantry_core::json::Json;
use tenantry_core::secrets::KeyFormat;
use tenantry_core::text::{Line, Metadata, Name};
use utoipa::ToSchema;

/// Makes a sub-account under the account whose key is presented.
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    _: Negotiated,
    attempt: Attempt,
    request: Request,
) -> Result<Response, Refusal> {
    let body = body::read(request, &state).await?;
    let new = decode(&body::parse(&body)?)?;
    let encode =
        |created: &CreatedAccount| reply::keepable(StatusCode::CREATED, MEDIA, &encode(created));
    once(&state, &context, &attempt, &body, &encode, async |once| {
        state.plane.create_account(&context, new, once).await
    })
    .await
}

fn decode(document: &Json) -> Result<NewAccount, Error> {
    let data = document.get("data");
    let attributes = data.and_then(|data| data.get("attributes"));
    let (Some(data), Some(attributes @ Json::Object(_))) = (data, attributes) else {
        return Err(Error::Malformed("the body has no data.attributes object"));
    };
    match data.get("type") {
        None => return Err(Error::invalid("data.type", Problem::Missing)),
        Some(Json::String(text)) if text == "accounts" => {}
        Some(_) => return Err(Error::Conflict(Conflict::WrongType)),
    }
    if data.get("id").is_some() {
        return Err(Error::Forbidden(Denial::ClientGeneratedId));
    }
    let mut violations = body::server_set(attributes, "");
    violations.extend(body::server_set(data, "data."));
    let name = match attributes.get("name") {
        None => Err(Problem::Missing),
        Some(Json::String(text)) => Name::parse(text),
        Some(_) => Err(Problem::WrongType("a string")),
    };
    let name = take(&mut violations, "name", name);
    let mut profile = Profile::default();
    for (index, field) in Profile::FIELDS.into_iter().enumerate() {
        let line = match attributes.get(field) {
            None | Some(Json::Null) => continue,
            Some(Json::String(text)) => Line::parse_paragraph(text),
            Some(_) => Err(Problem::WrongType("a string")),
        };
        profile.set(index, take(&mut violations, field, line));
    }
    match name {
        Some(name) if violations.is_empty() => Ok(NewAccount {
            name,
            profile,
            metadata: Metadata::empty(),
            limits: AccountLimits::default(),
            placement: NewPlacement::Shared,
            key: FirstKey::usual(KeyFormat::Account),
            entitlement: None,
        }),
        _ => Err(Error::Invalid(violations)),
    }
}

fn take<T>(
    violations: &mut Vec<Violation>,
    field: &'static str,
    outcome: Result<T, Problem>,
) -> Option<T> {
    outcome.map_err(|problem| violations.push(Violation { field: field.into(), problem })).ok()
}

#[derive(Serialize, ToSchema)]
#[schema(as = CreatedAccountDocument)]
pub(crate) struct Document<'a> {
    data: Account<'a>,
    included: [Key<'a>; 1],
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountResource)]
struct Account<'a> {
    r#type: &'static str,
    id: String,
    attributes: Attributes<'a>,
    relationships: Relationships,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountAttributes)]
struct Attributes<'a> {
    name: &'a str,
    #[serde(flatten)]
    #[schema(value_type = AccountProfileAttributes)]
    profile: Sent<'a>,
}

/// What the attributes of a profile may be.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what is read and written by name")]
pub(crate) struct AccountProfileAttributes {
    #[schema(max_length = 200)]
    company: Option<String>,
    #[schema(max_length = 200)]
    vat: Option<String>,
    #[schema(max_length = 200)]
    country: Option<String>,
    #[schema(max_length = 200)]
    address: Option<String>,
    #[schema(max_length = 200)]
    city: Option<String>,
    #[schema(max_length = 200)]
    state: Option<String>,
    #[schema(max_length = 200)]
    zip_code: Option<String>,
}

/// Attributes that were sent, and no others, in the contract's order.
struct Sent<'a>(&'a Profile);

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|(name, value)| Some((name, value?))))
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AccountRelationships)]
struct Relationships {
    api_keys: Linkage,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyLinkage)]
struct Linkage {
    data: [Identifier; 1],
}

#[derive(Serialize, ToSchema)]
#[schema(as = ResourceIdentifier)]
struct Identifier {
    r#type: &'static str,
    id: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeySecretResource)]
struct Key<'a> {
    r#type: &'static str,
    id: String,
    attributes: Secret<'a>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeySecretAttributes)]
struct Secret<'a> {
    secret: &'a str,
}

fn encode(created: &CreatedAccount) -> Document<'_> {
    let account = &created.account;
    let key_id = created.key.id.to_string();
    Document {
        data: Account {
            r#type: "accounts",
            id: account.id.to_string(),
            attributes: Attributes { name: account.name.as_str(), profile: Sent(&account.profile) },
            relationships: Relationships {
                api_keys: Linkage { data: [Identifier { r#type: "api_keys", id: key_id.clone() }] },
            },
        },
        included: [Key {
            r#type: "api_keys",
            id: key_id,
            attributes: Secret { secret: created.secret.reveal() },
        }],
    }
}
