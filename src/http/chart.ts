import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { CHART_POLICY } from '../views/charts/frame.ts'
import { prefers, varyByAccept } from './accept.ts'

/** The media type of charts. */
export const SVG = 'image/svg+xml'
export const Chart = Type.String({ description: 'A static picture' })

/** Whether the client prefers the picture to the figures; either answer depends on `Accept`. */
export function prefersChart (accept: string | undefined, reply: FastifyReply): boolean {
  varyByAccept(reply)
  return prefers(accept, SVG)
}

/** Sends a picture, which may have its own style and nothing else. */
export function sendChart (reply: FastifyReply, chart: string | Uint8Array): never {
  return reply
    .type(SVG)
    .header('content-security-policy', CHART_POLICY)
    .send(chart) as never
}
