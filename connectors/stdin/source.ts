import type { Readable } from 'node:stream'
import type { Source } from '../../src/connector/source.ts'
import { LineReader } from '../line-reader.ts'
import { streamInput } from '../stream-input.ts'

/** How long a poll waits for bytes before it says that the stream is idle. */
const IDLE_AFTER_MS = 50

/** A source of one split over lines from a stream; it ends when the stream does. */
export function stdinSource(given?: Readable): Source {
  return {
    bounded: true,
    live: true,
    async open(name) {
      // Naming `process.stdin` opens it: only here, so that a mere check of options does not.
      const stream = given ?? process.stdin
      let read = 0
      const input = streamInput({
        name: 'stdin',
        stream,
        idleAfterMs: IDLE_AFTER_MS,
        progress: () => ({ read, total: undefined }),
        close: async () => {
          stream.destroy()
        },
      })
      const counted = {
        ...input,
        async fill(buffer: Buffer, start: number, end: number) {
          const filled = await input.fill(buffer, start, end)
          read += filled ?? 0
          return filled
        },
      }
      return [new LineReader({ stream: name, partition: 0 }, counted)]
    },
  }
}
