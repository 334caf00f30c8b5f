//! `POST /v1/accounts/bulk`

use super::accounts::{decode_new, encode_account};
use super::keys::encode_created_key;
use super::problem;
use crate::app::AppState;
use crate::body::BulkJsonBody;
use crate::caller::Caller;
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
    let mut made = state.plane.create_accounts(&context, new).await?.into_iter();
    let answers: Vec<Result<CreatedAccount, Error>> = refused
        .into_iter()
        .map(|refused| match refused {
            Some(error) => Err(error),
            None => made.next().unwrap_or_else(|| Err(Error::internal("an answer is missing"))),
        })
        .collect();
    let results = answers.iter().map(encode).collect::<Result<_, Error>>()?;
    Ok(reply::json(StatusCode::OK, reply::JSON, &api::CreatedAccounts { results }))
}

fn decode(value: &Json, text: &RawValue) -> Result<NewAccount, Error> {
    decode_new(super::decode_value(value, text.get().as_bytes())?)
}

fn encode(answer: &Result<CreatedAccount, Error>) -> Result<api::BulkResult<'_>, Error> {
    Ok(match answer {
        Ok(created) => api::BulkResult::Created {
            status: StatusCode::CREATED.as_u16(),
            created: Box::new(api::CreatedAccount {
                account: encode_account(&created.account)?,
                key: encode_created_key(&created.key, &created.secret)?,
            }),
        },
        Err(error) => {
            let (status, problem) = problem::of(error);
            api::BulkResult::Refused { status: status.as_u16(), error: problem }
        }
    })
}
