// The process. Loading all of the service takes a third of a second, in which Node itself would end at a signal with no
// word, or, as the first process of a container, not hear it: so signals are heard before anything else is loaded.
import { StopSignals } from './process/stop-signals.ts'

const signals = new StopSignals()
const { main } = await import('./process/main.ts')
await main(signals)
