import { Duration, Timestamp } from './value.ts'

/**
 * A value as an alert carries it: a timestamp as epoch milliseconds, a duration as milliseconds,
 * a number that JSON has no sign for (infinity, not a number) as null; CEL's error stays undefined.
 */
export function plainValue(value: unknown): unknown {
  if (value instanceof Timestamp) return value.epochMs
  if (value instanceof Duration) return value.milliseconds
  if (typeof value === 'number' && !Number.isFinite(value)) return null
  return value
}
