import type { Static, TSchema } from '@sinclair/typebox'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  ContextConfigDefault,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
  RouteGenericInterface,
  RouteHandlerMethod
} from 'fastify'
import { mapInTurns } from './turns.ts'

/** What a handler answers, as data: it can be recorded, and nothing is sent while the handler runs. */
export interface Answer<Status extends number = number, Body = unknown> {
  status: Status
  /** Those that this answer has beyond what every one has; names in lower case. */
  headers: Record<string, string>
  body: Body
}

/** The answers that a schema has a response for; 304 is every conditional request's. */
export type AnswerOf<Schema extends FastifySchema> = Answer<304, undefined> | (
  Schema extends { response: infer Responses }
    ? { [Status in keyof Responses & number]:
        Answer<Status, Responses[Status] extends TSchema ? Static<Responses[Status]> : unknown>
      }[keyof Responses & number]
    : Answer
)

/** A request to a route with this schema. */
export type RequestOf<Schema extends FastifySchema> = FastifyRequest<
  RouteGenericInterface,
  RawServerDefault,
  RawRequestDefaultExpression,
  Schema,
  TypeBoxTypeProvider
>

/** What Fastify takes as the handler of a route with this schema. */
export type HandlerOf<Schema extends FastifySchema> = RouteHandlerMethod<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  RouteGenericInterface,
  ContextConfigDefault,
  Schema,
  TypeBoxTypeProvider
>

export function ok<Body> (body: Body, headers: Record<string, string> = {}): Answer<200, Body> {
  return { status: 200, headers, body }
}

export function created<Body> (body: Body, headers: Record<string, string> = {}): Answer<201, Body> {
  return { status: 201, headers, body }
}

export function accepted<Body> (body: Body, headers: Record<string, string> = {}): Answer<202, Body> {
  return { status: 202, headers, body }
}

export function noContent (): Answer<204, null> {
  return { status: 204, headers: {}, body: null }
}

/**
 * Makes the handler of a route of a function from request to answer. The schema in front of it types both: an answer
 * whose status has no response there, or whose body is not of that response, does not compile.
 */
export function answering<Schema extends FastifySchema> (
  handler: (request: RequestOf<Schema>) => Promise<AnswerOf<Schema>>
): HandlerOf<Schema> {
  async function answered (request: RequestOf<Schema>, reply: FastifyReply): Promise<unknown> {
    return putAnswer(reply, await handler(request))
  }
  return answered as unknown as HandlerOf<Schema>
}

/**
 * Puts status and headers on the reply, and answers the body, for the handler to return: a handler that sends by itself
 * has to return the reply, and waits for its last byte.
 */
export function putAnswer<Body> (reply: FastifyReply, { status, headers, body }: Answer<number, Body>): Body {
  reply.code(status).headers(headers)
  return body
}

/**
 * The text of a list for a response, by the schema of its items, written with turns for other requests in between: for
 * lists that take long to write.
 */
export async function listText<Item extends TSchema> (
  reply: FastifyReply,
  schema: Item,
  items: ReadonlyArray<Static<Item>>
): Promise<string> {
  const write = reply.compileSerializationSchema(schema as Record<string, unknown>)
  const texts = await mapInTurns(items, (item) => write(item as Record<string, unknown>))
  return `[${texts.join(',')}]`
}

/** Answers a body that is JSON text already. */
export function sendJson (reply: FastifyReply, text: string): FastifyReply {
  return reply.type('application/json; charset=utf-8').send(text)
}
