// What a server issued in twenty rotations of its keys, verified by jose with the keys that somebody
// who keeps them for five minutes has by then: `node rotations.mjs NOTES`.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as jose from 'jose'

const notes = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line))
const [seen, kids] = [new Set(), new Set()]
let checks = 0
for (const { now, keys, tokens } of notes) {
  const set = jose.createLocalJWKSet(keys)
  for (const token of tokens) {
    const { protectedHeader } = await jose.jwtVerify(token, set, {
      issuer: 'http://localhost', audience: 'http://localhost', typ: 'at+jwt', currentDate: new Date(now * 1000),
    })
    kids.add(protectedHeader.kid)
    seen.add(token)
    checks += 1
  }
}
assert.ok(kids.size === 21 && seen.size >= 1000)
console.log(`jose: ${seen.size} tokens of ${kids.size} keys in ${checks} checks, none refused`)
