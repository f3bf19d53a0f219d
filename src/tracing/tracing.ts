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
  /** Spans are sent to `/v1/traces` below this URL, as OTLP over HTTP. */
  endpoint: string
  serviceName: string
  version: string
  /** The ratio of traces started here that is sampled, 0 to 1; for the others the caller has decided. */
  ratio: number
  log: Logger
}

/** The interface of the service to tracing. */
export interface Tracing {
  /** Creates a span for each request; register it after the plugins that set its context, and before any route. */
  plugin: FastifyPluginCallback
  /** Creates other spans than those of requests. */
  readonly tracer: Tracer
  /** The same function with a span around each call. */
  decode<File extends { readonly sizeBytes: number }, Wanted, Answer>(
    decode: (file: File, signal: AbortSignal, wanted?: Wanted) => Promise<Answer>
  ): (file: File, signal: AbortSignal, wanted?: Wanted) => Promise<Answer>
  /** Adds a span for an import that ends now and took `seconds`. */
  imported(format: string, outcome: string, seconds: number): void
  /** Sends the remaining spans. */
  close(): Promise<void>
}

const EXPORT_TIMEOUT_MS = 5000
/** Failures to send are logged at most once in this time. */
const TELL_MS = 60_000
/** Machines request these all day long; they would be most of the spans. */
const UNTRACED = /^\/(health|metrics|docs)(\/|$)/

/** Import this module only if tracing is enabled: it loads OpenTelemetry. */
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
    // The message of an exception may contain personal data; the log line with the same trace_id has it redacted.
    recordExceptions: false
  })
  instrumentation.setTracerProvider(provider)

  return {
    plugin: instrumentation.plugin() as FastifyPluginCallback,
    tracer,
    decode: (decode) => async (file, signal, wanted) =>
      await spanning(
        tracer,
        'decode recording',
        { 'recording.size_bytes': file.sizeBytes },
        async () => await decode(file, signal, wanted)
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
 * Links the span and the log lines of a request. Neither contains the query string or a path that is itself a secret.
 */
function describeRequest (span: Span, request: FastifyRequest): void {
  const { exchange, routeOptions } = request
  const { traceId, spanId } = span.spanContext()
  exchange.extra = { trace_id: traceId, span_id: spanId }
  const pattern = routeOptions.url
  span.updateName(`${exchange.method} ${pattern ?? 'unmatched'}`)
  span.setAttributes({
    'url.path': redactPath(exchange.path),
    'request.id': exchange.request_id
  })
}

/** Runs `work` inside a span with this name. */
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
