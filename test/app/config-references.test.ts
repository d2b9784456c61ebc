// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${` is what references are written with.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { parseConfig } from '../../app/config.ts'
import { formatProblem } from '../../src/index.ts'
import { folderWith, ndjson, tocsin } from './command-line.ts'

const file = '/home/ada/tocsin.yaml'
const files: Readonly<Record<string, string>> = {
  'secrets/rules': 'fraud/\n',
  'secrets/empty': '\n',
  'secrets/word': 'hunter3-is-no-time\r\n',
}

function read(text: string, environment: Readonly<Record<string, string>> = {}) {
  const readFile = (path: string) => {
    const content = files[path]
    if (content === undefined) throw new Error(`cannot read ${path}: there is no such file`)
    return content
  }
  const result = parseConfig(file, text, { environment, readFile })
  return result.kind === 'valid'
    ? result.config
    : result.problems.map((problem) => formatProblem(problem).slice(file.length + 1))
}

describe('references in a configuration', () => {
  it('are replaced, in texts and parts of texts, numbers, flags and lists', () => {
    const text = `
streams:
  s:
    source: { generator: { kind: "\${KIND}", count: "\${COUNT}" } }
    time: { field: "meta.\${FIELD}", out_of_orderness: "\${LAG}s" }
    redact: [ "\${SECRET}", "a$\${b}", "costs $5" ]
sinks: { here: { stdout: {}, default: "\${YES}" } }
rules: file:secrets/rules
`
    const environment = {
      KIND: 'payments',
      COUNT: '5',
      FIELD: 'ts',
      LAG: '30',
      SECRET: 'pan',
      YES: 'true',
    }
    expect(read(text, environment)).toMatchObject({
      streams: [
        {
          time: { field: 'meta.ts', outOfOrdernessMs: 30_000 },
          redact: ['pan', 'a${b}', 'costs $5'],
        },
      ],
      sinks: [{ isDefault: true }],
      rulesPath: '/home/ada/fraud',
    })
  })

  it('keep a text of digits a text where a text is wanted', () => {
    const text = 'streams: { s: { source: { stdin: {} }, time: { field: "${FIELD}" } } }'
    expect(read(text, { FIELD: '007' })).toMatchObject({ streams: [{ time: { field: '007' } }] })
  })

  it('to nothing are all reported, each at its place, beside other mistakes', () => {
    const text = `streams:
  s:
    source: { file: { path: "data/\${DAY}.\${KIND}" } }
    time: { field: ts, unit: minutes }
    schema: file:secrets/none
sinks: { here: { file: { path: "\${OUT" } }, there: { file: { path: "\${A B}" } } }
rules: file:secrets/empty
`
    expect(read(text, { DAY: 'monday' })).toEqual([
      '3:42: the environment has no variable `KIND` (CONFIG_INVALID at streams.s.source.file.path)',
      '4:30: expected one of `ms`, `s`, `us`, `iso`, got `minutes` (CONFIG_INVALID at streams.s.time.unit)',
      '5:13: cannot read secrets/none: there is no such file (CONFIG_INVALID at streams.s.schema)',
      '6:33: `${OUT` is no reference: write `${NAME}` for a variable of the environment, and `$${` for `${` (CONFIG_INVALID at sinks.here.file.path)',
      '6:69: `${A B}` is no reference: write `${NAME}` for a variable of the environment, and `$${` for `${` (CONFIG_INVALID at sinks.there.file.path)',
      '7:8: `file:secrets/empty` is empty (CONFIG_INVALID at rules)',
    ])
  })

  it('never show in an error what they refer to', () => {
    const secret = 'hunter2-is-no-time'
    const text = `streams:
  s:
    source: { generator: { kind: "\${SECRET}", start: "file:secrets/word" } }
    time: { field: ts, unit: "\${SECRET}", out_of_orderness: "\${SECRET}", idle_after: "\${HALF}ms" }
  t:
    source: { generator: { kind: payments, start: "file:secrets/word", count: "\${SECRET}" } }
    time: { field: ts }
  u:
    source: { generator: { kind: payments, start: "file:secrets/word" } }
    time: { field: ts }
    schema: "\${SECRET}"
state: { sorter_cap: "\${SECRET}" }
parallelism: "\${SECRET}"
`
    const problems = read(text, { SECRET: secret, HALF: '123456.5' })
    expect(JSON.stringify(problems)).not.toMatch(/hunter|123456/)
    expect(problems).toEqual([
      '3:34: expected one of `payments`, `logins`, `auth`, `telemetry`, got `${SECRET}` (CONFIG_INVALID at streams.s.source.generator.kind)',
      '4:30: expected one of `ms`, `s`, `us`, `iso`, got `${SECRET}` (CONFIG_INVALID at streams.s.time.unit)',
      '4:61: expected a duration such as `500ms`, `10m` or `9m30s`, got `${SECRET}` (CONFIG_INVALID at streams.s.time.out_of_orderness)',
      '4:86: `${HALF}ms` has a part of a millisecond (CONFIG_INVALID at streams.s.time.idle_after)',
      '6:79: expected a whole number of at least 0, got `${SECRET}` (CONFIG_INVALID at streams.t.source.generator.count)',
      '9:26: generator: start is not a time: file:secrets/word; write it like 2026-01-01T00:00:00Z (CONFIG_INVALID at streams.u.source.generator)',
      '11:13: no schema of events can be taken from ${SECRET}: cannot read ${SECRET}: there is no such file (CONFIG_INVALID at streams.u.schema)',
      '12:22: expected a number of bytes with its unit, such as `512KiB` or `256MiB`, got `${SECRET}` (CONFIG_INVALID at state.sorter_cap)',
      '13:14: expected a whole number of at least 1, got `${SECRET}` (CONFIG_INVALID at parallelism)',
    ])
  })

  it('start at the folder of the configuration, like all its paths', async () => {
    const at = folderWith({
      'deep/tocsin.yaml': `
streams:
  payments:
    source: { file: { path: data/p.ndjson } }
    time: { field: ts }
    schema: file:names/schema
sinks: { out: { file: { path: alerts.ndjson }, default: true } }
state: { dir: kept }
`,
      'deep/names/schema': 'payment.json\n',
      'deep/payment.json': '{ "required": ["card"] }',
      'deep/data/p.ndjson': ndjson({ ts: 1, card: 'c1' }, { ts: 2 }),
      'deep/rules/each.yaml': 'id: each\nfrom: payments\nby: card\ndetect: { event: {} }\n',
    })
    const { code, err } = await tocsin('run', '--config', join(at, 'deep/tocsin.yaml'))
    expect([code, err.replace(/ +in .*/, '')]).toEqual([
      0,
      'events                        1\nlate                          0\n' +
        'invalid                       1\n  schema                      1\n' +
        'alerts                        1\n  each                        1\n',
    ])
  })
})

