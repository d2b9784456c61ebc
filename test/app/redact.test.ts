// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith, leftOutIn, ndjson, tocsin } from './command-line.ts'

const secret = '4111222233334444'
const iban = 'DE99500105170000'
const config = `
streams:
  payments:
    source: { file: { path: payments.ndjson } }
    time: { field: at, unit: s }
    redact: [pan, account.iban]
sinks: { all: { file: { path: alerts.ndjson }, default: true } }
`

const events = [
  { at: 1, pan: secret, n: 1, id: 1, account: { iban, owner: 'o' }, cards: [{ pan: secret }] },
  { at: 2, pan: secret, n: 2, id: 2, account: { iban, owner: 'o' }, cards: [{ pan: secret }] },
  { at: 3, pan: secret, n: 2, id: 3, account: { iban, owner: 'o' }, cards: [] },
  { at: 4, pan: secret, n: 'x', id: 4 },
]

/** Shows all that may be shown, by the key that may not. */
const rule = `
id: showing
title: "\${{ event }} \${{ a.account }} \${{ cards }} of \${{ account.owner }}"
from: payments
by: pan
detect:
  within: 1m
  limit: 1
  after_match: no_skip
  sequence:
    - { step: a, where: 'n >= 1 && pan.startsWith("4111")' }
    - { step: b, where: n > a.n && pan == a.pan && account.iban == a.account.iban }
alert:
  fields: { all: event, accounts: "a.map(e, e.account)", dynamic: 'cards[0]["p" + "an"]', id: id }
  dedupe: { by: [pan, account.iban], for: 1h }
exceptions: [{ name: mine, where: 'pan == "1"' }]
on_timeout: { title: "\${{ a }}" }
`

function folder(files: Record<string, string> = {}): string {
  return folderWith({
    'tocsin.yaml': config,
    'rules/showing.yaml': rule,
    'payments.ndjson': ndjson(...events),
    ...files,
  })
}

function secretsIn(text: string): string[] {
  return [secret, iban].filter((each) => text.includes(each))
}

describe('what a stream redacts', () => {
  it.each(['run', 'replay'])('is shown nowhere by tocsin %s', async (command) => {
    const at = folder()
    const more =
      command === 'run'
        ? []
        : ['--output', join(at, 'alerts.ndjson'), '--side-output', join(at, 'state')]
    const ran = await tocsin(command, '--config', join(at, 'tocsin.yaml'), ...more)
    const alerts = readFileSync(join(at, 'alerts.ndjson'), 'utf8')
    const suppressed =
      command === 'replay'
        ? readFileSync(join(at, 'state/suppressed.ndjson'), 'utf8')
        : ndjson(...leftOutIn(join(at, 'state')).filter(({ kind }) => kind === 'suppressed'))
    expect([ran.code, ran.err.includes('has no value')]).toEqual([0, true])
    expect([ran.out, ran.err, alerts, suppressed].flatMap(secretsIn)).toEqual([])
    const documents = alerts
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const found = documents.find(({ tags, steps }) => tags.length === 0 && 'b' in steps)
    const account = { iban: '[redacted]', owner: 'o' }
    expect([found.by, found.fields]).toEqual([
      { pan: '[redacted]' },
      {
        all: {
          ...events[1],
          pan: '[redacted]',
          account,
          cards: [{ pan: '[redacted]' }],
        },
        accounts: [account],
        dynamic: '[redacted]',
        id: 2,
      },
    ])
    const health = documents.find(({ tags }) => tags.includes('tocsin.health'))
    expect(health.title).toContain('for pan "[redacted]"')
    expect(suppressed.trimEnd().split('\n')).toHaveLength(1)
  })

  it('is what conditions, dedupe and exceptions go by all the same', async () => {
    const at = folder({
      'payments.ndjson': ndjson(
        ...[1, 2, 3].map((n) => ({ ...events[0], at: n, n })),
        ...[1, 2].map((n) => ({ ...events[0], at: n + 10, n, pan: '41119' })),
      ),
    })
    writeFileSync(join(at, 'rules/showing.yaml'), rule.replace('limit: 1', 'limit: 10'))
    const { out } = await tocsin(
      ...['replay', '--config', join(at, 'tocsin.yaml'), '--format', 'json'],
    )
    // One card's second match is held back, the other card's first is not.
    expect(JSON.parse(out)).toMatchObject({ suppressed_by_rule: { showing: 1 } })
    // The other card's match is excepted; what of it runs out of time is no match, and is not.
    const excepting = rule
      .replace('limit: 1', 'limit: 10')
      .replace('pan == "1"', 'a.pan == "41119"')
    writeFileSync(join(at, 'rules/showing.yaml'), excepting)
    const excepted = await tocsin(
      ...['replay', '--config', join(at, 'tocsin.yaml'), '--format', 'json'],
    )
    expect(JSON.parse(excepted.out)).toMatchObject({ suppressed_by_rule: { showing: 2 } })
  })

  it('is not to be guessed from the id of an alert', async () => {
    const at = folder()
    await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    const redactedIds = idsIn(join(at, 'alerts.ndjson'))
    writeFileSync(join(at, 'payments.ndjson'), ndjson(...events).replaceAll(secret, '41115'))
    await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect(idsIn(join(at, 'alerts.ndjson'))).toEqual(redactedIds)
    expect(new Set(redactedIds).size).toBe(redactedIds.length)
  })

  it('is not shown by a comparison of rules', async () => {
    const at = folder()
    writeFileSync(join(at, 'other.yaml'), rule.replace('n > a.n', 'n > 100'))
    const { code, out } = await tocsin(
      ...['replay', '--config', join(at, 'tocsin.yaml'), '--against', join(at, 'other.yaml')],
    )
    expect([code, out.includes('{"pan":"[redacted]"}'), secretsIn(out)]).toEqual([0, true, []])
  })

  it.each(['text', 'json'])('is not shown by tocsin explain as %s', async (format) => {
    const at = folder()
    const args = ['explain', 'showing', '--config', join(at, 'tocsin.yaml'), '--format', format]
    const event = ['--event', `@${join(at, 'payments.ndjson')}`]
    const { code, out } = await tocsin(...args, ...event)
    expect([code, secretsIn(out)]).toEqual([0, []])
    expect(out.replaceAll('\\"', '"')).toContain('n > a.n')
    // Who knows a key may ask for it.
    const one = await tocsin(...args, ...event, '--key', secret)
    expect([one.code, secretsIn(one.out), one.out.length > 100]).toEqual([0, [], true])
    const none = await tocsin(...args, ...event, '--key', '1')
    expect([none.code, none.err]).toEqual([
      2,
      'error: no event has the key 1; there are [redacted] (USAGE)\n',
    ])
  })

  it.each(['pretty', 'json', 'junit'])('is not shown by tocsin test as %s', async (format) => {
    const test = (by: string) => `
tests:
  - name: wrong
    events_file: ../recorded.ndjson
    expect: [{ at: 5s, by: { pan: ${by} } }]
`
    const recorded = events.map((event) => ({ at: `${event.at}s`, event }))
    const at = folder({ 'recorded.ndjson': ndjson(...recorded) })
    const path = join(at, 'rules/showing.yaml')
    writeFileSync(path, rule + test('"1"'))
    const args = ['test', path, '--config', join(at, 'tocsin.yaml'), '--format', format]
    const failing = await tocsin(...args)
    expect([failing.code, secretsIn(failing.out), /\[redacted\]/.test(failing.out)]).toEqual([
      1,
      [],
      true,
    ])
    // Keys are compared as they are.
    writeFileSync(
      path,
      rule.replace('limit: 1', 'limit: 9') + test(`"${secret}"`).replace('5s', '2s'),
    )
    expect(await tocsin(...args)).toMatchObject({ code: 0 })
  })
})

