//! Admin tokens and the members they stand for: the cases of 14 to 30 that the built-in realm can
//! show, with tokens that are signed by the realm's own key where the signature must be right.

use crate::support::{START, TestApp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/admin/service-account/create";

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token's header and claims.
fn read(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut next = || parts.next().expect("three parts");
    let json = |text: &str| {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("JSON")
    };
    let (header, claims) = (json(next()), json(next()));
    (header, claims, next().to_owned())
}

async fn status(app: &TestApp, token: &str) -> u16 {
    let caller = app.bearer(token).header("x-tenantid", &app.organization.uuid);
    let reply = caller.post_bytes(PATH, "").await;
    if reply.status == 401 {
        let (_, body) = reply.refusal();
        assert_eq!(
            (&body["message"], &body["error"]),
            (&json!("Authentication failed"), &json!("UNAUTHORIZED"))
        );
    }
    reply.status.as_u16()
}

#[tokio::test]
async fn cases_14_to_19_a_header_that_was_touched_is_401() {
    let app = TestApp::start().await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    assert_eq!(status(&app, &token).await, 200);
    let (header, claims, signature) = read(&token);
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    let mut headers: Vec<Value> = ["none", "None", "nOnE", "HS256", "ES384", "RS256", "EdDSA", ""]
        .into_iter()
        .map(|alg| with("alg", json!(alg)))
        .collect();
    for kid in [
        json!("../../dev/null"),
        json!("' OR 1=1 --"),
        json!("x".repeat(5000)),
        json!(7),
        json!([]),
        Value::Null,
    ] {
        headers.push(with("kid", kid));
    }
    for (name, value) in [
        ("jku", json!("http://127.0.0.1/keys")),
        ("x5u", json!("http://127.0.0.1/cert")),
        ("jwk", json!({ "kty": "EC" })),
        ("x5c", json!(["x"])),
        ("crit", json!(["x"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("typ", json!("other")),
        ("typ", json!(7)),
    ] {
        headers.push(with(name, value));
    }
    for header in headers {
        for signature in [signature.as_str(), ""] {
            let token = format!("{}.{}.{signature}", part(&header), part(&claims));
            assert_eq!(status(&app, &token).await, 401, "{header}");
        }
    }
    for token in ["..", ".", "a.b", "a.b.c.d", &format!("{token}."), &format!("{token}=")] {
        assert_eq!(status(&app, token).await, 401, "{token}");
    }
}

#[tokio::test]
async fn case_30_claims_or_signature_that_were_touched_are_401() {
    let app = TestApp::start().await;
    let token = app.token(&app.organization.uuid, "viewer").await;
    let (header, mut claims, signature) = read(&token);
    claims["roles"] = json!(["tenant_admin"]);
    assert_eq!(
        status(&app, &format!("{}.{}.{signature}", part(&header), part(&claims))).await,
        401
    );
    let zero = URL_SAFE_NO_PAD.encode([0_u8; 64]);
    let (head, _) = token.rsplit_once('.').expect("a signature");
    assert_eq!(status(&app, &format!("{head}.{zero}")).await, 401);
    for index in [0, 10, 40, signature.len() - 2] {
        let mut bytes = signature.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let touched = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(status(&app, &format!("{head}.{touched}")).await, 401, "{index}");
    }
}

#[tokio::test]
async fn case_22_a_token_ends_when_it_says() {
    let app = TestApp::start().await;
    let token = app.token(&app.organization.uuid, "tenant_admin").await;
    let (_, claims, _) = read(&token);
    assert_eq!(claims["exp"], START / 1_000_000 + 600);
    app.advance(600 + 29);
    assert_eq!(status(&app, &token).await, 200);
    app.advance(1);
    assert_eq!(status(&app, &token).await, 401);
}

#[tokio::test]
async fn a_member_is_recorded_at_first_sight_and_once() {
    let app = TestApp::start().await;
    let member = "1876278a-3634-4833-b73e-1536d806e117";
    let body = json!({
        "tenant": app.organization.uuid, "role": "tenant_admin", "member": member, "ttl_seconds": 60,
    });
    let token = app.operator().post("/operator/tokens", body).await.text_at("/token").to_owned();
    for _ in 0..2 {
        let caller = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
        let reply = caller.post_bytes(PATH, "").await;
        let expected = json!({ "id": member, "name": null, "email": null });
        assert_eq!(reply.json["data"]["createdBy"], expected, "{}", reply.text);
    }
    assert_eq!(app.count("SELECT count(*) FROM members"), 2);
    assert_eq!(app.count("SELECT count(*) FROM audit_events WHERE action = 'member.recorded'"), 1);
}
