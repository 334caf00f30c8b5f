// A server of one's own, on a free port, with an organization and a realm of an identity provider.

import { spawn, execFileSync } from 'node:child_process'
import { mkdirSync, openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

const START_MAX_MS = 30_000

export function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

export class Server {
  static async start(binary, folder, issuer) {
    mkdirSync(folder, { recursive: true })
    const [data, config] = [join(folder, 'data'), join(folder, 'tenantry.toml')]
    const url = `http://127.0.0.1:${await freePort()}`
    const words = ['init', '--organization', 'Clients', '--name', 'O', '--email', 'o@example.com']
    const made = execFileSync(binary, ['--data-dir', data, ...words, '--json'])
    const { organization_id: organization, account_id: account, api_key: key } = JSON.parse(made)
    writeFileSync(
      config,
      `[[realms]]
name = "provider"
issuer = "${issuer}"
audience = "tenantry"
tenant = "${organization}"
`,
    )
    const log = openSync(join(folder, 'server.log'), 'w')
    const listen = ['--listen', url.slice('http://'.length), '--metrics-listen', 'off']
    const child = spawn(
      binary,
      ['serve', '--config', config, '--data-dir', data, '--public-url', url, ...listen],
      { stdio: ['ignore', log, log] },
    )
    const server = Object.assign(new Server(), { binary, data, url, organization, account, key, child })
    const until = Date.now() + START_MAX_MS
    while (!(await fetch(`${url}/readyz`).then((reply) => reply.ok, () => false))) {
      if (child.exitCode !== null || Date.now() > until) throw new Error('the server does not start')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return server
  }

  async ask(method, path, body, headers = {}) {
    const reply = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    return { status: reply.status, body: await reply.json() }
  }

  /** Asks, and expects to be obeyed. */
  async done(method, path, body) {
    const reply = await this.ask(method, path, body)
    if (reply.status >= 300) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`)
    return reply.body
  }

  /** A service account: its id, client id and secret. */
  async machine(permissions = ['api:read', 'api:write']) {
    const made = await this.done('POST', `/v1/accounts/${this.account}/service-accounts`, { permissions })
    const { id, client_id } = made.service_account
    return { id, client_id, secret: made.secret.secret }
  }

  /** What the operator does on this machine. */
  operate(...words) {
    return execFileSync(this.binary, ['--data-dir', this.data, ...words]).toString()
  }

  stop() {
    this.child.kill()
    return new Promise((resolve) => this.child.on('exit', resolve))
  }
}
