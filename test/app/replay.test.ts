// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { folderWith, ndjson, tocsin } from './command-line.ts'

const rule = `
id: twice
title: "\${{ a.n }} and \${{ b.n }}"
from: payments
by: card
detect:
  within: 1m
  sequence:
    - { step: a, where: n > 0 }
    - { step: b, where: n > a.n }
`

const events = [
  { ts: 1000, card: 'c1', n: 1 },
  { ts: 2000, card: 'c2', n: 5 },
  { ts: 3000, card: 'c1', n: 2 },
  { ts: 4000, card: 'c2', n: 'many' },
  { ts: 2500, card: 'c1', n: 9 },
  { ts: 5000, n: 9 },
  { ts: 90_000, card: 'c2', n: 6 },
]

function folder(): string {
  return folderWith({
    'rules/twice.yaml': rule,
    'payments.ndjson': `${ndjson(...events)}not json\n`,
  })
}

function replay(at: string, ...more: readonly string[]) {
  return tocsin(
    ...['replay', '--rules', join(at, 'rules')],
    ...['--input', `payments=${join(at, 'payments.ndjson')}`, ...more],
  )
}

/** Alert documents of a file, cut down to what tells them apart. */
function alertsIn(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { rule, by, title, event_time } = JSON.parse(line)
      return { rule, by, title, event_time }
    })
}

function timeoutOf(card: string, eventTime: number) {
  return { rule: 'twice', by: { card }, event_time: eventTime }
}

const first = { rule: 'twice', by: { card: 'c1' }, title: '1 and 2', event_time: 3000 }

