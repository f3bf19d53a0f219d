import { move } from 'piscina'
import { sampledStreams, type Wanted } from '../domain/streams/sampled.ts'

export interface SampleTask extends Wanted {
  packed: Uint8Array
}

/** The work of a sampling thread: unpacks, chooses, and writes the response body, whose bytes go back uncopied. */
export default function sampleTask ({ packed, ...wanted }: SampleTask): unknown {
  return move(sampledStreams(packed, wanted))
}
