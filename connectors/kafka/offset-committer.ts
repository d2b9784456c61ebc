import type { KafkaCluster } from './kafka-cluster.ts'

/**
 * Notes in a consumer group how far checkpoints have come, for tools that show lag. Nothing is read
 * from there. One commit is under way at a time; what fails comes with the next one.
 */
export class OffsetCommitter {
  readonly #cluster: KafkaCluster
  readonly #group: string
  /** `topic/partition` → what is to be noted. */
  readonly #pending = new Map<string, readonly [topic: string, partition: number, offset: number]>()
  #running: Promise<void> | null = null

  constructor(cluster: KafkaCluster, group: string) {
    this.#cluster = cluster
    this.#group = group
  }

  note(topic: string, partition: number, offset: number): void {
    this.#pending.set(`${topic}/${partition}`, [topic, partition, offset])
    // All partitions of a checkpoint are noted in one turn.
    this.#running ??= Promise.resolve().then(() => this.#commit())
  }

  /** Waits for the commit that is under way. */
  async close(): Promise<void> {
    await this.#running
  }

  async #commit(): Promise<void> {
    const offsets = [...this.#pending.values()]
    this.#pending.clear()
    await this.#cluster.commitOffsets(this.#group, offsets).catch(() => {
      for (const each of offsets) {
        const place = `${each[0]}/${each[1]}`
        if (!this.#pending.has(place)) this.#pending.set(place, each)
      }
    })
    this.#running = null
  }
}
