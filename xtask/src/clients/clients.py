"""Authlib gets, introspects and revokes tokens; jwcrypto verifies them by the published keys."""

import json
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from jwcrypto import jwk, jwt

given = json.loads(sys.stdin.read())
url, machine = given["url"], given["machine"]
server = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=10).json()
token_url = server["token_endpoint"]


def verify(token):
    """What a server that is shown a token does."""
    keys = jwk.JWKSet.from_json(requests.get(server["jwks_uri"], timeout=10).text)
    assert len(keys["keys"]) == 2, "the next key is announced"
    claims = {"iss": url, "aud": url, "exp": None, "client_id": machine["client_id"]}
    checked = jwt.JWT(jwt=token, key=keys, algs=["ES256"], check_claims=claims)
    return json.loads(checked.claims)


def use(session, way):
    """The whole life of a token."""
    token = session.fetch_token(token_url, grant_type="client_credentials", scope="api:read")
    assert token["token_type"] == "Bearer" and token["scope"] == "api:read", token
    assert verify(token["access_token"])["scope"] == "api:read"
    shown = session.introspect_token(server["introspection_endpoint"], token=token["access_token"])
    assert shown.json()["active"] is True, shown.text
    reply = session.revoke_token(server["revocation_endpoint"], token=token["access_token"])
    assert reply.status_code == 200, reply.text
    shown = session.introspect_token(server["introspection_endpoint"], token=token["access_token"])
    assert shown.json() == {"active": False}, shown.text
    print(f"Authlib, jwcrypto: {way}")


for way in ("client_secret_basic", "client_secret_post"):
    use(OAuth2Session(machine["client_id"], machine["secret"], token_endpoint_auth_method=way), way)

session = OAuth2Session(
    machine["client_id"],
    given["private_key"],
    token_endpoint_auth_method="private_key_jwt",
    revocation_endpoint_auth_method="private_key_jwt",
)
session.register_client_auth_method(
    PrivateKeyJWT(token_url, headers={"kid": given["kid"]}, alg="RS256")
)
use(session, "private_key_jwt RS256, to the token endpoint's URL")
