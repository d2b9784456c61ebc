import { connectors } from '../connectors/registry.ts'
import type { JobAlert, Sink } from '../src/index.ts'

/** A sink that alerts are handed to in chunks. */
export class AlertWriter {
  readonly #sink: Sink
  readonly #chunkLength: number
  #pending: string[] = []
  #pendingLength = 0

  /** @param chunkLength characters that are kept back; default 0: each batch's are written */
  constructor(sink: Sink, chunkLength = 0) {
    this.#sink = sink
    this.#chunkLength = chunkLength
  }

  open(): Promise<void> {
    return this.#sink.open()
  }

  async write(alerts: readonly JobAlert[]): Promise<void> {
    for (const { document } of alerts) {
      const text = document()
      this.#pending.push(text)
      this.#pendingLength += text.length
    }
    if (this.#pendingLength >= this.#chunkLength) await this.#flush()
  }

  /** Writes what is left, and makes it visible. */
  async close(): Promise<void> {
    await this.#flush()
    await this.#sink.close()
  }

  /** Gives up: what was written is not made visible, where the sink can hide it. */
  async discard(): Promise<void> {
    if (this.#sink.discard === undefined) await this.#sink.close()
    else await this.#sink.discard()
  }

  async #flush(): Promise<void> {
    const documents = this.#pending
    this.#pending = []
    this.#pendingLength = 0
    await this.#sink.write(documents)
  }
}

/** The plain file of a replay: it takes its name, whole, at the end, over one that is there. */
export function alertFile(path: string): AlertWriter {
  const sink = connectors.get('file')?.sink?.create({ path }, { directory: process.cwd() })
  if (sink === undefined) throw new Error('the file connector has a sink')
  return new AlertWriter(sink, fileChunkLength)
}

/** A write costs more than an alert, and nobody sees the file before its end. */
const fileChunkLength = 256 * 1024
