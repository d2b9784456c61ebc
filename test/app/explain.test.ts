import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { folderWith, ndjson, root, tocsin } from './command-line.ts'

const rule = `
id: pair
from: s
by: k
detect:
  within: 10s
  sequence:
    - { step: a, where: n == 1 }
    - { step: b, where: n == 2 }
`

function config(time: string): string {
  return `streams: { s: { source: { stdin: {} }, time: ${time} } }\n`
}

// A `tocsin.yaml` counts where a command is started.
afterEach(() => process.chdir(root))

/** Outcomes of the partial matches of a run in JSON, with the times that they name. */
function outcomes(out: string): unknown[] {
  const { keys } = JSON.parse(out) as { keys: { paths: { outcome: unknown }[] }[] }
  return keys.flatMap(({ paths }) => paths.map(({ outcome }) => outcome))
}

const start = 1_767_225_600_000

describe('the event time of explained events', () => {
  it.each([
    ['ms', [start, start + 9000]],
    ['s', [start / 1000, start / 1000 + 9]],
    ['s', [`${start / 1000}`, `${start / 1000 + 9}`]],
    ['us', [start * 1000, (start + 9000) * 1000]],
    ['iso', ['2026-01-01T00:00:00Z', '2026-01-01T01:00:09+01:00']],
  ])('is of the unit %s that the configuration says: %j', async (unit, [first, second]) => {
    const at = folderWith({
      'c.yaml': config(`{ field: meta.at, unit: ${unit} }`),
      'rules/pair.yaml': rule,
      'e.ndjson': ndjson({ meta: { at: second }, k: 1, n: 2 }, { meta: { at: first }, k: 1, n: 1 }),
    })
    const args = ['explain', 'pair', '--config', join(at, 'c.yaml')]
    const event = ['--event', `@${join(at, 'e.ndjson')}`]
    const { code, out } = await tocsin(...args, ...event, '--format', 'json')
    expect([code, outcomes(out)]).toEqual([0, [{ kind: 'matched', at: start + 9000 }]])
    const text = await tocsin(...args, ...event)
    expect(text.out).toContain('took a 2; b 1: matched at 2026-01-01T00:00:09.000Z\n')
  })

  it('is that of each stream, and of another field where that is asked for', async () => {
    const both = rule
      .replace('from: s', 'from: [s, t]')
      .replace('step: a,', 'step: a, from: s,')
      .replace('step: b,', 'step: b, from: t,')
    const streams = `streams:
  s: { source: { stdin: {} }, time: { field: ts, unit: s } }
  t: { source: { stdin: {} }, time: { field: when, unit: iso } }
`
    const at = folderWith({
      'c.yaml': streams,
      'pair.yaml': both,
      'e.ndjson': ndjson(
        { stream: 's', event: { ts: start / 1000, at: 3, k: 1, n: 1 } },
        { stream: 't', event: { when: '2026-01-01T00:00:05Z', k: 1, n: 2 } },
      ),
    })
    const args = ['explain', join(at, 'pair.yaml'), '--config', join(at, 'c.yaml')]
    const more = ['--event', join(at, 'e.ndjson'), '--format', 'json']
    expect(outcomes((await tocsin(...args, ...more)).out)).toEqual([
      { kind: 'matched', at: start + 5000 },
    ])
    const other = await tocsin(...args, ...more, '--time', 'at')
    const { leftOut } = JSON.parse(other.out)
    expect([outcomes(other.out), leftOut[0].reason]).toEqual([
      [{ kind: 'open', until: 13_000 }],
      "time field 'at' is missing",
    ])
  })

  it('is that of the tocsin.yaml which is there, also where that cannot run yet', async () => {
    const kafka = `streams:
  s:
    source: { kafka: { brokers: ["localhost:9092"], topic: s } }
    time: { field: when, unit: s, max_drift: 1m }
rules: mine/
state: { backend: rocksdb, dir: "\${TOCSIN_TEST_UNSET}" }
`
    const at = folderWith({
      'tocsin.yaml': kafka,
      'mine/pair.yaml': rule,
      'e.ndjson': ndjson({ when: 60, k: 1, n: 1 }, { when: 69, k: 1, n: 2 }),
    })
    process.chdir(at)
    const { code, out, err } = await tocsin('explain', 'pair', '--event', '@e.ndjson')
    expect([code, out, err]).toEqual([
      0,
      'k 1: 2 events\n  took a 1; b 2: matched at 1970-01-01T00:01:09.000Z\n' +
        'alert at 1970-01-01T00:01:09.000Z: pair\n',
      '',
    ])
    expect(await tocsin('test')).toMatchObject({ code: 0 })
  })

  it('is refused where it is a reference to nothing', async () => {
    const at = folderWith({
      'c.yaml': config('{ field: "file:nowhere" }'),
      'pair.yaml': rule,
    })
    const { code, err } = await tocsin(
      ...['explain', join(at, 'pair.yaml'), '--config', join(at, 'c.yaml')],
    )
    expect([code, err.includes('streams.s.time.field')]).toEqual([2, true])
  })

  it('is refused with a configuration that is wrong', async () => {
    const at = folderWith({ 'c.yaml': config('{ field: ts, unit: minutes }'), 'pair.yaml': rule })
    const { code, err } = await tocsin(
      ...['explain', join(at, 'pair.yaml'), '--config', join(at, 'c.yaml')],
    )
    expect([code, err.includes('expected one of `ms`, `s`, `us`, `iso`')]).toEqual([2, true])
  })
})

