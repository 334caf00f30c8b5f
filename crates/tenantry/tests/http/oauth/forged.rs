//! Tokens that are not, or not quite, ours: abuse cases 14 to 22 and 30, for access tokens. For
//! admin JWTs they are in `tampering.rs`.

use crate::support::{ClientKeyPair, Machine, TestApp, claims_of, encode};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A token is refused everywhere, and the good one that it was made of is not.
async fn refused(app: &TestApp, tokens: &[String]) {
    for token in tokens {
        let told = app.introspect(&app.owner(), token).await;
        assert_eq!(told, json!({ "active": false }), "{token}");
        let reply = app.bearer(token).get("/v1/whoami").await;
        assert_eq!(reply.refusal().0, 401, "{token}");
        assert!(!reply.text.contains(token.as_str()));
    }
}

async fn start() -> (TestApp, Machine, String) {
    let app = TestApp::start().await;
    let machine = app.machine(&app.organization.account_id).await;
    let token = app.access_token(&machine).await;
    (app, machine, token)
}

/// The token with another header and other claims under its own signature.
fn rewritten(token: &str, header: &Value, claims: &Value) -> String {
    let signature = token.rsplit('.').next().expect("a signature");
    format!("{}.{}.{signature}", encode(header), encode(claims))
}

#[tokio::test]
async fn case_14_a_token_without_a_signature_is_none() {
    let (app, _, token) = start().await;
    let (mut header, claims) = claims_of(&token);
    let (unsigned, _) = token.rsplit_once('.').expect("a signature");
    let mut tokens = vec![format!("{unsigned}."), unsigned.to_owned(), "eyJ..".to_owned()];
    for algorithm in ["none", "None", "nOnE", ""] {
        header["alg"] = json!(algorithm);
        tokens.push(rewritten(&token, &header, &claims));
        tokens.push(format!("{}.{}.", encode(&header), encode(&claims)));
    }
    refused(&app, &tokens).await;
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
}

#[tokio::test]
async fn case_15_a_public_key_is_no_shared_secret() {
    let (app, _, token) = start().await;
    let (mut header, claims) = claims_of(&token);
    let jwks = app.stranger().get("/oauth2/jwks.json").await;
    let part = |name: &str| {
        URL_SAFE_NO_PAD.decode(jwks.text_at(&format!("/keys/0/{name}"))).expect("base64url")
    };
    let point = [&[4], &part("x")[..], &part("y")[..]].concat();
    // What comes before the point in a key of this kind (RFC 5480).
    let der: Vec<u8> = [
        &[
            0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
            0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
        ][..],
        &point,
    ]
    .concat();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(&der)
    );
    let jwk = jwks.json["keys"][0].to_string();
    header["alg"] = json!("HS256");
    let tokens: Vec<String> = [point, der, pem.into_bytes(), jwk.into_bytes()]
        .iter()
        .map(|secret| {
            let input = format!("{}.{}", encode(&header), encode(&claims));
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&key, input.as_bytes());
            format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
        })
        .collect();
    refused(&app, &tokens).await;
}

#[tokio::test]
async fn case_16_a_key_is_good_for_its_own_algorithm_alone() {
    let (app, _, token) = start().await;
    let (header, claims) = claims_of(&token);
    let mut tokens = Vec::new();
    for algorithm in ["ES384", "RS256", "PS256", "EdDSA", "es256", "HS512"] {
        let mut header = header.clone();
        header["alg"] = json!(algorithm);
        tokens.push(rewritten(&token, &header, &claims));
        // Signed by a key of that kind, under the name of ours.
        if ["RS256", "EdDSA"].contains(&algorithm) {
            tokens.push(ClientKeyPair::of(algorithm).jwt(&header, &claims));
        }
    }
    tokens.push(ClientKeyPair::of("ES256").jwt(&header, &claims));
    refused(&app, &tokens).await;
}

#[tokio::test]
async fn cases_17_to_19_no_header_finds_a_key_or_changes_how_a_token_is_read() {
    let (app, _, token) = start().await;
    let (header, claims) = claims_of(&token);
    let pair = ClientKeyPair::of("ES256");
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        if value.is_null() {
            header.as_object_mut().expect("a header").remove(name);
        } else {
            header[name] = value;
        }
        header
    };
    let headers = [
        with("kid", json!("../../dev/null")),
        with("kid", json!("' OR 1=1 --")),
        with("kid", json!("k".repeat(10_000))),
        with("kid", Value::Null),
        with("kid", json!(7)),
        with("kid", json!([header["kid"]])),
        with("jku", json!("http://127.0.0.1:9/jwks.json")),
        with("x5u", json!("http://127.0.0.1:9/cert.pem")),
        with("jwk", pair.jwk()),
        with("x5c", json!(["AAAA"])),
        with("crit", json!(["exp"])),
        with("b64", json!(false)),
        with("zip", json!("DEF")),
        with("typ", json!("JWT")),
        with("typ", Value::Null),
    ];
    let tokens: Vec<String> = headers
        .iter()
        .flat_map(|header| [rewritten(&token, header, &claims), pair.jwt(header, &claims)])
        .collect();
    refused(&app, &tokens).await;
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
}

