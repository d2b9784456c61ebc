import type { StopSignal } from '../src/index.ts'
import type { Terminal } from './terminal.ts'

/** Whether the user has asked to stop: what a command watches from before its first output on. */
export interface Interrupt extends StopSignal {
  isRaised(): boolean
}

/**
 * Runs work that the user may ask to stop. It is watched before the work begins, so that no signal
 * finds an output that is open and nobody who discards it.
 * @param graceMs how long what is under way may still wait for the outside then, ms
 */
export async function withInterrupt<Result>(
  terminal: Terminal,
  work: (interrupt: Interrupt) => Promise<Result>,
  graceMs = 500,
): Promise<Result> {
  const asked = new AbortController()
  const overdue = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const interrupt: Interrupt = {
    asked: asked.signal,
    overdue: overdue.signal,
    isRaised: () => asked.signal.aborted,
  }
  const unwatch = terminal.onInterrupt(() => {
    timer = setTimeout(() => overdue.abort(), graceMs)
    asked.abort()
  })
  try {
    return await work(interrupt)
  } finally {
    unwatch()
    clearTimeout(timer)
  }
}
