// Tokens for a client secret leave the store as large as it was, however many they are.

import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { statSync } from 'node:fs'
import { join } from 'node:path'

const AT_ONCE = 32
/** The log beside the database is emptied from time to time and never grows beyond a few pages of
 * what is written all the time: when credentials were last used. */
const LOG_BYTES_MAX = 8 * 1024 * 1024

export async function run(server, { client_id, secret }, tokens) {
  const size = (name) => statSync(join(server.data, name)).size
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const body = 'grant_type=client_credentials'
  const headers = {
    authorization: `Basic ${Buffer.from(`${client_id}:${secret}`).toString('base64')}`,
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': body.length,
  }
  const ask = () => new Promise((resolve, reject) => {
    const asked = request(`${server.url}/oauth2/token`, { method: 'POST', agent, headers }, (reply) => {
      reply.resume().on('end', () => resolve(reply.statusCode))
    })
    asked.on('error', reject).end(body)
  })
  const before = size('tenantry.db')
  let left = tokens
  const one = async () => {
    while (left > 0) {
      left -= 1
      assert.equal(await ask(), 200)
    }
  }
  const began = Date.now()
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  agent.destroy()
  const [after, log] = [size('tenantry.db'), size('tenantry.db-wal')]
  assert.equal(after, before)
  assert.ok(log < LOG_BYTES_MAX, `${log}`)
  const seconds = Math.round((Date.now() - began) / 1000)
  console.log(`${tokens} tokens in ${seconds} s: the store has ${before} bytes before and ${after} after, its log ${log}`)
}
