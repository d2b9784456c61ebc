/** How a job is asked to stop, and for how long it may still wait for the outside then. */
export interface StopSignal {
  /** Aborted: read no further, keep what is done, let go. */
  readonly asked: AbortSignal
  /** Aborted: wait for nobody outside any more. */
  readonly overdue: AbortSignal
}

/** Of a job that nobody stops. */
export const neverStopped: StopSignal = {
  asked: new AbortController().signal,
  overdue: new AbortController().signal,
}

/**
 * Waits for work: true; or until the signal is aborted: false, and the work goes on by itself.
 * Nothing of the wait is left behind at either, unlike with `Promise.race`, whose losers keep it.
 * @throws {unknown} what the work throws before that
 */
export function doneBefore(signal: AbortSignal, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const give = (): void => resolve(false)
    signal.addEventListener('abort', give, { once: true })
    const settle = (end: () => void) => () => {
      signal.removeEventListener('abort', give)
      end()
    }
    work.then(
      settle(() => resolve(true)),
      (failure: unknown) => settle(() => reject(failure))(),
    )
    if (signal.aborted) give()
  })
}
