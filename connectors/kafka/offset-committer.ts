import { setTimeout as sleep } from 'node:timers/promises'
import type { KafkaCluster } from './kafka-cluster.ts'

/** From one attempt to the next where a commit fails, ms. */
const pauseMs = 1000

/**
 * Notes in a consumer group how far checkpoints have come, for tools that show lag. Nothing is read
 * from there, so nothing waits for it: one commit is under way at a time, and what fails is tried
 * again with what has come since.
 */
export class OffsetCommitter {
  readonly #cluster: KafkaCluster
  readonly #group: string
  /** `topic/partition` → what is to be noted. */
  readonly #pending = new Map<string, readonly [topic: string, partition: number, offset: number]>()
  readonly #closing = new AbortController()
  #running: Promise<void> | null = null

  constructor(cluster: KafkaCluster, group: string) {
    this.#cluster = cluster
    this.#group = group
  }

  note(topic: string, partition: number, offset: number): void {
    this.#pending.set(`${topic}/${partition}`, [topic, partition, offset])
    // All partitions of a checkpoint are noted in one turn.
    this.#running ??= Promise.resolve().then(() => this.#commitAll())
  }

  /** Waits for the commit that is under way; what failed is not tried again. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #commitAll(): Promise<void> {
    const { signal } = this.#closing
    while (this.#pending.size > 0) {
      const offsets = [...this.#pending]
      this.#pending.clear()
      try {
        await this.#cluster.commitOffsets(
          this.#group,
          offsets.map(([, offset]) => offset),
        )
      } catch {
        for (const [place, offset] of offsets) {
          if (!this.#pending.has(place)) this.#pending.set(place, offset)
        }
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined)
        if (signal.aborted) break
      }
    }
    this.#running = null
  }
}
