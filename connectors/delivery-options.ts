import type { ConnectorOptions, OptionProperty } from '../src/connector/connector.ts'
import { durationExpected, durationPattern, parseDuration } from '../src/connector/duration.ts'
import type { DeliveryPolicy } from '../src/connector/sink.ts'
import { TocsinError } from '../src/errors.ts'

const count = {
  type: 'integer',
  minimum: 1,
  maximum: 1_000_000,
  'x-expected': 'a whole number of at least 1',
}
/** A span of time, as the rest of the configuration writes it. */
export const durationOption = {
  type: 'string',
  minLength: 1,
  pattern: durationPattern,
  'x-expected': durationExpected,
}

/** Options of sinks that send alerts over a network, at least once. */
export const deliveryOptions = {
  retry: {
    description:
      'When an alert that is not taken is given up and kept as undelivered: after `max_attempts` ' +
      '(default: any number), or `max_age` after it could first be sent (default 24h).',
    type: 'object',
    properties: {
      max_attempts: { description: 'Attempts in one process.', ...count, examples: [10] },
      max_age: { description: 'Time in one process.', ...durationOption, examples: ['24h'] },
    },
    additionalProperties: false,
    examples: [{ max_age: '1h' }],
  },
  rate: {
    description: 'At most `max` alerts, or digests, in any stretch of `per`; the others wait.',
    type: 'object',
    properties: {
      max: { description: 'How many.', ...count, examples: [30] },
      per: { description: 'In what time.', ...durationOption, examples: ['1m'] },
    },
    required: ['max', 'per'],
    additionalProperties: false,
    examples: [{ max: 30, per: '1m' }],
  },
} as const satisfies Readonly<Record<string, OptionProperty>>

/** Alerts that are sent together. */
export const digestOption = {
  description:
    'Sends alerts together: up to `max`, as soon as there are so many, or `every` after the first. ' +
    'Default: one at a time.',
  type: 'object',
  properties: {
    max: { description: 'Alerts of one digest at most.', ...count, maximum: 10_000 },
    every: { description: 'How long the first waits.', ...durationOption, examples: ['5m'] },
  },
  required: ['max', 'every'],
  additionalProperties: false,
  examples: [{ max: 100, every: '5m' }],
} as const satisfies OptionProperty

const ageMaxMs = 24 * 3_600_000

/**
 * The policy that options ask for.
 * @throws {TocsinError} CONFIG_INVALID, naming the option
 */
export function deliveryPolicyOf(options: ConnectorOptions): DeliveryPolicy {
  const { retry, rate, digest } = options as {
    readonly retry?: { readonly max_attempts?: number; readonly max_age?: string }
    readonly rate?: { readonly max: number; readonly per: string }
    readonly digest?: { readonly max: number; readonly every: string }
  }
  return {
    retry: {
      ...(retry?.max_attempts === undefined ? {} : { attemptsMax: retry.max_attempts }),
      ageMaxMs:
        retry?.max_age === undefined ? ageMaxMs : durationMs('retry.max_age', retry.max_age),
    },
    ...(rate === undefined
      ? {}
      : { rate: { max: rate.max, perMs: positiveMs('rate.per', rate.per) } }),
    ...(digest === undefined
      ? {}
      : { digest: { max: digest.max, everyMs: durationMs('digest.every', digest.every) } }),
  }
}

/** Milliseconds of a duration. @throws {TocsinError} CONFIG_INVALID, naming the option */
export function durationMs(name: string, value: unknown): number {
  const parsed = parseDuration(value)
  if ('ms' in parsed) return parsed.ms
  throw new TocsinError('CONFIG_INVALID', `${name}: ${parsed.problem}`)
}

/** The same for one that cannot be zero. */
export function positiveMs(name: string, value: unknown): number {
  const ms = durationMs(name, value)
  if (ms > 0) return ms
  throw new TocsinError('CONFIG_INVALID', `${name}: expected more than no time`)
}
