// oauth4webapi, openid-client and jose: discovery, tokens by each way to prove who one is,
// introspection, revocation, and verification by the published keys.

import assert from 'node:assert/strict'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'

const plain = { [oauth.allowInsecureRequests]: true }

/** The three ways; the last with a key that the client has registered. */
async function ways(server, machine, algorithm) {
  const pair = await jose.generateKeyPair(algorithm, { extractable: true })
  const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: `of-${algorithm}`, alg: algorithm }
  await server.done('PUT', `/v1/service-accounts/${machine.id}/jwks`, { keys: [jwk] })
  const key = { key: pair.privateKey, kid: jwk.kid }
  return [
    ['client_secret_basic', (library) => library.ClientSecretBasic(machine.secret)],
    ['client_secret_post', (library) => library.ClientSecretPost(machine.secret)],
    [`private_key_jwt ${algorithm}`, (library) => library.PrivateKeyJwt(key)],
  ]
}

async function withOauth4webapi(server, machine, prove) {
  const issuer = new URL(server.url)
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...plain })
  const as = await oauth.processDiscoveryResponse(issuer, found)
  const own = { client_id: machine.client_id }
  const auth = () => prove({
    ClientSecretBasic: oauth.ClientSecretBasic,
    ClientSecretPost: oauth.ClientSecretPost,
    PrivateKeyJwt: oauth.PrivateKeyJwt,
  })
  const asked = new URLSearchParams({ scope: 'api:read', resource: 'https://api.example.com/' })
  const reply = await oauth.clientCredentialsGrantRequest(as, own, auth(), asked, plain)
  const issued = await oauth.processClientCredentialsResponse(as, own, reply)
  assert.equal(issued.token_type, 'bearer')
  assert.equal(issued.scope, 'api:read')
  const presented = new Request('https://api.example.com/', {
    headers: { authorization: `Bearer ${issued.access_token}` },
  })
  const claims = await oauth.validateJwtAccessToken(as, presented, 'https://api.example.com/', plain)
  assert.equal(claims.client_id, machine.client_id)
  const introspect = async () => {
    const reply = await oauth.introspectionRequest(as, own, auth(), issued.access_token, plain)
    return oauth.processIntrospectionResponse(as, own, reply)
  }
  assert.equal((await introspect()).active, true)
  const revoked = await oauth.revocationRequest(as, own, auth(), issued.access_token, plain)
  assert.equal(await oauth.processRevocationResponse(revoked), undefined)
  assert.deepEqual(await introspect(), { active: false })
}

async function withOpenidClient(server, machine, prove) {
  const config = await client.discovery(
    new URL(server.url), machine.client_id, undefined, prove(client),
    { algorithm: 'oauth2', execute: [client.allowInsecureRequests] },
  )
  const issued = await client.clientCredentialsGrant(config, { scope: 'api:write' })
  assert.equal(issued.expires_in, 600)
  assert.equal((await client.tokenIntrospection(config, issued.access_token)).scope, 'api:write')
  await client.tokenRevocation(config, issued.access_token)
  assert.deepEqual(await client.tokenIntrospection(config, issued.access_token), { active: false })
  await assert.rejects(client.clientCredentialsGrant(config, { scope: 'api:other' }), (error) => error.error === 'invalid_scope')
}

export async function run(server) {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256']) {
    const machine = await server.machine()
    for (const [way, prove] of await ways(server, machine, algorithm)) {
      await withOauth4webapi(server, machine, prove)
      await withOpenidClient(server, machine, prove)
      console.log(`oauth4webapi, openid-client: ${way}`)
    }
  }
}

/** jose keeps the set as long as it likes; a next key is announced meanwhile. */
export async function announced(server) {
  const machine = await server.machine()
  const issue = async () => {
    const body = new URLSearchParams({ grant_type: 'client_credentials' })
    const authorization = `Basic ${Buffer.from(`${machine.client_id}:${machine.secret}`).toString('base64')}`
    const reply = await fetch(`${server.url}/oauth2/token`, { method: 'POST', headers: { authorization }, body })
    return (await reply.json()).access_token
  }
  const keys = jose.createRemoteJWKSet(new URL(`${server.url}/oauth2/jwks.json`))
  const verify = async () => {
    const expected = { issuer: server.url, audience: server.url, typ: 'at+jwt' }
    const { payload } = await jose.jwtVerify(await issue(), keys, expected)
    assert.equal(payload.sub, machine.client_id)
  }
  await verify()
  server.operate('signing-keys', 'rotate')
  const published = await (await fetch(`${server.url}/oauth2/jwks.json`)).json()
  assert.equal(published.keys.length, 2)
  for (let number = 0; number < 100; number += 1) await verify()
  console.log('jose: 101 tokens, the next key announced after the first')
  return { machine, issue }
}
