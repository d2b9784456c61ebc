import type { Terminal } from './terminal.ts'

/** Whether the user has asked to stop: what a command watches from before its first output on. */
export interface Interrupt {
  isRaised(): boolean
  /** Resolves some time after it is raised: a source that waits does not see it. */
  readonly isOver: Promise<null>
  /** Ends the watch: a signal has its usual effect again. */
  end(): void
}

/** How long a batch that is under way may take after Ctrl-C, ms. */
const graceMs = 500

/**
 * Runs work that the user may ask to stop. It is watched before the work begins, so that no signal
 * finds an output that is open and nobody who discards it.
 */
export async function withInterrupt<Result>(
  terminal: Terminal,
  work: (interrupt: Interrupt) => Promise<Result>,
): Promise<Result> {
  const interrupt = watchInterrupt(terminal)
  try {
    return await work(interrupt)
  } finally {
    interrupt.end()
  }
}

function watchInterrupt(terminal: Terminal): Interrupt {
  let raised = false
  let timer: NodeJS.Timeout | undefined
  let stop = () => {}
  const isOver = new Promise<null>((resolve) => {
    stop = terminal.onInterrupt(() => {
      raised = true
      // A second Ctrl-C ends the process at once.
      stop()
      timer = setTimeout(() => resolve(null), graceMs)
    })
  })
  return {
    isRaised: () => raised,
    isOver,
    end: () => {
      stop()
      clearTimeout(timer)
    },
  }
}
