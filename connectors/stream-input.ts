import type { Readable } from 'node:stream'
import type { ByteInput } from './line-reader.ts'

/** How a stream is taken as a byte input. */
export interface StreamInputOptions {
  readonly name: string
  readonly stream: Readable
  /** `fill` says `null` after so long without bytes; without it, it waits for as long as it takes. */
  readonly idleAfterMs?: number
  progress(): { readonly read: number; readonly total: number | undefined }
  close(): Promise<void>
}

/** A Node stream as a byte input: gives what is there, and waits only when nothing is. */
export function streamInput(options: StreamInputOptions): ByteInput {
  const { name, stream, idleAfterMs, progress, close } = options
  let failure: Error | undefined
  let left: Buffer = Buffer.alloc(0)
  stream.on('error', (error) => {
    failure = error
  })

  function take(buffer: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (left.length === 0) {
        const chunk: Buffer | null = stream.read()
        if (chunk === null) break
        left = chunk
      }
      const taken = left.copy(buffer, at, 0, Math.min(left.length, end - at))
      left = left.subarray(taken)
      at += taken
    }
    return at - start
  }

  async function fill(buffer: Buffer, start: number, end: number): Promise<number | null> {
    for (;;) {
      const taken = take(buffer, start, end)
      if (taken > 0) return taken
      // A stream knows of its failure before it says so.
      const error = failure ?? stream.errored
      if (error !== null && error !== undefined) throw error
      if (stream.readableEnded || stream.destroyed) return 0
      if (!(await somethingHappens(stream, idleAfterMs))) return null
    }
  }
  return { name, fill, progress, close }
}

/** Waits until the stream has bytes, ends or fails: true; or for so long in vain: false. */
function somethingHappens(stream: Readable, idleAfterMs: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'error', 'close']
    const settle = (happened: boolean) => {
      clearTimeout(timer)
      for (const event of events) stream.off(event, onEvent)
      resolve(happened)
    }
    const onEvent = () => settle(true)
    const timer =
      idleAfterMs === undefined ? undefined : setTimeout(() => settle(false), idleAfterMs)
    for (const event of events) stream.on(event, onEvent)
  })
}
