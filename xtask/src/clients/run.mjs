// Clients that others made, against a server: `node run.mjs BINARY FOLDER TOKENS PYTHON`.

import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as jose from 'jose'
import * as flat from './flat.mjs'
import * as mutated from './mutated.mjs'
import * as oauth from './oauth.mjs'
import * as provider from './provider.mjs'
import { Server, freePort } from './server.mjs'

const [binary, folder, tokens, python] = process.argv.slice(2)

/** Authlib's assertions name the token endpoint, which a client has to ask for. */
async function withPython(server) {
  const machine = await server.machine()
  const pair = await jose.generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: 'authlib', alg: 'RS256' }
  const path = `/v1/service-accounts/${machine.id}/jwks`
  await server.done('PUT', path, { keys: [jwk], token_endpoint_audience: true })
  const private_key = await jose.exportPKCS8(pair.privateKey)
  const script = join(dirname(fileURLToPath(import.meta.url)), 'clients.py')
  const child = spawn(python, ['-s', script], { stdio: ['pipe', 'inherit', 'inherit'] })
  child.stdin.end(JSON.stringify({ url: server.url, machine, private_key, kid: jwk.kid }))
  const status = await new Promise((resolve) => child.on('exit', resolve))
  if (status !== 0) throw new Error(`${python}: ${status}`)
}

const identity = await provider.IdentityProvider.start(await freePort())
const server = await Server.start(binary, folder, identity.issuer)
try {
  const administrators = provider.run(server, identity)
  await Promise.all([administrators, (async () => {
    await oauth.run(server)
    const { machine, issue } = await oauth.announced(server)
    await withPython(server)
    await mutated.run(server, issue)
    await flat.run(server, machine, Number(tokens))
  })()])
} finally {
  identity.stop()
  await server.stop()
}