#[tokio::test]
async fn cases_20_to_22_claims_that_were_changed_are_not_signed() {
    let (app, machine, token) = start().await;
    let (header, claims) = claims_of(&token);
    let other = app.machine(&app.organization.account_id).await;
    let mut tokens = Vec::new();
    for (name, value) in [
        ("iss", json!("http://localhost/")),
        ("aud", json!("https://api.example.com")),
        ("sub", json!(other.client_id)),
        ("client_id", json!(other.client_id)),
        ("scope", json!("*:*")),
        ("exp", json!(app.now() + 1_000_000)),
        ("jti", json!("0197f4b2-0000-7000-8000-000000000000")),
        ("client_credential", json!(other.secret_id)),
    ] {
        let mut claims = claims.clone();
        claims[name] = value;
        tokens.push(rewritten(&token, &header, &claims));
    }
    refused(&app, &tokens).await;
    // Duplicated members, under a good signature of another text.
    let (_, payload) = token
        .split_once('.')
        .and_then(|(h, rest)| rest.split_once('.').map(|(claims, _)| (h, claims)))
        .expect("claims");
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).expect("text")).expect("UTF-8");
    let twice = text.replacen('{', "{\"exp\":99999999999,", 1);
    refused(&app, &[token.replace(payload, &URL_SAFE_NO_PAD.encode(twice))]).await;
    assert_eq!(app.ask_token(&machine, &[]).await.status, 200);
}

#[tokio::test]
async fn case_23_no_token_lives_longer_than_ten_minutes() {
    let (app, _, token) = start().await;
    let (_, claims) = claims_of(&token);
    assert_eq!(claims["exp"], json!(claims["iat"].as_i64().expect("a time") + 600));
    app.advance(600);
    refused(&app, &[token]).await;
}

#[tokio::test]
async fn case_30_a_token_has_one_text() {
    let (app, _, token) = start().await;
    let (input, signature) = token.rsplit_once('.').expect("a signature");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let other = |bytes: &[u8]| format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes));
    // The last character holds bits of no byte: a lenient decoder takes four texts for one.
    let last = signature.as_bytes()[signature.len() - 1];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.iter().position(|digit| *digit == last).expect("a digit");
    let sibling = char::from(alphabet[at + 1]);
    let mut tokens = vec![
        other(&[0; 64]),
        other(&bytes[..63]),
        other(&[&bytes[..], &[0]].concat()),
        format!("{input}.{}{sibling}", &signature[..signature.len() - 1]),
        format!("{token}="),
        format!("{token}=="),
        format!("{token}A"),
        format!("{token}.A"),
        format!("{input}.{}", signature.replace(['-', '_'], "/")),
    ];
    tokens.retain(|other| *other != token);
    let invalid = URL_SAFE_NO_PAD.encode(b"{\"jti\":\"\xff\"}");
    let header = token.split('.').next().expect("a header");
    tokens.push(format!("{header}.{invalid}.{signature}"));
    refused(&app, &tokens).await;
}

#[tokio::test]
async fn a_rewritten_signature_is_revoked_with_the_token() {
    let (app, machine, token) = start().await;
    let (input, signature) = token.rsplit_once('.').expect("a signature");
    let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    // (r, n - s) is as good a signature as (r, s); n is the order of P-256.
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order: Vec<u8> = (0..32)
        .map(|index| u8::from_str_radix(&order[2 * index..2 * index + 2], 16).expect("hex"))
        .collect();
    let (mut borrow, mut flipped) = (0, bytes[..32].to_vec());
    let mut low = vec![0_u8; 32];
    for index in (0..32).rev() {
        let difference = i16::from(order[index]) - i16::from(bytes[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        low[index] = u8::try_from(difference.rem_euclid(256)).expect("a byte");
    }
    flipped.extend(low);
    let twin = format!("{input}.{}", URL_SAFE_NO_PAD.encode(flipped));
    assert_ne!(twin, token);
    for text in [&token, &twin] {
        assert_eq!(app.code(&app.owner(), text).await, "VALID");
    }
    let form = crate::support::form_of(&[("token", &token)]);
    let caller = app.machine_client(&machine);
    assert_eq!(caller.post_bytes("/oauth2/revoke", form).await.status, 200);
    for text in [&token, &twin] {
        assert_eq!(app.code(&app.owner(), text).await, "REVOKED");
    }
}
