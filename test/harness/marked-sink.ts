import type { SinkAlert } from '../../src/connector/sink.ts'
import type { Marker, TwoPhaseCommitSink } from '../../src/connector/two-phase-commit-sink.ts'
import { ConnectorError } from '../../src/errors.ts'

/** What becomes of one call: nothing is taken and it fails, or it is taken and fails all the same. */
export type SinkFault = 'refused' | 'taken'

/** An exactly-once sink in memory, whose outside outlives it. */
export class MarkedSink implements TwoPhaseCommitSink {
  readonly outside: { marker: Marker | undefined; readonly documents: string[] }
  /** Calls as they came: `init`, `commit 3`, `close`. */
  readonly calls: string[] = []
  /** Faults of the next commits and of the next inits, one for each call. */
  readonly commitFaults: (SinkFault | Error)[] = []
  readonly initFaults: Error[] = []
  /** Ids of alerts that it will never take. */
  readonly refused = new Set<string>()
  #usable = false

  constructor(outside: MarkedSink['outside'] = { marker: undefined, documents: [] }) {
    this.outside = outside
  }

  async init(): Promise<Marker | undefined> {
    this.calls.push('init')
    const fault = this.initFaults.shift()
    if (fault !== undefined) throw fault
    this.#usable = true
    return this.outside.marker
  }

  async commit(checkpoint: number, alerts: readonly SinkAlert[]): Promise<void> {
    this.calls.push(`commit ${checkpoint}`)
    if (!this.#usable) throw new Error('init comes first')
    if (alerts.length === 0 && this.refused.size === 0) {
      throw new Error('a checkpoint without alerts is not committed')
    }
    const fault = this.commitFaults.shift()
    if (fault !== undefined) this.#usable = false
    if (fault instanceof Error) throw fault
    if (fault === 'refused') throw unreachable()
    if (checkpoint > (this.outside.marker?.checkpoint ?? -1)) {
      this.outside.marker = { checkpoint }
      this.outside.documents.push(...alerts.map(({ document }) => document))
    }
    if (fault === 'taken') throw unreachable()
  }

  refusalOf({ id }: SinkAlert): ConnectorError | undefined {
    if (!this.refused.has(id)) return undefined
    return new ConnectorError('OUTPUT_UNWRITABLE', `too large: ${id}`, { retryable: false })
  }

  async close(): Promise<void> {
    this.calls.push('close')
  }
}

export function unreachable(): ConnectorError {
  return new ConnectorError('OUTPUT_UNWRITABLE', 'not reachable', { retryable: true })
}
