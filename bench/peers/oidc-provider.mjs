// npm's oidc-provider, issuing JWTs in ES256 for a client secret: `node oidc-provider.mjs PORT`.

import { createServer } from 'node:http'
import { generateKeyPair, exportJWK } from 'jose'
import Provider from 'oidc-provider'

const port = Number(process.argv[2])
const { privateKey } = await generateKeyPair('ES256', { extractable: true })
const key = { ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' }
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'bench', client_secret: 'bench', grant_types: ['client_credentials'], redirect_uris: [],
    response_types: [], id_token_signed_response_alg: 'ES256',
  }],
  jwks: { keys: [key] },
  ttl: { ClientCredentials: 600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:bench',
      getResourceServerInfo: () => ({
        audience: 'urn:bench', scope: 'api:read', accessTokenTTL: 600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})
const answer = provider.callback()
const server = createServer((request, reply) => {
  if (request.url === '/readyz') reply.setHeader('content-length', 0).end()
  else answer(request, reply)
})
server.keepAliveTimeout = 600_000
server.listen(port, '127.0.0.1')