/** The whole example of the design, as it stands there. */
const example = `streams:
  payments:
    source: { kafka: { brokers: [localhost:9092], topic: payments } }
    time: { field: ts, unit: ms, out_of_orderness: 5s, idle_after: 30s, max_drift: 1m, max_future_skew: 5m }
    schema: schemas/payment.schema.json
    partitioned_by: card
    redact: [pan]
sinks:
  alerts: { kafka: { brokers: [localhost:9092], topic: alerts }, default: true }
  oncall: { email: { to: [ops@example.org], smtp: "\${SMTP_URL}" } }
tables: { devices: { file: tables/devices.csv, key: id } }
rules: rules/
state: { dir: state/, backend: rocksdb, cache: 256MiB, checkpoint_interval: 1s, retained: 1 }
parallelism: 1
api: { listen: 127.0.0.1:7474 }
`

describe('the whole configuration', () => {
  beforeEach(() => {
    vi.stubEnv('SMTP_URL', 'smtp://localhost')
  })

  it('says of every part that is not built yet that it is not, all at once', async () => {
    const at = folderWith({ 'tocsin.yaml': example, 'schemas/payment.schema.json': '{}' })
    const { code, out } = await tocsin('check', join(at, 'tocsin.yaml'))
    const lines = out.trimEnd().split('\n')
    expect([code, lines.filter((line) => !line.includes('not yet: '))]).toEqual([2, []])
    expect(lines.map((line) => / \(RULE_NOT_YET at (.*)\)$/.exec(line)?.[1])).toEqual([
      'tables',
      'state.cache',
    ])
    expect(lines.map((line) => line.replace(/^.*tocsin\.yaml:(\d+:\d+):.*$/, '$1'))).toEqual([
      '11:1',
      '13:41',
    ])
  })

  it('is accepted without those parts', async () => {
    const built = example.replace(/tables:.*\n/, '').replace(' cache: 256MiB,', '')
    const at = folderWith({ 'tocsin.yaml': built, 'schemas/payment.schema.json': '{}' })
    expect(await tocsin('check', join(at, 'tocsin.yaml'))).toMatchObject({ code: 0, out: '' })
  })

  it('names the near keyword, and a schema that is none, with the rest', async () => {
    const at = folderWith({ 'tocsin.yaml': example.replace('out_of_orderness', 'out_of_order') })
    writeFileSync(join(at, 'bad.json'), '{ "type": "objekt" }')
    const config = example
      .replace('out_of_orderness', 'out_of_order')
      .replace('schemas/payment.schema.json', 'bad.json')
    writeFileSync(join(at, 'tocsin.yaml'), config)
    const { out } = await tocsin('check', join(at, 'tocsin.yaml'))
    expect(out).toContain(
      '4:34: `out_of_order` is not known here: did you mean `out_of_orderness`?',
    )
    expect(out).toContain(
      '5:13: no schema of events can be taken from bad.json: it is no JSON Schema',
    )
    expect(out.match(/not yet: /g)).toHaveLength(2)
  })
})