describe('--key', () => {
  const events = ndjson(
    { ts: 1000, k: 1, m: 'x', n: 1 },
    { ts: 1000, k: '1', m: 'x', n: 1 },
    { ts: 2000, k: 1, m: 'x', n: 2 },
    { ts: 2000, k: 2, m: 'y,z', n: 1 },
  )

  it.each([
    ['k', '1', ['k 1', 'k "1"'], 1],
    ['k', '"1"', ['k "1"'], 0],
    ['[k, m]', '2,y,z', ['k 2, m "y,z"'], 0],
    ['[k, m]', '1,x', ['k 1, m "x"', 'k "1", m "x"'], 1],
  ])('of by: %s, %s, tells of that key alone', async (by, key, keys, alerts) => {
    const at = folderWith({ 'r.yaml': rule.replace('by: k', `by: ${by}`), 'e.ndjson': events })
    const { code, out } = await tocsin(
      ...['explain', join(at, 'r.yaml'), '--event', `@${join(at, 'e.ndjson')}`, '--key', key],
    )
    const told = out.split('\n').flatMap((line) => /^(k .*): \d+ events?$/.exec(line)?.[1] ?? [])
    expect([code, told, out.match(/^alert at/gm)?.length ?? 0]).toEqual([0, keys, alerts])
  })

  it('names those that there are', async () => {
    const at = folderWith({ 'r.yaml': rule, 'e.ndjson': events, 'none.ndjson': '\n' })
    const explain = (file: string) =>
      tocsin('explain', join(at, 'r.yaml'), '--event', `@${join(at, file)}`, '--key', '9')
    expect(await explain('e.ndjson')).toMatchObject({
      code: 2,
      err: 'error: no event has the key 9; there are 1 1 2 (USAGE)\n',
    })
    expect(await explain('none.ndjson')).toMatchObject({
      code: 2,
      err: 'error: no event has the key 9; no event has any (USAGE)\n',
    })
  })
})

describe('--event', () => {
  it('takes one event as it is', async () => {
    const at = folderWith({ 'r.yaml': rule })
    const { out } = await tocsin(
      ...['explain', join(at, 'r.yaml'), '--event', '{"ts": 0, "k": 7, "n": 2}'],
    )
    expect(out).toBe(
      'k 7: 1 event\n  no event began a match with a\n    event 1 is not a: n == 1 is false (n is 2)\n',
    )
  })

  it('says which lines are no events, and goes on with the others', async () => {
    const event = JSON.stringify({ ts: 0, k: 7, n: 2 })
    const lines = ['[1]', event, '{"ts": 1,', ...Array.from({ length: 10 }, () => 'x'), event]
    const at = folderWith({ 'r.yaml': rule, 'e.ndjson': lines.join('\n') })
    const path = join(at, 'e.ndjson')
    const { code, out, err } = await tocsin('explain', join(at, 'r.yaml'), '--event', `@${path}`)
    expect([code, out]).toEqual([0, expect.stringContaining('k 7: 2 events\n')])
    const told = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(
      (line) => `warning: ${path}:${line}: expected a JSON object; the line is left out\n`,
    )
    expect(err).toBe(`${told.join('')}warning: 2 more lines are left out\n`)
  })

  it('refuses a file without any event', async () => {
    const at = folderWith({ 'r.yaml': rule, 'e.ndjson': '\n[1]\n' })
    const path = join(at, 'e.ndjson')
    expect(await tocsin('explain', join(at, 'r.yaml'), '--event', `@${path}`)).toMatchObject({
      code: 2,
      err: `error: ${path}:2: expected a JSON object (USAGE)\n`,
    })
  })
})
