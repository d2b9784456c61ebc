import { backoffMs } from '../time/backoff.ts'

export interface RestartStrategyOptions {
  /** The wait before the first restart, ms; each further one is twice as long. Default 1,000. */
  readonly firstWaitMs?: number
  /** The longest wait, ms. Default 60,000. */
  readonly waitMsMax?: number
  /** Restarts in a row, after which the job fails for good. Default 5. */
  readonly restartsMax?: number
  /** A run that has lasted so long, ms, makes the count begin anew. Default 10 minutes. */
  readonly stableMs?: number
}

/**
 * When a job that has failed by a fault of its own is started again from its last checkpoint
 * (Flink's exponential-delay restart strategy, with an end: a fault that comes each time needs people).
 */
export class RestartStrategy {
  readonly #options: Required<RestartStrategyOptions>
  #restarts = 0

  constructor(options: RestartStrategyOptions = {}) {
    this.#options = {
      firstWaitMs: 1000,
      waitMsMax: 60_000,
      restartsMax: 5,
      stableMs: 600_000,
      ...options,
    }
  }

  /** Restarts in a row so far. */
  get restarts(): number {
    return this.#restarts
  }

  /**
   * How long to wait before the next restart, ms; `null`: the job has failed for good.
   * @param ranMs how long the run that failed has lasted
   */
  next(ranMs: number): number | null {
    const { firstWaitMs, waitMsMax, restartsMax, stableMs } = this.#options
    if (ranMs >= stableMs) this.#restarts = 0
    if (this.#restarts >= restartsMax) return null
    return backoffMs(++this.#restarts, firstWaitMs, waitMsMax)
  }
}
