//! Tokens that are not, or not quite, ours: abuse cases 14 to 23 and 30, for access tokens. For
//! admin JWTs they are in `realms/forged.rs`.

use crate::support::{ClientKeyPair, Machine, TestApp, claims_of, encode, under_a_public_key};
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
    let (header, claims) = claims_of(&token);
    let jwks = app.stranger().get("/oauth2/jwks.json").await;
    refused(&app, &under_a_public_key(&jwks.json["keys"][0], &header, &claims)).await;
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

/// The token's header with another member, or without it, under the token's own signature and under
/// one of somebody's.
async fn refused_with(headers: &[(&str, Value)]) {
    let (app, _, token) = Box::pin(start()).await;
    let (header, claims) = claims_of(&token);
    let pair = ClientKeyPair::of("ES256");
    let mut tokens = Vec::new();
    for (name, value) in headers {
        let mut header = header.clone();
        if value.is_null() {
            header.as_object_mut().expect("a header").remove(*name);
        } else {
            header[*name] = value.clone();
        }
        tokens.extend([rewritten(&token, &header, &claims), pair.jwt(&header, &claims)]);
    }
    refused(&app, &tokens).await;
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
}

#[tokio::test]
async fn case_17_no_name_of_a_key_finds_another() {
    refused_with(&[
        ("kid", json!("../../dev/null")),
        ("kid", json!("' OR 1=1 --")),
        ("kid", json!("k".repeat(10_000))),
        ("kid", Value::Null),
        ("kid", json!(7)),
        ("kid", json!(["k"])),
    ])
    .await;
}

#[tokio::test]
async fn case_18_no_header_brings_its_own_key() {
    let jwk = ClientKeyPair::of("ES256").jwk();
    refused_with(&[
        ("jku", json!("http://127.0.0.1:9/jwks.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("jwk", jwk),
        ("x5c", json!(["AAAA"])),
    ])
    .await;
}

#[tokio::test]
async fn case_19_no_header_changes_how_a_token_is_read() {
    refused_with(&[
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
    ])
    .await;
}

/// The token with other claims under its own signature.
async fn refused_claiming(claims: &[(&str, Value)]) {
    let (app, _, token) = Box::pin(start()).await;
    let (header, good) = claims_of(&token);
    let tokens: Vec<String> = claims
        .iter()
        .map(|(name, value)| {
            let mut claims = good.clone();
            claims[*name] = value.clone();
            rewritten(&token, &header, &claims)
        })
        .collect();
    refused(&app, &tokens).await;
    assert_eq!(app.code(&app.owner(), &token).await, "VALID");
}

#[tokio::test]
async fn case_20_who_a_token_is_from_and_about_is_signed() {
    refused_claiming(&[
        ("iss", json!("http://localhost/")),
        ("sub", json!("sa_client_000000000000")),
        ("client_id", json!("sa_client_000000000000")),
        ("client_credential", json!("sec_1C9EVhR5Tth8cTGEFr9hz6")),
        ("jti", json!("0197f4b2-0000-7000-8000-000000000000")),
    ])
    .await;
}

#[tokio::test]
async fn case_21_whom_and_what_a_token_is_for_is_signed() {
    refused_claiming(&[("aud", json!("https://api.example.com")), ("scope", json!("*:*"))]).await;
}

#[tokio::test]
async fn case_22_when_a_token_ends_is_signed() {
    refused_claiming(&[("exp", json!(99_999_999_999_i64)), ("iat", json!(0))]).await;
    // Duplicated members.
    let (app, _, token) = start().await;
    let payload = token.split('.').nth(1).expect("claims");
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).expect("text")).expect("UTF-8");
    let twice = text.replacen('{', "{\"exp\":99999999999,", 1);
    refused(&app, &[token.replace(payload, &URL_SAFE_NO_PAD.encode(twice))]).await;
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
