"""The same as rotations.mjs, by jwcrypto."""

import json
import sys

from jwcrypto import jwk, jwt

kids, seen, checks = set(), set(), 0
with open(sys.argv[1], encoding="utf-8") as notes:
    for line in notes:
        note = json.loads(line)
        keys = jwk.JWKSet.from_json(json.dumps(note["keys"]))
        for text in note["tokens"]:
            # The test's clock is its own: that the token lives is looked at here.
            token = jwt.JWT(algs=["ES256"], expected_type="JWS", check_claims={"iss": "http://localhost"})
            token.validity = 10**12
            token.leeway = 10**12
            token.deserialize(text, keys)
            claims = json.loads(token.claims)
            assert claims["iat"] <= note["now"] < claims["exp"], claims
            kids.add(json.loads(token.header)["kid"])
            seen.add(text)
            checks += 1
assert len(kids) == 21 and len(seen) >= 1000
print(f"jwcrypto: {len(seen)} tokens of {len(kids)} keys in {checks} checks, none refused")
