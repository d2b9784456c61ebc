import type { Sink, SinkAlert } from '../../src/connector/sink.ts'
import type { Marker, TwoPhaseCommitSink } from '../../src/connector/two-phase-commit-sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/** A system outside of the machine that takes documents and a mark in one step: it outlives it. */
export class SimulatedBroker {
  readonly documents: string[] = []
  marker: Marker | undefined
  /** Of the newest producer: an older one is refused. */
  epoch = 0
}

/** A producer of that system, on a machine from which it is sometimes out of reach. */
export function brokerSink(machine: SimulatedMachine, broker: SimulatedBroker): TwoPhaseCommitSink {
  const path = 'the broker'
  let epoch: number | undefined
  return {
    init() {
      const apply = () => {
        epoch = ++broker.epoch
        return broker.marker
      }
      return machine.perform({ kind: 'remote', path, apply })
    },
    async commit(checkpoint, alerts) {
      const own = epoch
      // Whatever fails from here on: `init` comes first.
      epoch = undefined
      if (own === undefined) throw new Error('init comes first')
      await machine.perform({ kind: 'remote', path, apply: () => take(own, checkpoint, alerts) })
      epoch = own
    },
    close: async () => undefined,
  }

  function take(own: number, checkpoint: number, alerts: readonly SinkAlert[]): void {
    if (own !== broker.epoch) {
      throw new ConnectorError('SINK_MARKER', 'a newer producer is there', { retryable: false })
    }
    if (checkpoint <= (broker.marker?.checkpoint ?? 0)) return
    broker.marker = { checkpoint }
    broker.documents.push(...alerts.map(({ document }) => document))
  }
}

/** A system outside of the machine that takes documents, and nothing else. */
export class SimulatedMailbox {
  readonly documents: string[] = []
}

/** What writes to it: a document whose receipt is lost is written again. */
export function mailboxSink(machine: SimulatedMachine, mailbox: SimulatedMailbox): Sink {
  const path = 'the mailbox'
  return {
    open: () => machine.perform({ kind: 'remote', path, apply: () => undefined }),
    async write(documents) {
      for (const document of documents) {
        const apply = () => void mailbox.documents.push(document)
        await machine.perform({ kind: 'remote', path, apply })
      }
    },
    close: async () => undefined,
  }
}
