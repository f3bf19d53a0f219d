import { AggregatorRegistry, Registry, type MetricObject } from 'prom-client'

export type Figures = MetricObject[]

/**
 * A registry that, where several processes share a port, tells what all of them have counted: a scraper cannot choose
 * whom it meets.
 */
export class SharedRegistry extends Registry {
  /** The figures of every process, this one's among them; absent where there is one process. */
  everybody: (() => Promise<Figures[]>) | undefined

  override async metrics (): Promise<string> {
    if (this.everybody === undefined) return await super.metrics()
    return await AggregatorRegistry.aggregate(
      (await this.everybody()) as unknown as Array<Record<string, unknown>>
    ).metrics()
  }
}
