import { AggregatorRegistry, Registry, type MetricObject } from 'prom-client'

export type Figures = MetricObject[]

/**
 * A registry that, if several processes share a port, returns the sums of all: a scraper cannot choose which process
 * responds.
 */
export class SharedRegistry extends Registry {
  /** The figures of every process including this one; absent if there is only one. */
  everybody: (() => Promise<Figures[]>) | undefined

  override async metrics (): Promise<string> {
    if (this.everybody === undefined) return await super.metrics()
    return await AggregatorRegistry.aggregate(
      (await this.everybody()) as unknown as Array<Record<string, unknown>>
    ).metrics()
  }
}
