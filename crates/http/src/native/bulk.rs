//! `POST /v1/accounts/bulk`

use super::accounts::{decode_new, encode_account};
use super::keys::encode_created_key;
use super::problem;
use crate::app::AppState;
use crate::body::BulkJsonBody;
use crate::caller::Caller;
use crate::once::{Attempt, once};
use crate::refusal::Refusal;
use crate::reply;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::value::RawValue;
use tenantry_api::accounts as api;
use tenantry_core::accounts::{CreatedAccount, NewAccount};
use tenantry_core::error::{Error, Problem};
use tenantry_core::json::Json;
use tenantry_core::limits;

/// Up to 1,000 sub-accounts in one transaction, with an answer for each in its place.
pub(crate) async fn create(
    State(state): State<AppState>,
    Caller(context): Caller,
    attempt: Attempt,
    BulkJsonBody(body): BulkJsonBody,
) -> Result<Response, Refusal> {
    let asked: api::CreateAccounts<'_> = super::typed(&body)?;
    let Some(Json::Array(values)) = body.value.get("accounts") else {
        return Err(Error::invalid("accounts", Problem::Missing).into());
    };
    if values.len() > limits::BULK_ACCOUNTS_MAX {
        let problem = Problem::TooMany(limits::BULK_ACCOUNTS_MAX);
        return Err(Error::invalid("accounts", problem).into());
    }
    let mut new = Vec::with_capacity(values.len());
    let mut refused = Vec::with_capacity(values.len());
    for (value, text) in values.iter().zip(asked.accounts) {
        match decode(value, text) {
            Ok(account) => {
                new.push(account);
                refused.push(None);
            }
            Err(error) => refused.push(Some(error)),
        }
    }
    let encode = |made: &Vec<Result<CreatedAccount, Error>>| {
        let mut made = made.iter();
        let results = refused
            .iter()
            .map(|refused| match refused {
                Some(error) => Ok(encode_refused(error)),
                None => made
                    .next()
                    .map_or_else(|| Err(Error::internal("an answer is missing")), encode_answer),
            })
            .collect::<Result<_, Error>>()?;
        reply::keepable(StatusCode::OK, reply::JSON, &api::CreatedAccounts { results })
    };
    once(&state, &context, &attempt, &body.bytes, &encode, async |once| {
        state.plane.create_accounts(&context, new, once).await
    })
    .await
}

fn decode(value: &Json, text: &RawValue) -> Result<NewAccount, Error> {
    decode_new(super::decode_value(value, text.get().as_bytes())?)
}

fn encode_answer(answer: &Result<CreatedAccount, Error>) -> Result<api::BulkResult<'_>, Error> {
    Ok(match answer {
        Ok(created) => api::BulkResult::Created {
            status: StatusCode::CREATED.as_u16(),
            created: Box::new(api::CreatedAccount {
                account: encode_account(&created.account)?,
                key: encode_created_key(&created.key, &created.secret)?,
            }),
        },
        Err(error) => encode_refused(error),
    })
}

fn encode_refused<'a>(error: &Error) -> api::BulkResult<'a> {
    let (status, problem) = problem::of(error);
    api::BulkResult::Refused { status: status.as_u16(), error: problem }
}
