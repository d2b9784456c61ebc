import type { StopSignal } from '../src/index.ts'
import type { Terminal } from './terminal.ts'

/**
 * Runs work that the user may ask to stop. It is watched before the work begins, so that no signal
 * finds an output that is open and nobody who discards it.
 * @param graceMs how long what is under way may still wait for the outside then, ms
 */
export async function withInterrupt<Result>(
  terminal: Terminal,
  work: (stop: StopSignal) => Promise<Result>,
  graceMs = 500,
): Promise<Result> {
  const asked = new AbortController()
  const overdue = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const unwatch = terminal.onInterrupt(() => {
    timer = setTimeout(() => overdue.abort(), graceMs)
    asked.abort()
  })
  try {
    return await work({ asked: asked.signal, overdue: overdue.signal })
  } finally {
    unwatch()
    clearTimeout(timer)
  }
}
