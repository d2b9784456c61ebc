import { type JobAlert, Outbox, type Sink } from '../src/index.ts'
import type { AlertRouting } from './alert-routing.ts'
import { hostClock, hostRandom, hostScheduler } from './host.ts'
import { retryListener } from './retry-listener.ts'
import type { RunToDo } from './run-to-do.ts'
import type { SideOutputStore } from './side-output-store.ts'

/**
 * Hands alerts to sinks as they come, without checkpoints: a sink that is away is tried again, and
 * what waits for it then ends with the process.
 */
export class PlainDelivery {
  readonly #routing: AlertRouting
  readonly #sideOutput: SideOutputStore
  readonly #sinks: readonly Sink[]
  readonly #outboxes: ReadonlyMap<string, Outbox>
  /** Batches of alerts, as an outbox counts checkpoints. */
  #batches = 0

  constructor(todo: RunToDo, sideOutput: SideOutputStore) {
    const { sinks } = todo.config
    this.#routing = todo.routing
    this.#sideOutput = sideOutput
    this.#sinks = sinks.map(({ sink }) => sink)
    this.#outboxes = new Map(
      sinks.map(({ name, sink }) => {
        const delivery = { kind: 'at_least_once', sink } as const
        const onRetry = retryListener(name, todo)
        const outbox = new Outbox({
          name,
          delivery,
          clock: hostClock,
          scheduler: hostScheduler,
          random: hostRandom,
          onRetry,
          onUndelivered: (alerts) => sideOutput.undelivered(name, alerts),
        })
        return [name, outbox]
      }),
    )
  }

  get outboxes(): ReadonlyMap<string, Outbox> {
    return this.#outboxes
  }

  async open(): Promise<void> {
    for (const outbox of this.#outboxes.values()) {
      const marker = await outbox.open()
      outbox.restore({ checkpoint: 0, committed: undefined, staged: [] }, marker)
    }
  }

  /** Resolves when the sinks have taken them, or are so far behind that more must wait. */
  async write(alerts: readonly JobAlert[]): Promise<void> {
    const batch = ++this.#batches
    for (const { document } of this.#routing.shadow(alerts)) this.#sideOutput.shadow(document())
    for (const [name, own] of this.#routing.bySink(alerts)) {
      const outbox = this.#outboxes.get(name)
      if (outbox === undefined) continue
      for (const { alert, document } of own) outbox.stage({ id: alert.id, document: document() })
      outbox.prepareCommit(batch)
      const committed = outbox.notifyCheckpointComplete(batch)
      committed.catch(() => undefined)
      if (outbox.isFull) await outbox.settled()
    }
  }

  /** Resolves when the sinks have all alerts. */
  async settled(): Promise<void> {
    for (const outbox of this.#outboxes.values()) await outbox.settled()
  }

  /** Ends; what is a file takes its name. */
  async close(): Promise<void> {
    for (const outbox of this.#outboxes.values()) await outbox.close()
  }

  /** Ends; what can still be hidden is never shown. */
  async discard(): Promise<void> {
    for (const sink of this.#sinks) await sink.discard?.()
    await this.close()
  }
}
