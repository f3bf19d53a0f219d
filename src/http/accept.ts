import type { FastifyReply } from 'fastify'

/** Whether `Accept` prefers HTML to JSON (RFC 9110, 12.5.1); without a preference it is JSON. */
export function prefersHtml (accept: string | undefined): boolean {
  return prefers(accept, 'text/html')
}

/** Whether `Accept` prefers a media type to JSON; without a preference it is JSON. */
export function prefers (accept: string | undefined, type: string): boolean {
  if (accept === undefined) return false
  const qualities = new Map(accept.toLowerCase().split(',').map((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
    return [type, quality >= 0 && quality <= 1 ? quality : 0]
  }))
  const qualityOf = (type: string) =>
    qualities.get(type) ?? qualities.get(`${type.slice(0, type.indexOf('/'))}/*`) ?? qualities.get('*/*') ?? 0
  return qualityOf(type) > qualityOf('application/json')
}

/** Notes that the response depends on `Accept`, beside what it depends on already: CORS may have named the origin. */
export function varyByAccept (reply: FastifyReply): void {
  const before = reply.getHeader('vary')
  reply.header('vary', before === undefined ? 'Accept' : `${String(before)}, Accept`)
}