describe('an alert that would show what is redacted is refused', () => {
  it.each([
    ['a title', 'title: "of ${{ pan }}"', '10:16', 'pan'],
    ['a field', 'alert: { fields: { p: pan.substring(12) } }', '10:23', 'pan'],
    ['a field of a step', 'alert: { fields: { p: a.account.iban } }', '10:33', 'a.account.iban'],
    ['a column', 'alert: { fields: [ "a.map(e, e.pan)" ] }', '10:32', 'a.pan'],
    ['an item of a list', 'alert: { fields: [ "cards.map(c, c.pan)" ] }', '10:36', 'pan'],
    ['a name of the key', 'alert: { fields: { p: card } }', '10:23', 'card'],
    ['the key', 'alert: { fields: { p: key } }', '10:23', 'card'],
    ['a timeout', 'on_timeout: { title: "${{ a.pan }}" }', '10:29', 'a.pan'],
  ])('%s', async (_, line, place, name) => {
    const head = `id: r
from: payments
by: { card: pan }
detect:
  within: 1m
  sequence:
    - { step: a, where: pan == "1" }
    - { step: b, where: pan == "2" }
`
    const at = folder({ 'rules/showing.yaml': `${head}\n${line}\n` })
    const { code, out } = await tocsin('check', join(at, 'tocsin.yaml'))
    const message = `\`${name}\` is redacted in the stream \`payments\`: alerts cannot show it, nor what is computed from it`
    expect([code, out.split('\n')[0]]).toEqual([
      2,
      expect.stringContaining(`showing.yaml:${place}: ${message} (RULE_REDACTED at `),
    ])
    expect((await tocsin('replay', '--config', join(at, 'tocsin.yaml'))).code).toBe(2)
    expect((await tocsin('check', join(at, 'rules'))).code).toBe(0)
  })

  it('but not where another stream is meant', async () => {
    const streams = `${config.replace('sinks', '  logins: { source: { stdin: {} }, time: { field: ts } }\nsinks')}`
    const both = `id: r
from: [payments, logins]
by: id
detect:
  within: 1m
  sequence: [{ step: a, from: payments }, { step: b, from: logins }]
alert: { fields: { p: b.pan } }
`
    const at = folder({ 'tocsin.yaml': streams, 'rules/showing.yaml': both })
    expect((await tocsin('check', join(at, 'tocsin.yaml'))).code).toBe(0)
  })
})

function idsIn(path: string): string[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).id)
}
