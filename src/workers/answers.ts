import { CURVE_FIELDS } from '../domain/streams/curves.ts'
import { unpackStreams } from '../domain/streams/pack.ts'
import { sampledStreams, type Wanted } from '../domain/streams/sampled.ts'
import { activityChart, type ActivityFrame } from '../views/charts/activity-chart.ts'

/** What is made of packed streams: figures or a picture. */
export type Answered = Wanted | { chart: ActivityFrame }

/** The response body of packed streams. */
export function answerOf (packed: Uint8Array, wanted: Answered): Uint8Array<ArrayBuffer> {
  if ('fields' in wanted) return sampledStreams(packed, wanted)
  return new TextEncoder().encode(activityChart(unpackStreams(packed, CURVE_FIELDS), wanted.chart))
}
