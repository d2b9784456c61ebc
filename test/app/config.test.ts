import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { type ConfigResult, parseConfig } from '../../app/config.ts'
import { configSchema } from '../../app/config-schema.ts'
import type { ConfigSources } from '../../app/config-sources.ts'
import { formatProblem } from '../../src/index.ts'

const file = '/home/ada/tocsin.yaml'

/** What the configuration refers to: these variables, and these files. */
function sources(
  environment: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string>> = {},
): ConfigSources {
  return {
    environment,
    readFile(path) {
      const text = files[path]
      if (text === undefined) throw new Error(`cannot read ${path}`)
      return text
    },
  }
}

/** The problems of a text, one line each, without the file's name. */
function problemsOf(text: string, given = sources()): string[] {
  return problemLines(parseConfig(file, text, given))
}

function problemLines(result: ConfigResult): string[] {
  if (result.kind === 'valid') return []
  return result.problems.map((problem) => formatProblem(problem).slice(file.length + 1))
}

const whole = `
streams:
  payments:
    source: { file: { path: [monday.ndjson, /data/tuesday.ndjson.gz] } }
    time:
      { field: meta.ts, unit: iso, out_of_orderness: 5s, idle_after: 1m30s, max_drift: 20s, max_future_skew: 1h }
    schema: schemas/payment.json
    partitioned_by: card
    redact: [pan, account.iban]
  clicks:
    source: { stdin: {} }
    time: { field: ts }
  logins: { source: { generator: { kind: logins, count: 10 } }, time: { field: ts } }
sinks:
  alerts: { file: { path: out/alerts.ndjson }, default: true }
  screen: { stdout: {} }
rules: fraud/
state: { dir: ./kept, backend: memory, sorter_cap: 64MiB }
parallelism: 1
`

const schema = '{ "type": "object", "required": ["card"] }'

