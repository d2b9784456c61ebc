import type { Writable } from 'node:stream'
import type { Sink } from '../../src/connector/sink.ts'
import { TocsinError } from '../../src/errors.ts'

/** A sink that writes one document a line to the standard output, at the reader's pace. */
export class StdoutSink implements Sink {
  readonly #stream: Writable

  constructor(stream: Writable = process.stdout) {
    this.#stream = stream
    // A failure is reported by the write that met it; without a listener it would end the process.
    stream.on('error', () => undefined)
  }

  async open(): Promise<void> {}

  write(documents: readonly string[]): Promise<void> {
    if (documents.length === 0) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#stream.write(`${documents.join('\n')}\n`, (error) => {
        if (error === null || error === undefined) resolve()
        else reject(unwritable(error))
      })
    })
  }

  /** The stream stays open: it belongs to the process. What was written has been taken already. */
  async close(): Promise<void> {}
}

function unwritable(error: NodeJS.ErrnoException): TocsinError {
  const reason = error.code === 'EPIPE' ? 'its reader has gone' : error.message
  const message = `cannot write to stdout: ${reason}; write to a file instead`
  return new TocsinError('OUTPUT_UNWRITABLE', message, { cause: error })
}
