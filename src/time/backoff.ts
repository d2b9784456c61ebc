/** The first wait after a failure, ms, where nothing else is said. */
const firstWaitMs = 100
/** The longest wait, ms, where nothing else is said. */
const waitMsMax = 30_000

/** How long to wait after so many failures in a row, at least one, ms: twice as long each time. */
export function backoffMs(failures: number, first = firstWaitMs, max = waitMsMax): number {
  return Math.min(max, first * 2 ** Math.min(failures - 1, 30))
}
