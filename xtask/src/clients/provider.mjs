// oidc-provider as the organization's identity provider: its discovery document, its keys, its JWTs,
// and a rotation of its keys.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import * as jose from 'jose'
import Provider from 'oidc-provider'

const CLIENT = { client_id: 'admin', client_secret: 'a-secret-of-the-provider-itself' }
/** The server asks for keys once a minute at most. */
const NOTICED_MAX_MS = 75_000

export class IdentityProvider {
  static async start(port) {
    const provider = Object.assign(new IdentityProvider(), { issuer: `http://127.0.0.1:${port}`, keys: [] })
    await provider.rotate()
    provider.http = createServer((request, reply) => provider.answer(request, reply))
    await new Promise((resolve) => provider.http.listen(port, '127.0.0.1', resolve))
    return provider
  }

  /** A new key signs from now on; the old one stays published. */
  async rotate() {
    const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true })
    const jwk = { ...(await jose.exportJWK(privateKey)), kid: `key-${this.keys.length}`, alg: 'RS256', use: 'sig' }
    this.keys.unshift(jwk)
    const provider = new Provider(this.issuer, {
      clients: [{
        ...CLIENT, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
      }],
      jwks: { keys: this.keys },
      features: {
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'urn:tenantry',
          getResourceServerInfo: () => ({
            audience: 'tenantry', scope: '', accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
          }),
        },
      },
      extraTokenClaims: () => ({ roles: ['tenant_admin'], name: 'Ada Lovelace', email: 'ada@example.com' }),
    })
    this.answer = provider.callback()
  }

  async token() {
    const body = new URLSearchParams({ ...CLIENT, grant_type: 'client_credentials', resource: 'urn:tenantry' })
    const reply = await fetch(`${this.issuer}/token`, { method: 'POST', body })
    const text = await reply.text()
    assert.equal(reply.status, 200, text)
    return JSON.parse(text).access_token
  }

  stop() {
    this.http.close()
    this.http.closeAllConnections()
  }
}

async function create(server, token) {
  const headers = { authorization: `Bearer ${token}`, 'x-tenantid': server.organization, realmname: 'provider' }
  return server.ask('POST', '/api/v1/admin/service-account/create', undefined, headers)
}

export async function run(server, provider) {
  const before = await provider.token()
  const first = await create(server, before)
  assert.equal(first.status, 200, JSON.stringify(first.body))
  const { name, email } = first.body.data.createdBy
  assert.deepEqual([name, email], ['Ada Lovelace', 'ada@example.com'])
  assert.equal((await create(server, `${before.slice(0, -8)}AAAAAAAA`)).status, 401)

  await provider.rotate()
  const after = await provider.token()
  assert.notEqual(jose.decodeProtectedHeader(after).kid, jose.decodeProtectedHeader(before).kid)
  const until = Date.now() + NOTICED_MAX_MS
  let status
  do {
    ({ status } = await create(server, after))
    assert.equal((await create(server, before)).status, 200, 'the old key is still published')
    if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 2_000))
  } while (status !== 200 && Date.now() < until)
  assert.equal(status, 200, 'the rotation is noticed')
  console.log('oidc-provider: discovery, keys, an administrator, a rotation')
}
