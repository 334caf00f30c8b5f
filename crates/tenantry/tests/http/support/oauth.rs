//! Clients for tests: what they present, and what they get.

use super::{Client, Machine, Reply, TestApp};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A form's body.
pub(crate) fn form_of(pairs: &[(&str, &str)]) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
}

/// The header of `client_secret_basic`.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

/// Base64url of a JSON text.
pub(crate) fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Header and claims of a JWT.
pub(crate) fn claims_of(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    let part = |index: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(parts[index]).expect("base64url");
        serde_json::from_slice(&bytes).expect("JSON")
    };
    (part(0), part(1))
}

/// A client's own key.
pub(crate) enum ClientKeyPair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl ClientKeyPair {
    pub(crate) fn of(algorithm: &str) -> Self {
        match algorithm {
            "ES256" => Self::Ec(
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair"),
            ),
            "EdDSA" => Self::Ed(Ed25519KeyPair::generate().expect("a key pair")),
            _ => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key pair")),
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    /// The public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair) => {
                let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
                let e = pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
                json!({ "kty": "RSA", "n": text(&n), "e": text(&e) })
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the library signs with its own randomness alone"
    )]
    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match self {
            Self::Ec(pair) => pair.sign(&rng, input).expect("signed").as_ref().to_vec(),
            Self::Ed(pair) => pair.sign(input).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &rng, input, &mut signature).expect("signed");
                signature
            }
        }
    }

    /// A JWT of any header and claims.
    pub(crate) fn jwt(&self, header: &Value, claims: &Value) -> String {
        self.jwt_of(header, claims.to_string().as_bytes())
    }

    /// A JWT of any header and any bytes.
    pub(crate) fn jwt_of(&self, header: &Value, claims: &[u8]) -> String {
        let input = format!("{}.{}", encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

/// Tokens of these claims under a MAC whose secret is a public key of P-256, in each form that it is
/// known in.
pub(crate) fn under_a_public_key(jwk: &Value, header: &Value, claims: &Value) -> Vec<String> {
    let part = |name: &str| {
        URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("a member")).expect("base64url")
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
        STANDARD.encode(&der)
    );
    let mut header = header.clone();
    header["alg"] = json!("HS256");
    let input = format!("{}.{}", encode(&header), encode(claims));
    [point, der, pem.into_bytes(), jwk.to_string().into_bytes()]
        .iter()
        .map(|secret| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let tag = hmac::sign(&key, input.as_bytes());
            format!("{input}.{}", URL_SAFE_NO_PAD.encode(tag))
        })
        .collect()
}

impl TestApp {
    /// Whoever presents a service account's id and secret in the header.
    pub(crate) fn machine_client(&self, machine: &Machine) -> Client<'_> {
        self.stranger().header("authorization", &basic(&machine.client_id, &machine.secret))
    }

    /// The reply to a service account that asks for a token.
    pub(crate) async fn ask_token(&self, machine: &Machine, more: &[(&str, &str)]) -> Reply {
        let form = [&[("grant_type", "client_credentials")], more].concat();
        self.machine_client(machine).post_bytes("/oauth2/token", form_of(&form)).await
    }

    /// An access token of a service account.
    pub(crate) async fn access_token(&self, machine: &Machine) -> String {
        let reply = self.ask_token(machine, &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.text_at("/access_token").to_owned()
    }

    /// A new service account of the organization with these permissions.
    pub(crate) async fn machine_with(&self, permissions: &[&str]) -> Machine {
        let path = format!("/v1/accounts/{}/service-accounts", self.organization.account_id);
        Machine::of(&self.owner().post(&path, json!({ "permissions": permissions })).await)
    }

    /// What `caller` is told of a token.
    pub(crate) async fn introspect(&self, caller: &Client<'_>, token: &str) -> Value {
        let body = form_of(&[("token", token)]);
        let reply = caller.post_bytes("/oauth2/introspect", body).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        assert_eq!(reply.header("cache-control"), "no-store");
        reply.json
    }

    /// Seconds since the epoch, as the plane sees them.
    pub(crate) fn now(&self) -> i64 {
        self.plane.clock().now().seconds()
    }

    /// Registers keys of a service account.
    pub(crate) async fn register(&self, machine: &Machine, keys: &[Value]) -> Reply {
        let path = format!("{}/jwks", machine.path());
        let body = json!({ "keys": keys }).to_string().into_bytes();
        self.owner().send(axum::http::Method::PUT, &path, body).await
    }

    /// The claims of a good assertion.
    pub(crate) fn assertion_claims(&self, machine: &Machine, jti: &str) -> Value {
        json!({
            "iss": machine.client_id, "sub": machine.client_id, "aud": "http://localhost",
            "iat": self.now(), "exp": self.now() + 60, "jti": jti,
        })
    }

    /// The reply to whoever asks for a token with an assertion.
    pub(crate) async fn ask_with_assertion(&self, assertion: &str) -> Reply {
        let form = form_of(&[
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ]);
        self.stranger().post_bytes("/oauth2/token", form).await
    }
}
