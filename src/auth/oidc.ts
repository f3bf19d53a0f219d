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

/** The claims of a verified token of the issuer. */
export interface IdentityToken {
  issuer: string
  subject: string
  /** An address that the issuer has verified. */
  email?: string
  name?: string
  timezone?: string
  issuedAtMs: number
  expiresAtMs: number
}

interface Keys {
  resolve: ReturnType<typeof createRemoteJWKSet>
  /** When they were last requested, successfully or not. */
  askedAtMs: number
}

/** Asymmetric signatures only: a public key must not be enough to sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const TYPES = new Set(['jwt', 'at+jwt', 'application/at+jwt'])
/** Headers by which a token supplies its own key, or the place to get it. */
const OWN_KEY = ['jwk', 'jku', 'x5u', 'crit']

const FETCH_MS = 3000
const MAX_DISCOVERY_BYTES = 256 * 1024
/** Keys older than this are refreshed in the background. */
const REFRESH_MS = 10 * 60_000
/**
 * A token with an unknown key causes a refresh at once, because the key may be new: so many times, then once per
 * cooldown.
 */
const MOST_AT_ONCE = 5
const COOLDOWN_MS = 10_000
/** The tolerated difference between clocks. */
const TOLERANCE_S = 5
const MAX_SUBJECT = 255

/**
 * Verifies tokens of an OpenID Connect provider. The discovery document names the address of its keys; jose fetches,
 * caches and selects them. Cached keys are used for as long as the issuer is unreachable, so that its downtime logs
 * nobody out.
 */
export class OidcIssuer {
  readonly #options: OidcOptions
  #keys: Promise<Keys> | undefined

  constructor (options: OidcOptions) {
    this.#options = options
  }

  /**
   * The claims of a valid token of the issuer; undefined for any other text.
   * @throws AppError SERVICE_UNAVAILABLE if the issuer has to be asked and does not answer
   */
  async verify (token: string): Promise<IdentityToken | undefined> {
    // The issuer is not asked for tokens that cannot be valid.
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

  /** Concurrent calls share one request; a failure is not cached. */
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
    // If it fails, the cached keys stay in use.
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
  if (document.issuer !== issuer) throw new Error('The discovery document names another issuer than OIDC_ISSUER')
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
 * Limits the requests for keys, because anyone can send tokens with unknown keys. The cooldown of jose would delay the
 * acceptance of a new key.
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

/** Whether the issuer was unreachable or answered wrongly, rather than the token being invalid. */
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
