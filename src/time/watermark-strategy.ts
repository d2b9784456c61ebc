/** How a stream's events tell the time (D3). */
export interface WatermarkStrategy {
  /** How far an event may be behind the greatest timestamp of its split, ms; default 0. */
  readonly outOfOrdernessMs: number
  /** A split without records for this long, and without backlog, holds time no longer, ms. */
  readonly idleAfterMs: number
  /** A split this far ahead of the slowest is paused, ms. */
  readonly maxDriftMs: number
  /** A timestamp this far beyond the time of ingest goes to dead letters, ms. */
  readonly maxFutureSkewMs: number
}

export const defaultWatermarkStrategy: WatermarkStrategy = {
  outOfOrdernessMs: 0,
  idleAfterMs: 30_000,
  maxDriftMs: 60_000,
  maxFutureSkewMs: 300_000,
}

/**
 * The watermark of one split: the greatest timestamp so far, less the out-of-orderness, less one;
 * it never goes back (Flink's BoundedOutOfOrdernessWatermarks).
 */
export class SplitWatermark {
  readonly #outOfOrdernessMs: number
  #greatest = -Infinity

  constructor(outOfOrdernessMs: number) {
    this.#outOfOrdernessMs = outOfOrdernessMs
  }

  /** The greatest timestamp so far, epoch ms; minus infinity before the first event. */
  get greatest(): number {
    return this.#greatest
  }

  /** Epoch ms; minus infinity before the first event. */
  get current(): number {
    return this.#greatest - this.#outOfOrdernessMs - 1
  }

  isLate(timestamp: number): boolean {
    return timestamp <= this.current
  }

  observe(timestamp: number): void {
    if (timestamp > this.#greatest) this.#greatest = timestamp
  }
}
