//! Bodies of requests: their media type, their size, and JSON read strictly.

use crate::app::AppState;
use crate::refusal::Refusal;
use axum::body::Body;
use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tenantry_core::error::{Error, Problem, Violation};
use tenantry_core::json::{self, Json};
use tenantry_core::limits;

/// Largest body of an ordinary request, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest body of a bulk request, in bytes.
pub(crate) const BULK_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Members that only the server sets, in any dialect's spelling. A body that names one is refused:
/// nobody is to believe that it was obeyed.
pub(crate) const SERVER_SET: &[&str] = &[
    "id",
    "account_id",
    "account_uuid",
    "api_key",
    "client_id",
    "client_secret",
    "clientId",
    "clientSecret",
    "created_at",
    "createdAt",
    "created_by",
    "createdBy",
    "entitlements",
    "inserted_at",
    "is_master",
    "key_id",
    "organization_id",
    "parent_id",
    "permissions",
    "secret",
    "status",
    "tenant",
    "tenant_id",
    "updated_at",
    "updatedAt",
    "user_id",
];

/// Violations for the members of `object` that only the server sets, at `path` of the body.
pub(crate) fn server_set(object: &Json, path: &str) -> Vec<Violation> {
    let Json::Object(members) = object else {
        return Vec::new();
    };
    members
        .iter()
        .filter(|(name, _)| SERVER_SET.contains(&name.as_str()))
        .map(|(name, _)| Violation {
            field: format!("{path}{name}").into(),
            problem: Problem::ServerSet,
        })
        .collect()
}

/// A JSON body in `application/json`.
pub(crate) struct JsonBody {
    /// The bytes, known to be one strict JSON value.
    pub(crate) bytes: Bytes,
    /// The value.
    pub(crate) value: Json,
}

/// A JSON body of a bulk route: larger, and of more values.
pub(crate) struct BulkJsonBody(pub(crate) JsonBody);

impl FromRequest<AppState> for BulkJsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        require_plain_json(request.headers())?;
        require_no_coding(request.headers())?;
        let bytes = read_body(request.into_body(), state, BULK_BODY_BYTES_MAX).await?;
        let value = json::parse_within(&bytes, limits::BULK_JSON_NODES_MAX);
        let value = value.map_err(|problem| Error::Malformed(problem.text()))?;
        Ok(Self(JsonBody { bytes, value }))
    }
}

/// A JSON body in `application/json`, or none at all; first its bytes.
pub(crate) struct OptionalJsonBody(pub(crate) Bytes, pub(crate) Option<Json>);

impl JsonBody {
    /// A body that was read already.
    pub(crate) fn from_bytes(bytes: Bytes) -> Result<Self, Refusal> {
        let value = parse(&bytes)?;
        Ok(Self { bytes, value })
    }
}

impl FromRequest<AppState> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        require_plain_json(request.headers())?;
        Self::from_bytes(read(request, state).await?)
    }
}

impl FromRequest<AppState> for OptionalJsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refusal> {
        require_plain_json(request.headers())?;
        let bytes = read(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(bytes, None));
        }
        let value = parse(&bytes)?;
        Ok(Self(bytes, Some(value)))
    }
}

/// Reads a JSON text strictly.
pub(crate) fn parse(bytes: &[u8]) -> Result<Json, Refusal> {
    json::parse(bytes).map_err(|problem| Error::Malformed(problem.text()).into())
}

/// Reads a whole body, within its limits. No content coding is undone: a small body cannot become
/// a large one.
pub(crate) async fn read(request: Request, state: &AppState) -> Result<Bytes, Refusal> {
    require_no_coding(request.headers())?;
    read_body(request.into_body(), state, BODY_BYTES_MAX).await
}

/// As [`read`], for a body whose head was looked at already, of at most `bytes_max` bytes.
pub(crate) async fn read_body(
    mut body: Body,
    state: &AppState,
    bytes_max: usize,
) -> Result<Bytes, Refusal> {
    // A small body comes with its head and is there at once, in one piece: no timer for that.
    let first = match body.frame().now_or_never() {
        Some(None) => return Ok(Bytes::new()),
        Some(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        Some(Some(Err(_))) => return Err(incomplete()),
        None => Bytes::new(),
    };
    if first.len() > bytes_max {
        return Err(Refusal::BodyTooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = Limited::new(body, bytes_max - first.len());
    match tokio::time::timeout(state.body_deadline, rest.collect()).await {
        Ok(Ok(rest)) if first.is_empty() => Ok(rest.to_bytes()),
        Ok(Ok(rest)) => Ok(Bytes::from([&first[..], &rest.to_bytes()[..]].concat())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) => Err(incomplete()),
        Err(_) => Err(Refusal::BodyTimeout),
    }
}

fn incomplete() -> Refusal {
    Error::Malformed("the body did not arrive whole").into()
}

/// No content coding, or one that codes nothing.
pub(crate) fn require_no_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    if codings.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Ok(())
    } else {
        Err(Refusal::UnsupportedMediaType)
    }
}

/// `Content-Type` absent, or `application/json` with no parameter but `charset=utf-8`.
pub(crate) fn require_plain_json(headers: &HeaderMap) -> Result<(), Refusal> {
    // What nearly every client sends, without a parser.
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    if values.next().is_some_and(|value| value == "application/json") && values.next().is_none() {
        return Ok(());
    }
    let Some(media) = content_type(headers)? else {
        return Ok(());
    };
    let plain = media.essence_str() == "application/json"
        && media.params().all(|(name, value)| {
            name == mime::CHARSET && value.as_str().eq_ignore_ascii_case("utf-8")
        });
    if plain { Ok(()) } else { Err(Refusal::UnsupportedMediaType) }
}

/// The one media type of a body, `None` where none is named.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<Option<mime::Mime>, Refusal> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let media = value.to_str().ok().and_then(|text| text.parse::<mime::Mime>().ok());
    match (media, values.next()) {
        (Some(media), None) => Ok(Some(media)),
        _ => Err(Refusal::UnsupportedMediaType),
    }
}
