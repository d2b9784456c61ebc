import { TocsinError } from '../errors.ts'
import type { StateTtl } from './state-descriptor.ts'

/**
 * How stored values grow old. With a TTL a stored value is a pair of value and time, else it is
 * the value itself: state without TTL costs nothing more.
 */
export interface StateAging {
  /** Whether stored values can expire. */
  readonly ages: boolean
  readonly refreshedByReads: boolean
  /** The stored form of a value that is written now. */
  wrap(value: unknown): unknown
  unwrap(stored: unknown): unknown
  isExpired(stored: unknown): boolean
}

/** A stored value with a TTL: the TTL itself is not stored, so that a changed one counts at once. */
export interface TimedValue {
  readonly value: unknown
  /** Processing time, epoch ms. */
  readonly refreshedAt: number
}

/**
 * @param now processing time, epoch ms
 * @throws {TocsinError} PROGRAM_INVALID if the TTL is not more than 0
 */
export function stateAging(ttl: StateTtl | undefined, now: () => number): StateAging {
  if (ttl === undefined) return noAging
  const { ttlMs, updateType = 'on_create_and_write' } = ttl
  if (!(ttlMs > 0)) {
    throw new TocsinError('PROGRAM_INVALID', `a TTL is more than 0 ms, not ${ttlMs}`)
  }
  return {
    ages: true,
    refreshedByReads: updateType === 'on_read_and_write',
    wrap: (value): TimedValue => ({ value, refreshedAt: now() }),
    unwrap: (stored) => (stored as TimedValue).value,
    isExpired: (stored) => now() >= (stored as TimedValue).refreshedAt + ttlMs,
  }
}

const noAging: StateAging = {
  ages: false,
  refreshedByReads: false,
  wrap: (value) => value,
  unwrap: (stored) => stored,
  isExpired: () => false,
}
