import type { Connector, ConnectorOptions } from '../../src/connector/connector.ts'
import { TocsinError } from '../../src/errors.ts'
import { generatorSource } from './source.ts'
import { type TrafficKind, trafficKinds } from './traffic.ts'

const wholeNumber = {
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  'x-expected': 'a whole number of at least 0',
}

/** Made-up traffic with fraud and faults planted in it, to try rules on. */
export const generatorConnector: Connector = {
  name: 'generator',
  source: {
    options: {
      type: 'object',
      description: 'Makes traffic with fraud and faults planted in it; the same options, the same.',
      properties: {
        kind: {
          description:
            'payments: stolen cards; logins: impossible travel, guessed passwords; auth: ' +
            'takeovers, whose transfers are in payments; telemetry: silent and hot motors.',
          type: 'string',
          enum: trafficKinds,
        },
        seed: { description: 'Chooses the traffic. Default 1.', ...wholeNumber },
        count: { description: 'Events in all. Default 10000.', ...wholeNumber },
        unbounded: {
          description: 'Whether it never ends; `count` means nothing then. Default false.',
          type: 'boolean',
        },
        rate: {
          description: 'Events made in a second; default: as many as are read.',
          type: 'number',
          exclusiveMinimum: 0,
          maximum: 10_000_000,
          'x-expected': 'a number above 0',
        },
        start: {
          description: 'Event time of the first event. Default 2026-01-01T00:00:00Z.',
          type: 'string',
          examples: ['2026-01-01T00:00:00Z'],
        },
        events_per_second: {
          description: 'Ordinary events in a second of event time. Default 5.',
          type: 'number',
          exclusiveMinimum: 0,
          maximum: 1_000_000,
          'x-expected': 'a number above 0',
        },
      },
      required: ['kind'],
      additionalProperties: false,
    },
    create: (options) =>
      generatorSource({
        kind: options.kind as TrafficKind,
        seed: (options.seed as number | undefined) ?? 1,
        count:
          options.unbounded === true ? null : ((options.count as number | undefined) ?? 10_000),
        rate: (options.rate as number | undefined) ?? null,
        startMs: startOf(options),
        eventsPerSecond: (options.events_per_second as number | undefined) ?? 5,
      }),
  },
}

function startOf({ start = '2026-01-01T00:00:00Z' }: ConnectorOptions): number {
  const startMs = Date.parse(start as string)
  if (Number.isNaN(startMs)) {
    throw new TocsinError(
      'CONFIG_INVALID',
      `generator: start is not a time: ${start}; write it like 2026-01-01T00:00:00Z`,
    )
  }
  return startMs
}
