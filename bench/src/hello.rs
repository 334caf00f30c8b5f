//! HELLO, the control: a bare axum handler that takes the verification's JSON and answers JSON of
//! the same size, by the framework's own extractor and reply. It looks nothing up and checks
//! nothing.

use crate::Outcome;
use axum::Json;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Question {
    key: String,
}

/// The members of a verify reply, as long as a real one's.
#[derive(Serialize)]
struct Answer {
    valid: bool,
    code: &'static str,
    kind: &'static str,
    key_id: &'static str,
    account_id: &'static str,
    account_uuid: &'static str,
    parent_id: &'static str,
    name: Option<&'static str>,
    permissions: [&'static str; 1],
    expires_at: Option<&'static str>,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {}

/// Serves on `port` of loopback until the process is ended.
pub(crate) fn serve(port: u16) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let router = axum::Router::new()
            .route("/v1/keys/verify", post(answer))
            .route("/readyz", get(|| async { "ready" }));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        // As the server does.
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn answer(Json(question): Json<Question>) -> Json<Answer> {
    Json(Answer {
        valid: !question.key.is_empty(),
        code: "VALID",
        kind: "api_key",
        key_id: "key_1ChJtYekZJGPAbNxLuhweg",
        account_id: "acc_1ChJtYekYs4eivSZWdZF2J",
        account_uuid: "01a205bd-5570-7a5c-8e38-5f0d7a0d1e1b",
        parent_id: "acc_1ChJtYeUvYVJ8EJHxQPctK",
        name: None,
        permissions: ["*:*"],
        expires_at: None,
        metadata: Metadata {},
    })
}
