// Tokens that somebody changed: the server and jose say the same of each, but for spellings of
// base64url that jose lets pass.

import assert from 'node:assert/strict'
import * as jose from 'jose'

const MUTATED = 10_000
const AT_ONCE = 16
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
/** The order of P-256's group (SEC 2 §2.4.2): with s, its negative is a good signature too. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The same numbers in each run; the tokens that they change are others. */
function chance(seed) {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const decode = (part) => JSON.parse(Buffer.from(part, 'base64url'))
const isCanonical = (token) =>
  token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)

function negated(signature) {
  const bytes = Buffer.from(signature, 'base64url')
  const s = ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
  return Buffer.concat([bytes.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex')]).toString('base64url')
}

/** The ways to change a token, each of (the token, another one, what draws). */
function changes(forger) {
  const at = (token, draw) => draw(token.length)
  const letter = (draw) => LETTERS[draw(LETTERS.length)]
  const withHeader = (token, change) => {
    const [header, claims, signature] = token.split('.')
    return [encode({ ...decode(header), ...change }), claims, signature].join('.')
  }
  const withClaims = (token, change) => {
    const [header, claims, signature] = token.split('.')
    return [header, encode({ ...decode(claims), ...change }), signature].join('.')
  }
  return [
    (token) => token,
    (token, _, draw) => { const i = at(token, draw); return token.slice(0, i) + letter(draw) + token.slice(i + 1) },
    (token, _, draw) => { const i = at(token, draw); return token.slice(0, i) + token.slice(i + 1) },
    (token, _, draw) => { const i = at(token, draw); return token.slice(0, i) + letter(draw) + token.slice(i) },
    (token, _, draw) => token.slice(0, at(token, draw)),
    (token, _, draw) => token.slice(0, -1) + letter(draw),
    (token, other) => [...token.split('.').slice(0, 2), other.split('.')[2]].join('.'),
    (token, other) => [token.split('.')[0], other.split('.')[1], token.split('.')[2]].join('.'),
    (token) => { const [h, c, s] = token.split('.'); return [h, c, negated(s)].join('.') },
    (token, _, draw) => withHeader(token, { alg: ['none', 'HS256', 'ES384', 'RS256', 'EdDSA', 'es256'][draw(6)] }),
    (token, _, draw) => withHeader(token, { kid: ['', '../x', 'other', null, 1][draw(5)] }),
    (token) => withHeader(token, { typ: 'JWT' }),
    (token) => withHeader(token, {}),
    (token, _, draw) => withClaims(token, { scope: 'api:all', exp: 4_000_000_000 + draw(1000) }),
    (token) => `${token}.`,
    (token) => token.replaceAll('.', '..'),
    async (token) => {
      const [header, claims] = token.split('.').slice(0, 2).map(decode)
      return new jose.SignJWT(claims).setProtectedHeader(header).sign(forger)
    },
  ]
}

/** What the server says; who asks about too many bad ones in a second waits. */
async function isActive(server, token) {
  for (;;) {
    const reply = await fetch(`${server.url}/oauth2/introspect`, {
      method: 'POST', headers: { authorization: `Bearer ${server.key}` }, body: new URLSearchParams({ token }),
    })
    if (reply.status === 200) return (await reply.json()).active
    assert.equal(reply.status, 429, await reply.text())
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

export async function run(server, issue) {
  const published = await (await fetch(`${server.url}/oauth2/jwks.json`)).json()
  const keys = jose.createLocalJWKSet(published)
  const expected = { issuer: server.url, audience: server.url, typ: 'at+jwt', algorithms: ['ES256'] }
  const isGood = (token) => jose.jwtVerify(token, keys, expected).then(() => true, () => false)
  const tokens = [await issue(), await issue()]
  const forger = (await jose.generateKeyPair('ES256')).privateKey
  const [draw, ways] = [chance(7), changes(forger)]
  const found = { both: 0, neither: 0, spelling: 0 }
  const judge = async (number) => {
    const change = ways[number % ways.length]
    const [token, other] = number % 2 ? tokens : [...tokens].reverse()
    const mutated = await change(token, other, draw)
    const [ours, theirs] = await Promise.all([isActive(server, mutated), isGood(mutated)])
    const context = `${number}: ${mutated}: ours ${ours}, jose ${theirs}`
    if (ours === theirs) found[ours ? 'both' : 'neither'] += 1
    else {
      assert.ok(theirs && !isCanonical(mutated), context)
      found.spelling += 1
    }
  }
  for (let number = 0; number < MUTATED; number += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, MUTATED - number) }, (_, index) => judge(number + index))
    await Promise.all(batch)
  }
  assert.ok(found.both > MUTATED / 20 && found.neither > MUTATED / 2, JSON.stringify(found))
  console.log(`jose and the server on ${MUTATED} changed tokens: ${JSON.stringify(found)}`)
}
