//! Bad input gets a clear error and nothing is stored: cases 47 to 56, in every family that takes
//! a body.

use crate::support::{Reply, TestApp};
use serde_json::{Value, json};

const SUB_ACCOUNTS: &str = "/sub-accounts/create";
const ACCOUNTS: &str = "/api/v1/accounts";
const NATIVE: &str = "/v1/accounts";
const SERVICE_ACCOUNTS: &str = "/api/v1/admin/service-account/create";

/// A create call whose name, or whose further members, a test chooses.
fn bodies(members: &str) -> [(&'static str, String); 3] {
    [
        (SUB_ACCOUNTS, format!("{{{members}}}")),
        (ACCOUNTS, format!(r#"{{"data":{{"type":"accounts","attributes":{{{members}}}}}}}"#)),
        (NATIVE, format!("{{{members}}}")),
    ]
}

/// The status of a validation error in the family of `path`.
fn validation(path: &str) -> u16 {
    if path == SUB_ACCOUNTS { 400 } else { 422 }
}

/// Where a validation error says that `field` is wrong.
fn names_field(path: &str, reply: &Reply, field: &str) -> bool {
    match path {
        SUB_ACCOUNTS => reply.json["message"].as_str().is_some_and(|text| text.starts_with(field)),
        ACCOUNTS => {
            reply.json["errors"][0]["source"]["pointer"] == format!("/data/attributes/{field}")
        }
        _ => reply.json["errors"][0]["pointer"] == format!("/{field}"),
    }
}

fn accounts(app: &TestApp) -> i64 {
    app.count("SELECT count(*) FROM accounts")
}

#[tokio::test]
async fn case_47_fields_that_the_server_sets_are_refused_and_not_stored() {
    let app = TestApp::start().await;
    let before = accounts(&app);
    for field in [
        "id",
        "organization_id",
        "user_id",
        "api_key",
        "created_at",
        "permissions",
        "clientSecret",
        "status",
        "tenant",
        "parent_id",
        "is_master",
    ] {
        for value in [r#""canary-47""#, "null", "true"] {
            for (path, body) in bodies(&format!(r#""name":"x","{field}":{value}"#)) {
                let reply = app.owner().post_bytes(path, body).await;
                assert_eq!(reply.refusal().0, validation(path), "{path} {field}");
                assert!(names_field(path, &reply, field), "{path} {field}: {}", reply.text);
                assert!(!reply.text.contains("canary-47"), "{}", reply.text);
            }
        }
        let token = app.token(&app.organization.uuid, "tenant_admin").await;
        let admin = app.bearer(&token).header("x-tenantid", &app.organization.uuid);
        let reply = admin.post(SERVICE_ACCOUNTS, json!({ field: "canary-47" })).await;
        let (status, body) = reply.refusal();
        assert_eq!((status, &body["error"]), (400, &json!("BODY_NOT_SUPPORTED")), "{field}");
    }
    assert_eq!(accounts(&app), before);
    assert_eq!(app.count("SELECT count(*) FROM service_accounts"), 0);
    assert!(!app.stores("canary-47"));
}

#[tokio::test]
async fn case_48_names_follow_one_rule_in_every_dialect() {
    let app = TestApp::start().await;
    let text = |text: &str| serde_json::to_string(text).expect("JSON");
    let bad = [
        "null".to_owned(),
        "7".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        text(""),
        text("   "),
        text("\u{200b}\u{feff}"),
        text("a\u{202e}b"),
        r#""a\u0000b""#.to_owned(),
        text("a\nb"),
        text(&"x".repeat(101)),
        text(&"é".repeat(101)),
    ];
    let before = accounts(&app);
    for name in &bad {
        for (path, body) in bodies(&format!(r#""name":{name}"#)) {
            let reply = app.owner().post_bytes(path, body).await;
            assert_eq!(reply.refusal().0, validation(path), "{path} {name}");
            assert!(names_field(path, &reply, "name"), "{path} {name}: {}", reply.text);
        }
    }
    for (path, body) in bodies("") {
        let reply = app.owner().post_bytes(path, body).await;
        assert_eq!(reply.refusal().0, validation(path), "{path}");
        assert!(names_field(path, &reply, "name"), "{path}: {}", reply.text);
    }
    assert_eq!(accounts(&app), before);
    let good = [
        "x".to_owned(),
        "x".repeat(100),
        "é".repeat(100),
        "Metropolitan Museum — Night Watch".to_owned(),
        "👩\u{200d}🚀".to_owned(),
        "می\u{200c}خواهم".to_owned(),
    ];
    for name in &good {
        for (path, body) in bodies(&format!(r#""name":{}"#, text(name))) {
            let reply = app.owner().post_bytes(path, body).await;
            assert!(reply.status.is_success(), "{path} {name}: {}", reply.text);
            assert!(reply.text.contains(&text(name)), "{path}: {}", reply.text);
        }
    }
}

#[tokio::test]
async fn case_48_a_name_is_kept_in_nfc() {
    let app = TestApp::start().await;
    let reply = app.owner().post(SUB_ACCOUNTS, json!({ "name": "e\u{301}" })).await;
    assert_eq!(reply.json["name"], "é");
}

#[tokio::test]
async fn case_49_names_are_no_identifiers() {
    let app = TestApp::start().await;
    for name in ["paypal", "pаypal", "PayPal", "paypal"] {
        assert_eq!(app.owner().post(SUB_ACCOUNTS, json!({ "name": name })).await.status, 200);
    }
}

#[tokio::test]
async fn case_51_other_media_types_and_encodings_are_415_or_400() {
    let app = TestApp::start().await;
    let json_types = [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
    ];
    for (path, body) in bodies(r#""name":"x""#) {
        let media: &[&str] = if path == ACCOUNTS {
            &[
                "application/vnd.api+json",
                "application/vnd.api+json; profile=\"https://example.com/x\"",
            ]
        } else {
            &json_types
        };
        for media in media {
            let reply =
                app.owner().header("content-type", media).post_bytes(path, body.clone()).await;
            assert!(reply.status.is_success(), "{path} {media}: {}", reply.text);
        }
        for media in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/xml",
            "nonsense",
            "application/vnd.api+json; ext=\"x\"",
            "application/vnd.api+json; charset=utf-8",
            "application/json; v=1",
        ] {
            let reply =
                app.owner().header("content-type", media).post_bytes(path, body.clone()).await;
            assert_eq!(reply.refusal().0, 415, "{path} {media}");
        }
        let twice = app.owner().header("content-type", media[0]).header("content-type", media[0]);
        assert_eq!(twice.post_bytes(path, body.clone()).await.refusal().0, 415, "{path}");
        let with_mark = [b"\xef\xbb\xbf", body.as_bytes()].concat();
        assert_eq!(app.owner().post_bytes(path, with_mark).await.refusal().0, 400, "{path}");
        let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(app.owner().post_bytes(path, wide).await.refusal().0, 400, "{path}");
    }
}

#[tokio::test]
async fn case_52_concurrent_calls_are_an_integer_from_1_to_a_million() {
    let app = TestApp::start().await;
    for value in [
        "-1",
        "0",
        "2147483648",
        "9223372036854775808",
        "1e308",
        "10.0",
        "10.5",
        "\"10\"",
        "true",
        "[]",
        "1000001",
        "1e1",
    ] {
        let body = format!(r#"{{"name":"x","allow_concurrent_calls":{value}}}"#);
        let reply = app.owner().post_bytes(SUB_ACCOUNTS, body).await;
        assert_eq!(reply.refusal().0, 400, "{value}");
        assert!(names_field(SUB_ACCOUNTS, &reply, "allow_concurrent_calls"), "{}", reply.text);
    }
    for (value, stored) in [("null", 10), ("1", 1), ("1000000", 1_000_000)] {
        let body = format!(r#"{{"name":"x","allow_concurrent_calls":{value}}}"#);
        let reply = app.owner().post_bytes(SUB_ACCOUNTS, body).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json["allow_concurrent_calls"]),
            (200, &json!(stored))
        );
    }
}

#[tokio::test]
async fn case_54_multi_tenant_is_a_boolean_or_null() {
    let app = TestApp::start().await;
    for value in [json!("true"), json!(1), json!("false"), json!([])] {
        let reply =
            app.owner().post(SUB_ACCOUNTS, json!({ "name": "x", "multi_tenant": value })).await;
        assert_eq!(reply.refusal().0, 400, "{value}");
        assert!(names_field(SUB_ACCOUNTS, &reply, "multi_tenant"), "{}", reply.text);
    }
}

#[tokio::test]
async fn case_55_json_that_is_not_strict_is_400_and_too_much_of_it_413() {
    let app = TestApp::start().await;
    let before = accounts(&app);
    let deep =
        |depth: usize| format!(r#""name":"x","y":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    let wide = format!(r#""name":"x","y":[{}]"#, vec!["0"; 300].join(","));
    let digits = format!(r#""name":"x","y":{}"#, "9".repeat(50_000));
    for members in [
        r#""name":"a","name":"b""#,
        r#""name":"a","x":{"y":1,"y":2}"#,
        r#""name":"a","x":[{"y":1,"y":2}]"#,
        r#""name":"a","n\u0061me":"b""#,
        r#""name":"a",}"#,
        r#""name":NaN"#,
        r#""name":"a"/*c*/"#,
        r#""name":"\ud800""#,
        r#""name":"a","x":"\udc00""#,
        &deep(17),
        &deep(5_000),
        &wide,
    ] {
        for (path, body) in bodies(members) {
            let reply = app.owner().post_bytes(path, body.clone()).await;
            assert_eq!(reply.refusal().0, 400, "{path} {members:.80}");
        }
    }
    for (path, body) in bodies(&digits) {
        assert_eq!(app.owner().post_bytes(path, body).await.refusal().0, 400, "{path}");
    }
    for (path, body) in bodies(r#""name":"x""#) {
        for broken in [
            format!("{body}x"),
            body[..body.len() - 1].to_owned(),
            String::new(),
            format!("{body}{body}"),
        ] {
            assert_eq!(app.owner().post_bytes(path, broken).await.refusal().0, 400, "{path}");
        }
        for other in ["[]", "7", "\"x\"", "null"] {
            assert_eq!(
                app.owner().post_bytes(path, other).await.refusal().0,
                400,
                "{path} {other}"
            );
        }
        let large = format!("{}{}", " ".repeat(64 * 1024), body);
        assert_eq!(app.owner().post_bytes(path, large).await.refusal().0, 413, "{path}");
        let fits = format!("{}{}", " ".repeat(64 * 1024 - body.len()), body);
        assert!(app.owner().post_bytes(path, fits).await.status.is_success(), "{path}");
    }
    assert_eq!(accounts(&app), before + 3);
}

#[tokio::test]
async fn case_56_bytes_that_are_no_text_are_400() {
    let app = TestApp::start().await;
    for (path, body) in bodies(r#""name":"?""#) {
        let bytes: Vec<u8> = body.bytes().map(|b| if b == b'?' { 0xff } else { b }).collect();
        assert_eq!(app.owner().post_bytes(path, bytes).await.refusal().0, 400, "{path}");
    }
}

#[tokio::test]
async fn case_57_a_compressed_body_is_never_unpacked() {
    let app = TestApp::start().await;
    for coding in ["gzip", "br", "zstd", "deflate", "x-gzip", "identity, gzip"] {
        for (path, body) in bodies(r#""name":"x""#) {
            let caller = app.owner().header("content-encoding", coding);
            assert_eq!(caller.post_bytes(path, body).await.refusal().0, 415, "{path} {coding}");
        }
    }
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let app = TestApp::start().await;
    for (path, body) in bodies(r#""name":"x","colour":{"deep":[1,2]}"#) {
        assert!(app.owner().post_bytes(path, body).await.status.is_success(), "{path}");
    }
}

#[tokio::test]
async fn metadata_is_kept_as_it_was_sent_and_at_most_16_kb() {
    let app = TestApp::start().await;
    let metadata = json!({ "plan": "pro", "seats": 3, "tags": ["a", { "b": null }] });
    let reply = app.owner().post(NATIVE, json!({ "name": "x", "metadata": metadata })).await;
    assert_eq!(reply.json["account"]["metadata"], metadata);
    let sized = |bytes: usize| json!({ "name": "x", "metadata": { "a": "x".repeat(bytes - 8) } });
    assert_eq!(app.owner().post(NATIVE, sized(16 * 1024)).await.status, 201);
    for (body, status) in [
        (sized(16 * 1024 + 1), 422),
        (json!({ "name": "x", "metadata": [] }), 422),
        (json!({ "name": "x", "metadata": { "a": "\0" } }), 422),
    ] {
        let reply = app.owner().post(NATIVE, body).await;
        assert_eq!(reply.refusal().0, status);
        assert_eq!(reply.json["errors"][0]["pointer"], "/metadata");
    }
}

#[tokio::test]
async fn an_address_may_have_several_lines() {
    let app = TestApp::start().await;
    let address = "Museumstraat 1\n1071 XX Amsterdam";
    let profile = json!({ "name": "x", "address": address });
    let body = json!({ "data": { "type": "accounts", "attributes": profile } });
    let reply = app.owner().post(ACCOUNTS, body).await;
    assert_eq!(reply.json["data"]["attributes"], profile, "{}", reply.text);
    let key = reply.text_at("/included/0/attributes/secret");
    assert_eq!(app.code(&app.owner(), key).await, "VALID");
}

#[tokio::test]
async fn case_47_server_set_fields_are_refused_below_the_top_too() {
    let app = TestApp::start().await;
    let body = json!({ "name": "x", "key": { "secret": "s", "id": "x", "status": "disabled" } });
    let reply = app.owner().post(NATIVE, body).await;
    assert_eq!(reply.refusal().0, 422);
    for (index, field) in ["id", "secret", "status"].into_iter().enumerate() {
        assert_eq!(reply.json["errors"][index]["pointer"], format!("/key/{field}"));
    }
    let data = json!({ "type": "accounts", "attributes": { "name": "x" }, "parent_id": "x" });
    let reply = app.owner().post(ACCOUNTS, json!({ "data": data })).await;
    assert_eq!(reply.refusal().0, 422);
    assert_eq!(reply.json["errors"][0]["source"]["pointer"], "/data/parent_id");
}

#[tokio::test]
async fn every_fault_of_a_body_is_named_at_once() {
    let app = TestApp::start().await;
    let body = json!({
        "name": " ", "profile": { "vat": "a\u{7}b" }, "limits": { "concurrency": 0 },
        "key": { "permissions": ["X"], "expires_at": "x" }, "database": { "host": "a,b" },
    });
    let reply = app.owner().post(NATIVE, body).await;
    assert_eq!(reply.refusal().0, 422);
    let errors = reply.json["errors"].as_array().expect("a list");
    let pointers: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    for pointer in [
        "/name",
        "/profile/vat",
        "/limits/concurrency",
        "/key/permissions",
        "/key/expires_at",
        "/database/host",
        "/database/name",
        "/database/user",
        "/database/password",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} in {pointers:?}");
    }
    let body = json!({ "name": "x", "limits": { "concurrency": "many" } });
    let reply = app.owner().post(NATIVE, body).await;
    assert_eq!(reply.json["errors"][0]["pointer"], "/limits/concurrency", "{}", reply.text);
    assert_eq!(reply.json["type"], "urn:tenantry:error:validation_failed");
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_ne!(reply.json["detail"], Value::Null);
}

#[tokio::test]
async fn case_60_a_target_longer_than_8_kb_is_414() {
    let app = TestApp::start().await;
    let path = format!("/v1/accounts?{}", "a".repeat(8 * 1024));
    assert_eq!(app.owner().get(&path).await.refusal().0, 414);
}
