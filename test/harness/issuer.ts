import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import {
  SignJWT,
  exportJWK,
  generateKeyPair,
  type CryptoKey,
  type JWK,
  type JWTHeaderParameters,
  type JWTPayload
} from 'jose'
import type { Ending } from './service.ts'

interface KeyPair {
  kid: string
  privateKey: CryptoKey
  jwk: JWK
}

/** An OpenID Connect provider in this process, as far as a resource server uses it. */
export class Issuer {
  readonly audience = 'running-trainer'
  url = ''
  /** Overrides of its responses. */
  answers: { discovery?: unknown; keys?: unknown; status?: number; silent?: boolean } = {}
  /** The number of requests for each path. */
  readonly asked = { discovery: 0, keys: 0 }
  keys: KeyPair[] = []
  readonly #server: Server
  #port = 0

  constructor () {
    this.#server = createServer((request, response) => {
      const isDiscovery = request.url === '/.well-known/openid-configuration'
      this.asked[isDiscovery ? 'discovery' : 'keys']++
      if (this.answers.silent === true) return
      const body = isDiscovery
        ? (this.answers.discovery ?? { issuer: this.url, jwks_uri: `${this.url}/keys` })
        : (this.answers.keys ?? { keys: this.keys.map(({ jwk }) => jwk) })
      response
        .writeHead(this.answers.status ?? 200, { 'content-type': 'application/json', connection: 'close' })
        .end(JSON.stringify(body))
    })
  }

  async start (): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    this.url = `http://127.0.0.1:${this.#port}`
  }

  async stop (): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async addKey (kid: string, alg = 'ES256'): Promise<KeyPair> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const pair = { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
    this.keys.push(pair)
    return pair
  }

  /** A token of the issuer with overrides; `undefined` removes a claim. */
  async token (
    claims: JWTPayload = {},
    header: Partial<JWTHeaderParameters> = {},
    key = this.keys.at(-1) as KeyPair
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const payload: JWTPayload = {
      iss: this.url,
      aud: this.audience,
      sub: 'somebody',
      iat: now,
      exp: now + 300,
      ...claims
    }
    return await new SignJWT(payload)
      .setProtectedHeader({ alg: key.jwk.alg as string, kid: key.kid, typ: 'JWT', ...header })
      .sign(key.privateKey)
  }
}

/** Starts an issuer with a key; it stops when the test ends. */
export async function startIssuer (t: Ending, alg?: string): Promise<Issuer> {
  const issuer = new Issuer()
  await issuer.start()
  await issuer.addKey('first', alg)
  t.teardown(async () => await issuer.stop())
  return issuer
}
