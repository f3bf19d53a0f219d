import { move } from 'piscina'
import { answerOf, type Answered } from './answers.ts'

export type SampleTask = Answered & { packed: Uint8Array }

/** The work of a sampling thread: unpacks, chooses, and writes the response body, whose bytes go back uncopied. */
export default function sampleTask ({ packed, ...wanted }: SampleTask): unknown {
  return move(answerOf(packed, wanted))
}
