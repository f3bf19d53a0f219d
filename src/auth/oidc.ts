import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type FetchImplementation,
  type JWTPayload
} from 'jose'
import { AppError } from '../errors.ts'
import { isCanonicalToken } from './base64url.ts'

export interface OidcOptions {
  issuer: string
  audience: string
}

/** What a token of the issuer says, once it was checked. */
export interface IdentityToken {
  issuer: string
  subject: string
  /** An address that the issuer says it has checked. */
  email?: string
  name?: string
  timezone?: string
  issuedAtMs: number
  expiresAtMs: number
}

interface Keys {
  resolve: ReturnType<typeof createRemoteJWKSet>
  /** When they were last asked for, successfully or not. */
  askedAtMs: number
}

/** Signatures by a key pair only: what is public must not be enough to sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt'])
/** Headers by which a token brings its own key, or says where to get it. */
const OWN_KEY = ['jwk', 'jku', 'x5u', 'crit']

const FETCH_MS = 3000
const MAX_DISCOVERY_BYTES = 256 * 1024
/** Keys are asked for anew, behind the answers, when they are older than this. */
const REFRESH_MS = 10 * 60_000
/**
 * A token with an unknown key has them asked for anew at once, as it may be a new one: so often, then each time this
 * long has passed.
 */
const MOST_AT_ONCE = 5
const COOLDOWN_MS = 10_000
/** How far apart clocks may be. */
const TOLERANCE_S = 5
const MAX_SUBJECT = 255

/**
 * Checks tokens of an OpenID Connect provider. Where its keys are is told by its discovery document; fetching, caching
 * and choosing among them is jose's. Keys once had are good for as long as the issuer cannot be asked: it being down
 * logs nobody out.
 */
export class OidcIssuer {
  readonly #options: OidcOptions
  #keys: Promise<Keys> | undefined

  constructor (options: OidcOptions) {
    this.#options = options
  }

  /**
   * What the token says, where it is the issuer's and valid; undefined for anything else whatsoever.
   * @throws AppError SERVICE_UNAVAILABLE where the issuer would have to be asked and does not answer
   */
  async verify (token: string): Promise<IdentityToken | undefined> {
    // Nobody is asked on behalf of what cannot be right anyway.
    if (!isPlausible(token, this.#options)) return undefined
    const keys = await this.#discovered()
    this.#refreshBehind(keys)
    try {
      const { payload } = await jwtVerify(token, keys.resolve, {
        ...this.#options, algorithms: ALGORITHMS, clockTolerance: TOLERANCE_S, requiredClaims: ['sub', 'exp']
      })
      return identityOf(payload)
    } catch (error) {
      if (isIssuersFault(error, keys)) throw unavailable(error)
      return undefined
    }
  }

  /** Those who ask together get one answer; a failure is not kept. */
  async #discovered (): Promise<Keys> {
    this.#keys ??= discover(this.#options.issuer)
    const asked = this.#keys
    try {
      return await asked
    } catch (error) {
      if (this.#keys === asked) this.#keys = undefined
      throw unavailable(error)
    }
  }

  #refreshBehind (keys: Keys): void {
    if (performance.now() - keys.askedAtMs < REFRESH_MS) return
    keys.askedAtMs = performance.now()
    // Those there are stay in use where it fails.
    keys.resolve.reload().catch(() => {})
  }
}

async function discover (issuer: string): Promise<Keys> {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_MS),
    headers: { accept: 'application/json' }
  })
  if (!response.ok) throw new Error(`Discovery answered ${response.status}`)
  const document = JSON.parse(await readBounded(response)) as Record<string, unknown>
  if (document.issuer !== issuer) throw new Error('Discovery speaks for another issuer than OIDC_ISSUER')
  const address = new URL(String(document.jwks_uri))
  if (address.protocol !== 'https:' && address.protocol !== new URL(issuer).protocol) { throw new Error('jwks_uri is not https') }
  const resolve = createRemoteJWKSet(address, {
    timeoutDuration: FETCH_MS,
    cacheMaxAge: Infinity,
    cooldownDuration: 0,
    [customFetch]: sparing(() => resolve.jwks() !== undefined)
  })
  return { resolve, askedAtMs: performance.now() }
}

/**
 * Anybody can name a key that there is not: the issuer must not be asked for each. jose's own cooldown would keep out a
 * new key for as long.
 */
function sparing (hasKeys: () => boolean): FetchImplementation {
  let left = MOST_AT_ONCE
  let countedAtMs = performance.now()
  return async (url, options) => {
    if (hasKeys()) {
      const earned = Math.floor((performance.now() - countedAtMs) / COOLDOWN_MS)
      left = Math.min(MOST_AT_ONCE, left + earned)
      countedAtMs += earned * COOLDOWN_MS
      if (left === 0) throw new AskedTooOften()
      left--
    }
    return await fetch(url, options as RequestInit)
  }
}

class AskedTooOften extends Error {}

async function readBounded (response: Response): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of response.body ?? []) {
    size += piece.length
    if (size > MAX_DISCOVERY_BYTES) throw new Error('The discovery document is too large')
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

function isPlausible (token: string, { issuer }: OidcOptions): boolean {
  try {
    if (!isCanonicalToken(token)) return false
    const header = decodeProtectedHeader(token)
    const { alg, kid, typ } = header
    return ALGORITHMS.includes(alg as string) &&
      (kid === undefined || (typeof kid === 'string' && kid.length <= 256)) &&
      (typ === undefined || (typeof typ === 'string' && TYPES.has(typ.toLowerCase()))) &&
      !OWN_KEY.some((name) => name in header) &&
      decodeJwt(token).iss === issuer
  } catch {
    return false
  }
}

function identityOf ({
  iss,
  sub,
  email,
  email_verified: verified,
  name,
  zoneinfo,
  iat = 0,
  exp
}: JWTPayload): IdentityToken | undefined {
  if (typeof sub !== 'string' || sub === '' || sub.length > MAX_SUBJECT || sub.includes('\0')) return undefined
  return {
    issuer: iss as string,
    subject: sub,
    issuedAtMs: iat * 1000,
    expiresAtMs: (exp as number) * 1000,
    ...(typeof email === 'string' && verified === true ? { email } : {}),
    ...(typeof name === 'string' ? { name } : {}),
    ...(typeof zoneinfo === 'string' ? { timezone: zoneinfo } : {})
  }
}

/** Whether it was the way to the issuer, or what it answered, and not the token that was wrong. */
function isIssuersFault (error: unknown, { resolve }: Keys): boolean {
  if (error instanceof AskedTooOften) return resolve.jwks() === undefined
  if (!(error instanceof errors.JOSEError)) return true
  return error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'
}

function unavailable (cause: unknown): AppError {
  return cause instanceof AppError
    ? cause
    : new AppError('SERVICE_UNAVAILABLE', 'The identity provider cannot be reached', { cause })
}