describe('tocsin replay', () => {
  it('does not write over what it reads', async () => {
    const at = folder()
    const before = readFileSync(join(at, 'payments.ndjson'), 'utf8')
    const input = await replay(at, '--output', join(at, 'payments.ndjson'))
    const ruleFile = await replay(at, '--output', join(at, 'rules/twice.yaml'))
    expect([input.code, ruleFile.code]).toEqual([2, 2])
    expect(input.err).toContain('would take the place of')
    expect(readFileSync(join(at, 'payments.ndjson'), 'utf8')).toBe(before)
    expect(readFileSync(join(at, 'rules/twice.yaml'), 'utf8')).toBe(rule)
  })

  it('tells of what ran out of time by its deadline, and excepts matches only', async () => {
    const at = folder()
    const timing = `${rule}
exceptions: [{ name: second card, where: a.card == "c2" }]
on_timeout: { title: "\${{ event_time }}" }
`
    writeFileSync(join(at, 'rules/twice.yaml'), timing)
    const output = join(at, 'alerts.ndjson')
    await replay(at, '--output', output)
    expect(alertsIn(output)).toEqual([
      first,
      { ...timeoutOf('c2', 62_000), title: '1970-01-01T00:01:02Z' },
      { ...timeoutOf('c2', 150_000), title: '1970-01-01T00:02:30Z' },
    ])
  })

  it('closes with a summary and writes nothing else to stdout', async () => {
    const at = folder()
    const { code, out, err } = await replay(at)
    const stable = out.replace(/in .*$/m, 'in N s, N events/s')
    expect({ code, stable }).toEqual({
      code: 0,
      stable:
        'events                        5  in N s, N events/s\n' +
        'late                          1\n' +
        'invalid                       2\n' +
        '  json                        1\n' +
        '  key                         1\n' +
        'alerts                        1\n' +
        '  twice                       1\n' +
        'expression errors             2\n' +
        '  twice                       2\n' +
        `    step a                    1  n > 0 (${at}/rules/twice.yaml:9:25), first for payments/0/3\n` +
        `    step b                    1  n > a.n (${at}/rules/twice.yaml:10:25), first for payments/0/3\n`,
    })
    const told = 'that counts as false, and further ones are only counted'
    expect(err).toBe(
      `warning: ${at}/rules/twice.yaml:9:25: rule twice, step a: \`n > 0\` has no value for event ` +
        `payments/0/3 (n is a text); ${told}\n` +
        `warning: ${at}/rules/twice.yaml:10:25: rule twice, step b: \`n > a.n\` has no value for event ` +
        `payments/0/3 (n is a text, a.n is a number); ${told}\n`,
    )
  })

  it('gives the same as one JSON document', async () => {
    const at = folder()
    const { out } = await replay(at, '--format', 'json')
    const { seconds, events_per_second, ...summary } = JSON.parse(out)
    const first = { stream: 'payments', partition: 0, offset: 3 }
    const shared = { rule: 'twice', file: join(at, 'rules/twice.yaml'), column: 25, count: 1 }
    expect(summary).toEqual({
      events: 5,
      late: 1,
      invalid: 2,
      invalid_by_cause: { json: 1, key: 1 },
      alerts: 1,
      alerts_by_rule: { twice: 1 },
      expression_errors_by_rule: { twice: 2 },
      expression_errors: [
        {
          ...shared,
          place: 'step a',
          expression: 'n > 0',
          line: 9,
          first: { ...first, reasons: ['n is a text'] },
        },
        {
          ...shared,
          place: 'step b',
          expression: 'n > a.n',
          line: 10,
          first: { ...first, reasons: ['n is a text', 'a.n is a number'] },
        },
      ],
    })
    expect([seconds > 0, events_per_second > 0]).toEqual([true, true])
  })

  it('counts each record once, whatever rules make of it', async () => {
    const at = folder()
    const other = rule.replace('id: twice', 'id: by-n').replace('by: card', 'by: n')
    // No rule asks this one for its key: its filter hides the event that has none.
    const hidden = rule
      .replace('id: twice', 'id: hidden')
      .replace('by: card', 'by: m\nfilter: has(m)')
    writeFileSync(join(at, 'rules/by-n.yaml'), other)
    writeFileSync(join(at, 'rules/hidden.yaml'), hidden)
    writeFileSync(
      join(at, 'payments.ndjson'),
      `${ndjson(...events, { ts: 90_001, card: 'c3' }, { ts: 90_002 }, { card: 'c3', n: 1 })}\n[]\n`,
    )
    const { out } = await replay(at, '--to', '90002', '--format', 'json')
    const { events: taken, late, invalid, out_of_range: outside } = JSON.parse(out)
    const records = events.length + 4
    expect([{ taken, late, invalid, outside }, taken + late + invalid + outside]).toEqual([
      { taken: 5, late: 1, invalid: 4, outside: 1 },
      records,
    ])
  })

  it('replaces the file of the output, whole', async () => {
    const at = folder()
    const output = join(at, 'alerts.ndjson')
    writeFileSync(output, 'old\n')
    await replay(at, '--output', output)
    expect(alertsIn(output)).toEqual([first])
    expect(readdirSync(at).filter((name) => name.startsWith('alerts'))).toEqual(['alerts.ndjson'])
  })

  it('leaves the old output alone when it fails', async () => {
    const at = folder()
    const output = join(at, 'alerts.ndjson')
    writeFileSync(output, 'old\n')
    const input = `payments=${join(at, 'missing.ndjson')}`
    const rules = join(at, 'rules')
    const { code, err } = await tocsin(
      ...['replay', '--rules', rules, '--input', input, '--output', output],
    )
    expect([code, readFileSync(output, 'utf8'), existsSync(`${output}.partial`)]).toEqual([
      3,
      'old\n',
      false,
    ])
    expect(err).toBe(
      `error: cannot open ${join(at, 'missing.ndjson')}: there is no such file (INPUT_UNREADABLE)\n`,
    )
  })

  it('waits for late events as long as it is told', async () => {
    const { out } = await replay(folder(), '--out-of-orderness', '2s', '--format', 'json')
    expect(JSON.parse(out)).toMatchObject({ events: 6, late: 0, alerts_by_rule: { twice: 1 } })
  })

  it('takes only the stretch that is asked for, and decides nothing beyond it', async () => {
    const until = await replay(folder(), '--to', '1970-01-01T00:00:03Z', '--format', 'json')
    expect(JSON.parse(until.out)).toMatchObject({ events: 2, late: 1, alerts: 0, out_of_range: 4 })
    const from = await replay(
      folder(),
      '--from',
      '1500',
      '--out-of-orderness',
      '2s',
      '--format',
      'json',
    )
    expect(JSON.parse(from.out)).toMatchObject({ events: 5, alerts: 0, out_of_range: 1 })
  })

  it('reads several files of a stream as partitions, gzip too, and another time field', async () => {
    const at = folderWith({ 'rules/twice.yaml': rule })
    const one = join(at, 'one.ndjson.gz')
    const two = join(at, 'two.ndjson')
    writeFileSync(one, gzipSync(ndjson({ at: { ms: 1000 }, card: 'c1', n: 1 })))
    writeFileSync(two, ndjson({ at: { ms: 3000 }, card: 'c1', n: 2 }))
    const output = join(at, 'alerts.ndjson')
    const { code } = await tocsin(
      ...['replay', '--rules', join(at, 'rules/twice.yaml'), '--time', 'at.ms'],
      ...['--input', `payments=${one}`, '--input', `payments=${two}`, '--output', output],
    )
    expect([code, alertsIn(output)]).toEqual([0, [first]])
  })

  it('keeps what was left out', async () => {
    const at = folder()
    await replay(at, '--side-output', join(at, 'side'))
    const lines = (name: string) =>
      readFileSync(join(at, 'side', name), 'utf8')
        .trimEnd()
        .split('\n')
    expect(lines('late.ndjson').map((line) => JSON.parse(line))).toEqual([
      {
        kind: 'late',
        stream: 'payments',
        partition: 0,
        offset: 4,
        reason: 'event time is at or below the watermark 3999',
        raw: '{"ts":2500,"card":"c1","n":9}',
      },
    ])
    const letters = lines('dead-letters.ndjson').map((line) => JSON.parse(line))
    expect(letters.map(({ offset, cause, raw }) => [offset, cause, raw]).sort()).toEqual([
      [5, 'key', '{"ts":5000,"n":9}'],
      [7, 'json', 'not json'],
    ])
  })

  it('says which alerts appear and disappear against other rules', async () => {
    const at = folder()
    writeFileSync(join(at, 'stricter.yaml'), rule.replace('n > 0', 'n > 4'))
    const other = join(at, 'stricter.yaml')
    const { out } = await replay(at, '--against', other, '--out-of-orderness', '2s')
    expect(out.slice(out.indexOf('\n\n') + 2)).toBe(
      'twice: 1 appear, 0 disappear\n' +
        '  + 1970-01-01T00:00:02.500Z {"card":"c1"} a payments/0/0 b payments/0/4  1 and 9\n',
    )
    const same = await replay(at, '--against', join(at, 'rules'), '--format', 'json')
    expect(JSON.parse(same.out).against).toEqual({ appear: [], disappear: [] })
  })

  it('leaves out rules over other streams, and says so', async () => {
    const at = folder()
    const both = rule.replace('id: twice', 'id: both').replace('payments', '[payments, logins]')
    writeFileSync(join(at, 'rules/both.yaml'), both)
    const { code, err, out } = await replay(at)
    expect([code, err.split('\n')[0]]).toEqual([
      0,
      'left out: both; to run them too, add --input logins=FILE',
    ])
    expect(out).not.toContain('both')
  })

  it.each([
    [
      ['--input', 'payments'],
      '--input payments: expected STREAM=FILE, such as payments=payments.ndjson',
    ],
    [['--from', 'noon'], '--from noon: expected epoch milliseconds, or a date such as'],
    [['--from', '20000', '--to', '10000'], '--from must be before --to'],
    [['--out-of-orderness', '5'], '--out-of-orderness: the bare number 5 has no unit'],
    [['--format', 'xml'], "option '--format <format>' argument 'xml' is invalid"],
    [['--ouput', 'x'], '(Did you mean --output?)'],
    [['--config', 'nowhere.yaml'], 'cannot read nowhere.yaml: there is no such file or folder'],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, err } = await replay(folder(), ...args)
    expect([code, err.includes(message) ? message : err]).toEqual([2, message])
  })
})
