/** A time span in milliseconds, or what is wrong with its text. */
export type Duration = { readonly ms: number } | { readonly problem: string }

/**
 * Reads `500ms`, `5s`, `10m`, `9m30s`, `12h`, `7d`: numbers with units, the greater unit first.
 * A day has 24 hours. A bare number is a problem that says so; so is a part of a millisecond.
 */
export function parseDuration(value: unknown): Duration {
  if (typeof value === 'number' || (typeof value === 'string' && /^\d+(\.\d+)?$/.test(value))) {
    return {
      problem: `the bare number ${value} has no unit: write \`${value}s\` or \`${value}ms\``,
    }
  }
  if (typeof value !== 'string') return { problem: `expected ${durationExpected}` }
  const parts = new RegExp(durationPattern).exec(value)
  if (parts === null || value === '') {
    return { problem: `\`${value}\` is not a duration: expected ${durationExpected}` }
  }
  let ms = 0
  for (const [index, unitMs] of unitsMs.entries()) ms += Number(parts[index + 1] ?? 0) * unitMs
  // A fraction such as 0.1s may end a hair beside its whole number of milliseconds.
  const whole = Math.round(ms)
  if (Math.abs(whole - ms) > 1e-6) return { problem: `\`${value}\` has a part of a millisecond` }
  if (!Number.isSafeInteger(whole)) return { problem: `\`${value}\` is too long` }
  return { ms: whole }
}

/** What a text must look like to be a duration, as a JSON Schema pattern. */
export const durationPattern =
  '^(?:(\\d+(?:\\.\\d+)?)d)?(?:(\\d+(?:\\.\\d+)?)h)?(?:(\\d+(?:\\.\\d+)?)m)?' +
  '(?:(\\d+(?:\\.\\d+)?)s)?(?:(\\d+(?:\\.\\d+)?)ms)?$'

export const durationExpected = 'a duration such as `500ms`, `10m` or `9m30s`'

const unitsMs = [86_400_000, 3_600_000, 60_000, 1000, 1]
