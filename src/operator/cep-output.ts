import type { Event, TakenEvent } from '../stream/event.ts'

/** A match, or a partial match whose time ran out. */
export interface CepResult {
  readonly kind: 'match' | 'timeout'
  /** Index of the pattern in its operator. */
  readonly pattern: number
  /** Canonical key (`src/stream/key.ts`). */
  readonly key: string
  readonly taken: TakenEvent
  /** Event time of its last event, or the deadline that ran out, epoch ms. */
  readonly eventTime: number
  /** Event time at which it was known: differs where a match had to wait. */
  readonly moment: number
}

/** By the moment at which they were known; a time limit at T comes before the events of T (D3). */
export function byMoment(a: CepResult, b: CepResult): number {
  return a.moment - b.moment
}

/** A first event that `limit` refused. */
export interface RefusedEvent {
  readonly pattern: number
  readonly key: string
  readonly event: Event
}

export interface CepOutput {
  /** What one advance of the watermark found, in order of moment. */
  results(results: readonly CepResult[]): void
  refused(refused: RefusedEvent): void
  /** More than `max_matches` were completed by one event. */
  droppedMatches(pattern: number, count: number): void
}
