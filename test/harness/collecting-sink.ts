import type { Sink } from '../../src/connector/sink.ts'

/** A sink that keeps what is written, and notes how it was ended. */
export class CollectingSink implements Sink {
  readonly documents: string[] = []
  ended: 'open' | 'closed' | 'discarded' | null = null

  /** The documents, parsed. */
  get values(): unknown[] {
    return this.documents.map((document) => JSON.parse(document) as unknown)
  }

  async open(): Promise<void> {
    this.ended = 'open'
  }

  async write(documents: readonly string[]): Promise<void> {
    this.documents.push(...documents)
  }

  async close(): Promise<void> {
    this.ended = 'closed'
  }

  async discard(): Promise<void> {
    this.ended = 'discarded'
  }
}