describe('a configuration', () => {
  it('says all that is written, with paths from its folder', () => {
    const result = parseConfig(file, whole, sources({}, { 'schemas/payment.json': schema }))
    expect(result).toEqual({
      kind: 'valid',
      warnings: [],
      config: {
        streams: [
          {
            name: 'payments',
            connector: 'file',
            source: expect.objectContaining({ bounded: true }),
            time: {
              field: 'meta.ts',
              unit: 'iso',
              outOfOrdernessMs: 5000,
              idleAfterMs: 90_000,
              maxDriftMs: 20_000,
              maxFutureSkewMs: 3_600_000,
            },
            schema: { document: JSON.parse(schema), check: expect.any(Function) },
            partitionedBy: 'card',
            redact: ['pan', 'account.iban'],
          },
          {
            name: 'clicks',
            connector: 'stdin',
            source: expect.objectContaining({ bounded: true }),
            time: {
              field: 'ts',
              unit: 'ms',
              outOfOrdernessMs: 0,
              idleAfterMs: null,
              maxDriftMs: 60_000,
              maxFutureSkewMs: 300_000,
            },
            schema: null,
            partitionedBy: null,
            redact: [],
          },
          expect.objectContaining({ name: 'logins', connector: 'generator' }),
        ],
        sinks: [
          {
            name: 'alerts',
            connector: 'file',
            sink: expect.anything(),
            createTwoPhaseCommit: expect.any(Function),
            isImmediate: false,
            isDefault: true,
          },
          {
            name: 'screen',
            connector: 'stdout',
            sink: expect.anything(),
            createTwoPhaseCommit: null,
            isImmediate: false,
            isDefault: false,
          },
        ],
        rulesPath: '/home/ada/fraud',
        stateDirectory: '/home/ada/kept',
        sorterCapBytes: 67_108_864,
        sideOutput: { retentionMs: 604_800_000, capBytes: 2 ** 30 },
        checkpoints: null,
        api: null,
        conceal: expect.any(Function),
      },
    })
  })

  it('takes checkpoints where state is on disk, and nowhere else', () => {
    const stream = 'streams: { s: { source: { stdin: {} }, time: { field: ts } } }\n'
    const checkpointsOf = (state: string) => {
      const result = parseConfig(file, `${stream}state: ${state}\n`)
      return result.kind === 'valid' ? result.config.checkpoints : null
    }
    expect(checkpointsOf('{ backend: rocksdb }')).toEqual({
      job: 'tocsin',
      intervalMs: 1000,
      outboxCapBytes: null,
      retained: 1,
    })
    const more = 'job: fraud, checkpoint_interval: 250ms, outbox_cap: 1MiB, retained: 3'
    expect(checkpointsOf(`{ backend: rocksdb, ${more} }`)).toEqual({
      job: 'fraud',
      intervalMs: 250,
      outboxCapBytes: 1_048_576,
      retained: 3,
    })
    expect(checkpointsOf('{ dir: kept/ }')).toBe(null)
    expect(problemsOf(`${stream}state: { job: fraud, checkpoint_interval: 1s }\n`)).toEqual([
      '2:15: expected it only with `backend: rocksdb`: `memory` has no checkpoints (CONFIG_INVALID at state.job)',
      '2:43: expected it only with `backend: rocksdb`: `memory` has no checkpoints (CONFIG_INVALID at state.checkpoint_interval)',
    ])
  })

  it('delivers exactly once where the sink can, and immediately where it is told to', () => {
    const text = (sinks: string, backend = 'rocksdb') =>
      'streams: { s: { source: { stdin: {} }, time: { field: ts } } }\n' +
      `sinks: { ${sinks} }\nstate: { backend: ${backend} }\n`
    const kafka = 'kafka: { brokers: ["k:1"], topic: t }'
    const sinks = [
      `a: { ${kafka} }`,
      `b: { ${kafka}, delivery: exactly_once }`,
      'c: { stdout: {} }',
    ]
    const immediate = `d: { ${kafka}, delivery: immediate }, e: { stdout: {}, delivery: immediate }`
    const result = parseConfig(file, text([...sinks, immediate].join(', ')))
    const made = result.kind === 'valid' ? result.config.sinks : []
    expect(
      made.map((each) => [each.name, each.createTwoPhaseCommit !== null, each.isImmediate]),
    ).toEqual([
      ['a', true, false],
      ['b', true, false],
      ['c', false, false],
      ['d', false, true],
      ['e', false, true],
    ])
    expect([
      ...problemsOf(text('c: { stdout: {}, delivery: exactly_once }')),
      ...problemsOf(text('f: { file: { path: a }, delivery: immediate }')),
      ...problemsOf(text(`b: { ${kafka}, delivery: exactly_once }`, 'memory')),
    ]).toEqual([
      '2:37: `stdout` takes alerts at least once; leave `delivery` out (CONFIG_INVALID at sinks.c.delivery)',
      '2:44: `file` has no immediate delivery; leave `delivery` out (CONFIG_INVALID at sinks.f.delivery)',
      '2:64: `exactly_once` needs checkpoints: `state: { backend: rocksdb }` (CONFIG_INVALID at sinks.b.delivery)',
    ])
  })

  it('needs streams only', () => {
    const text = 'streams: { s: { source: { stdin: {} }, time: { field: ts } } }'
    expect(parseConfig(file, text)).toMatchObject({
      config: {
        sinks: [],
        rulesPath: '/home/ada/rules',
        stateDirectory: '/home/ada/state',
        sorterCapBytes: null,
      },
    })
  })

  it('reports all mistakes at once, each once, in order of writing', () => {
    expect(
      problemsOf(`streams:
  payments:
    suorce: { file: { path: a.ndjson } }
    time: { field: ts, unit: min, out_of_orderness: 5 }
  clicks:
    source: { fiel: { path: a.ndjson } }
    time: { feld: ts }
  logins:
    source: { generator: { kind: paymnts } }
    time: { field: ts }
sinks:
  alerts: { stdout: {}, defualt: true }
rulse: rules/
`),
    ).toMatchInlineSnapshot(`
      [
        "3:5: \`suorce\` is not known here: did you mean \`source\`? (CONFIG_INVALID at streams.payments.suorce)",
        "4:30: expected one of \`ms\`, \`s\`, \`us\`, \`iso\`, got \`min\` (CONFIG_INVALID at streams.payments.time.unit)",
        "4:53: expected a duration such as \`500ms\`, \`10m\` or \`9m30s\`: the bare number 5 has no unit (CONFIG_INVALID at streams.payments.time.out_of_orderness)",
        "6:15: \`fiel\` is not known here: did you mean \`file\`? (CONFIG_INVALID at streams.clicks.source.fiel)",
        "7:13: \`feld\` is not known here: did you mean \`field\`? (CONFIG_INVALID at streams.clicks.time.feld)",
        "9:34: expected one of \`payments\`, \`logins\`, \`auth\`, \`telemetry\`, got \`paymnts\`: did you mean \`payments\`? (CONFIG_INVALID at streams.logins.source.generator.kind)",
        "12:25: \`defualt\` is not known here: did you mean \`default\`? (CONFIG_INVALID at sinks.alerts.defualt)",
        "13:1: \`rulse\` is not known here: did you mean \`rules\`? (CONFIG_INVALID at rulse)",
      ]
    `)
  })

  it('says of what is known but not built: not yet', () => {
    expect(
      problemsOf(`streams:
  payments:
    source: { stdin: {} }
    time: { field: ts, max_drift: 1m }
sinks:
  oncall: { email: { to: [ops@example.org], smtp: 'smtp://mail' } }
tables: { devices: { file: devices.csv, key: id } }
state: { backend: rocksdb, cache: 256MiB }
parallelism: 4
`),
    ).toMatchInlineSnapshot(`
      [
        "7:1: not yet: \`tables\` is known, but not built (RULE_NOT_YET at tables)",
        "8:28: not yet: \`state.cache\` is known, but not built (RULE_NOT_YET at state.cache)",
        "9:14: not yet: more than one slot is known, but not built; use 1 (RULE_NOT_YET at parallelism)",
      ]
    `)
  })

  it.each([
    ['none', 'source: {}'],
    ['two', 'source: { stdin: {}, file: { path: a } }'],
    ['no map', 'source: stdin'],
    ['nothing', 'source:'],
  ])('wants exactly one connector, not %s', (_name, source) => {
    expect(problemsOf(`streams:\n  s:\n    ${source}\n    time: { field: ts }`)).toMatchSnapshot()
  })

  it('wants exactly one connector in a sink too', () => {
    const streams = 'streams: { s: { source: { stdin: {} }, time: { field: ts } } }'
    expect(
      problemsOf(
        `${streams}\nsinks:\n  none: { default: true }\n  two: { stdout: {}, file: { path: a } }`,
      ),
    ).toMatchInlineSnapshot(`
      [
        "3:9: expected one connector of \`file\`, \`stdout\`, \`kafka\`, \`mqtt\`, \`email\`, \`webhook\` (CONFIG_INVALID at sinks.none)",
        "4:22: expected exactly one connector, got \`stdout\` and \`file\` (CONFIG_INVALID at sinks.two.file)",
      ]
    `)
  })

  it('places what only a connector can refuse, and what only a duration can', () => {
    expect(
      problemsOf(`streams:
  s:
    source: { generator: { kind: auth, start: soon } }
    time: { field: ts, out_of_orderness: 1.5ms }
`),
    ).toMatchInlineSnapshot(`
      [
        "3:26: generator: start is not a time: soon; write it like 2026-01-01T00:00:00Z (CONFIG_INVALID at streams.s.source.generator)",
        "4:42: \`1.5ms\` has a part of a millisecond (CONFIG_INVALID at streams.s.time.out_of_orderness)",
      ]
    `)
  })

  it.each([
    ['an empty file', ''],
    ['a list', '- a'],
    ['no streams', 'rules: rules/'],
    ['broken YAML', 'streams: {\n  a: ]'],
    ['two documents', 'streams: {}\n---\nstreams: {}'],
    ['a duplicate key', 'streams: {}\nstreams: {}'],
  ])('refuses %s', (_name, text) => {
    expect(problemsOf(text)).toMatchSnapshot()
  })

  it('passes on the warnings of its YAML', () => {
    const result = parseConfig(file, 'streams: {}\nrules: on')
    expect(result).toMatchObject({ kind: 'valid', warnings: [{ line: 2, column: 8 }] })
  })

  it('has a published schema that describes every keyword', () => {
    const ajv = new Ajv2020({
      strict: true,
      allowUnionTypes: true,
      strictTypes: false,
      keywords: ['x-expected', 'x-not-yet'],
    })
    expect(() => ajv.compile(configSchema)).not.toThrow()
    expect(undescribed(configSchema, '')).toEqual([])
  })
})

function undescribed(node: unknown, path: string): string[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => {
    const missing =
      key === 'properties'
        ? Object.entries(value as Record<string, { description?: string }>)
            .filter(([, { description }]) => description === undefined)
            .map(([name]) => `${path}/${name}`)
        : []
    return key === 'examples' ? [] : [...missing, ...undescribed(value, `${path}/${key}`)]
  })
}
