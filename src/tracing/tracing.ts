import {
  context,
  diag,
  DiagLogLevel,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Span,
  type Tracer
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  TraceIdRatioBasedSampler
} from '@opentelemetry/sdk-trace-node'
import otel from '@fastify/otel'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import type { Logger } from '../log/logger.ts'
import { redactPath } from '../log/redact.ts'

export interface TracingOptions {
  /** Where spans go: `/v1/traces` below this address, as OTLP over HTTP. */
  endpoint: string
  serviceName: string
  version: string
  /** The part of the traces begun here that is kept, 0 to 1; of those begun elsewhere the caller has decided. */
  ratio: number
  log: Logger
}

/** What the service tells its spans through. */
export interface Tracing {
  /** Gives each request a span; registered after what gives it its context, and before any route. */
  plugin: FastifyPluginCallback
  /** Makes spans for what is not a request. */
  readonly tracer: Tracer
  /** The same function, with a span over each call. */
  decode<File extends { readonly sizeBytes: number }, Answer>(
    decode: (file: File, signal: AbortSignal) => Promise<Answer>
  ): (file: File, signal: AbortSignal) => Promise<Answer>
  /** A recording was imported, or was not, and it took so long until now. */
  imported(format: string, outcome: string, seconds: number): void
  /** Sends what is left. */
  close(): Promise<void>
}

const EXPORT_TIMEOUT_MS = 5000
/** What cannot be sent is told of once in this time. */
const TELL_MS = 60_000
/** Asked by machines all day long, they would be most of the spans. */
const UNTRACED = /^\/(health|metrics|docs)(\/|$)/

/** Loaded only where tracing is on: this module brings OpenTelemetry along. */
export function startTracing ({ endpoint, serviceName, version, ratio, log }: TracingOptions): Tracing {
  let toldMs = -Infinity
  const tell = (message: string) => {
    if (performance.now() - toldMs < TELL_MS) return
    toldMs = performance.now()
    log.warning('spans could not be sent', { error_code: 'TRACING', reason: message.slice(0, 200) })
  }
  diag.setLogger(
    { error: tell, warn: tell, info () {}, debug () {}, verbose () {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true }
  )

  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS
  })
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor(exporter, { exportTimeoutMillis: EXPORT_TIMEOUT_MS })]
  })
  provider.register()
  const tracer = provider.getTracer('running-trainer', version)
  const instrumentation = new otel.FastifyOtelInstrumentation({
    requestHook: describeRequest,
    ignorePaths: ({ url }) => UNTRACED.test(url.split('?', 1)[0] as string),
    instrumentHooks: false,
    // What an exception says may be a person's; the log line with the same trace_id has it, redacted.
    recordExceptions: false
  })
  instrumentation.setTracerProvider(provider)

  return {
    plugin: instrumentation.plugin() as FastifyPluginCallback,
    tracer,
    decode: (decode) => async (file, signal) =>
      await spanning(
        tracer,
        'decode recording',
        { 'recording.size_bytes': file.sizeBytes },
        async () => await decode(file, signal)
      ),
    imported (format, outcome, seconds) {
      const span = tracer.startSpan('import recording', {
        startTime: Date.now() - seconds * 1000,
        attributes: { 'import.format': format, 'import.outcome': outcome }
      })
      if (outcome === 'failed') span.setStatus({ code: SpanStatusCode.ERROR })
      span.end()
    },
    close: async () => {
      await provider.shutdown().catch((error: unknown) => tell(String(error)))
      diag.disable()
      trace.disable()
      context.disable()
    }
  }
}

/**
 * The span and the log lines of a request name each other; an address that is itself a secret is neither's to tell, nor
 * is a query string.
 */
function describeRequest (span: Span, request: FastifyRequest): void {
  const { exchange, routeOptions } = request
  const { traceId, spanId } = span.spanContext()
  exchange.extra = { trace_id: traceId, span_id: spanId }
  const pattern = routeOptions.url
  span.updateName(`${exchange.method} ${pattern ?? 'unmatched'}`)
  span.setAttributes({
    'url.path': routeOptions.config.secretPath === true ? (pattern ?? '') : redactPath(exchange.path),
    'request.id': exchange.request_id
  })
}

/** Runs the work inside a span of that name. */
async function spanning<T> (tracer: Tracer, name: string, attributes: Attributes, work: () => Promise<T>): Promise<T> {
  return await tracer.startActiveSpan(name, { kind: SpanKind.INTERNAL, attributes }, async (span) => {
    try {
      return await work()
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  })
}
