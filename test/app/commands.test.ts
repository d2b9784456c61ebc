import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith, leftOutIn, ndjson, root, tocsin } from './command-line.ts'

const good = `
id: big
from: payments
by: card
detect: { event: { where: amount > 10 } }
tests:
  - name: ten is not big
    events: [{ at: 0s, event: { card: c1, amount: 10 } }]
    expect: []
  - name: eleven is
    events: [{ at: 0s, event: { card: c1, amount: 11 } }]
    expect: [{ at: 0s, by: { card: c1 } }]
`
const bad = good.replace('by: card', 'bye: card').replace('amount > 10', 'amount >')
const later = good
  .replace('id: big', 'id: later')
  .replace('event: { where: amount > 10 }', 'absence: { of: {}, for: 5m }')

describe('tocsin check', () => {
  it('is silent on stdout where all is well', async () => {
    const at = folderWith({ 'rules/big.yaml': good })
    expect(await tocsin('check', join(at, 'rules'))).toEqual({
      code: 0,
      out: '',
      err: 'rules: 1 valid, 0 errors, 0 warnings\n',
    })
  })

  it('says every mistake of every file, with its place', async () => {
    const at = folderWith({ 'rules/bad.yaml': bad, 'rules/deep/later.yaml': later })
    const { code, out, err } = await tocsin('check', join(at, 'rules'))
    const places = out
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(`${at}/`, '').slice(0, 31))
    expect({ code, err, places }).toEqual({
      code: 2,
      err: 'rules: 0 valid, 3 errors, 0 warnings\n',
      places: [
        'error rules/bad.yaml:4:1: `bye`',
        'error rules/bad.yaml:5:35: Unex',
        'error rules/deep/later.yaml:5:1',
      ],
    })
    expect(out).toContain('did you mean `by`?')
    expect(out).toContain('not yet: `detect.absence` is known')
  })

  it('ends with 1 where there are only doubts', async () => {
    const doubtful = good.replace('card: c1, amount: 10', 'card: NO, amount: 10')
    const at = folderWith({ 'rules/big.yaml': doubtful })
    const { code, out } = await tocsin('check', join(at, 'rules'))
    expect([code, out.includes('RULE_LINT')]).toEqual([1, true])
  })

  it('gives JSON, and SARIF for code hosts', async () => {
    const at = folderWith({ 'rules/bad.yaml': bad })
    const json = await tocsin('check', join(at, 'rules'), '--format', 'json')
    const { rules, problems } = JSON.parse(json.out)
    expect([rules, problems.length, problems[0].line]).toEqual([0, 2, 4])
    const sarif = await tocsin('check', join(at, 'rules'), '--format', 'sarif')
    const [{ results }] = JSON.parse(sarif.out).runs
    expect(results[0]).toMatchObject({
      ruleId: 'RULE_SCHEMA',
      level: 'error',
      locations: [{ physicalLocation: { region: { startLine: 4, startColumn: 1 } } }],
    })
  })

  it('checks a configuration with its rules, which may name only its streams', async () => {
    const config =
      'streams: { payment: { source: { file: { path: p.ndjson } }, time: { field: ts } } }\n'
    const at = folderWith({ 'tocsin.yaml': config, 'rules/big.yaml': good })
    const { code, out } = await tocsin('check', join(at, 'tocsin.yaml'))
    expect([code, out.includes('did you mean `payment`?')]).toEqual([2, true])
    writeFileSync(join(at, 'rules/big.yaml'), good.replace('payments', 'payment'))
    expect((await tocsin('check', join(at, 'tocsin.yaml'))).code).toBe(0)
    const connected = await tocsin('check', join(at, 'tocsin.yaml'), '--connect')
    expect([connected.code, connected.err.includes('there is no such file')]).toEqual([3, true])
  })

  it('says that there are no rules', async () => {
    const at = folderWith({ 'rules/_draft.yaml': good })
    const { code, err } = await tocsin('check', join(at, 'rules'))
    expect([code, err.includes('there are no rules in')]).toEqual([2, true])
  })

  it('takes a configuration whose folder of rules has none yet', async () => {
    const config = 'streams: { s: { source: { stdin: {} }, time: { field: ts } } }\n'
    const at = folderWith({ 'tocsin.yaml': config, 'rules/notes.txt': 'soon' })
    const { code, err } = await tocsin('check', join(at, 'tocsin.yaml'))
    expect([code, err]).toEqual([0, 'rules: 0 valid, 0 errors, 0 warnings\n'])
  })
})

describe('tocsin test', () => {
  it('passes, file by file', async () => {
    const at = folderWith({ 'rules/big.yaml': good })
    const path = join(at, 'rules/big.yaml')
    expect(await tocsin('test', join(at, 'rules'))).toEqual({
      code: 0,
      out: `PASS ${path}  big: 2 passed\n2 passed, 0 failed\n`,
      err: '',
    })
  })

  it('shows what differs, at the line of the expectation', async () => {
    const at = folderWith({ 'rules/big.yaml': good.replace('amount: 11', 'amount: 9') })
    const path = join(at, 'rules/big.yaml')
    const { code, out } = await tocsin('test', path)
    const message = 'expected an alert with at 0s, by {"card":"c1"}, but no other alert came'
    const lines = out.split('\n').filter((line) => !line.startsWith('    note: '))
    expect({ code, out: lines.join('\n') }).toEqual({
      code: 1,
      out:
        `FAIL ${path}  big: 1 passed, 1 failed\n  eleven is\n` +
        `    ${path}:12:14: ${message}\n1 passed, 1 failed\n`,
    })
    const junit = await tocsin('test', path, '--format', 'junit')
    expect(junit.out).toContain('<testsuite name="big" tests="2" failures="1">')
    expect(junit.out).toContain('by {&quot;card&quot;:&quot;c1&quot;}, but no other alert came')
    const json = await tocsin('test', path, '--format', 'json')
    expect(JSON.parse(json.out)).toMatchObject({ passed: 1, failed: 1, tests: [{}, {}] })
  })

  it('runs only what is asked for', async () => {
    const at = folderWith({ 'rules/big.yaml': good })
    const { out } = await tocsin('test', join(at, 'rules'), '--run', '^big > eleven')
    expect(out).toContain('1 passed, 0 failed')
    const none = await tocsin('test', join(at, 'rules'), '--run', 'twelve')
    expect([none.code, none.err.includes('no test has such a name')]).toEqual([2, true])
    expect((await tocsin('test', join(at, 'rules'), '--run', '(')).code).toBe(2)
  })

  it('says that there are no tests, and that rules are invalid', async () => {
    const at = folderWith({
      'none/big.yaml': good.slice(0, good.indexOf('tests:')),
      'bad/bad.yaml': bad,
    })
    const none = await tocsin('test', join(at, 'none'))
    expect([none.code, none.out, none.err.startsWith('no tests found')]).toEqual([0, '', true])
    expect((await tocsin('test', join(at, 'bad'))).code).toBe(2)
  })

  it('passes for the shipped rules', async () => {
    const { code, out } = await tocsin('test', join(root, 'rules'))
    expect([code, out.match(/^PASS /gm)?.length]).toEqual([0, 6])
  })
})

describe('tocsin diff', () => {
  it('says which edits keep state', async () => {
    const at = folderWith({
      'old/a.yaml': good,
      'old/b.yaml': good.replace('big', 'gone'),
      'old/c.yaml': good.replace('big', 'same'),
      'old/d.yaml': good.replace('big', 'louder'),
      'new/a.yaml': good.replace('amount > 10', 'amount > 12'),
      'new/c.yaml': good.replace('big', 'same'),
      'new/d.yaml': good.replace('id: big', 'id: louder\nseverity: high'),
      'new/e.yaml': good.replace('big', 'more'),
    })
    expect(await tocsin('diff', join(at, 'old'), join(at, 'new'))).toEqual({
      code: 0,
      out:
        '~ big: starts anew (detect)\n~ louder: keeps state (severity)\n' +
        '+ more: added\n- gone: removed\n1 unchanged\n',
      err: '',
    })
    expect((await tocsin('diff', join(at, 'old'), join(at, 'nowhere'))).code).toBe(2)
  })
})

describe('tocsin explain', () => {
  it('takes an id or a file, and has four forms', async () => {
    const rules = join(root, 'rules')
    const text = await tocsin('explain', 'card-testing', '--rules', rules)
    expect([text.code, text.out.split('\n')[0]]).toEqual([
      0,
      'rule card-testing, version 1: sequence',
    ])
    const path = join(rules, 'card-testing.rule.yaml')
    expect((await tocsin('explain', path)).out).toBe(text.out)
    expect((await tocsin('explain', path, '--format', 'dot')).out).toMatch(
      /^digraph "card-testing"/,
    )
    expect((await tocsin('explain', path, '--format', 'mermaid')).out).toMatch(
      /^stateDiagram|^flowchart/,
    )
    const json = await tocsin('explain', path, '--format', 'json')
    expect(JSON.parse(json.out)).toMatchObject({ rule: 'card-testing', streams: ['payments'] })
  })

  it('tells how far events got, and what stopped them', async () => {
    const at = folderWith({
      'events.ndjson': ndjson(
        { ts: 0, card: 'c1', status: 'approved', amount: 1, merchant: 'm1' },
        { ts: 1000, card: 'c1', status: 'approved', amount: 900, merchant: 'm1' },
        { ts: 2000, card: 'c2', status: 'approved', amount: 5, merchant: 'm1' },
      ),
    })
    const event = `@${join(at, 'events.ndjson')}`
    const args = ['explain', join(root, 'rules/card-testing.rule.yaml'), '--event', event]
    const { code, out } = await tocsin(...args, '--key', 'c1')
    expect([code, out.includes('merchant != probe.merchant'), out.includes('c2')]).toEqual([
      0,
      true,
      false,
    ])
    const json = await tocsin(...args, '--format', 'json')
    expect(JSON.parse(json.out).keys.map(({ by }: { by: unknown }) => by)).toEqual([
      { card: 'c1' },
      { card: 'c2' },
    ])
    expect((await tocsin(...args, '--key', 'c9')).code).toBe(2)
  })

  it('names the near id', async () => {
    const { code, err } = await tocsin('explain', 'card-tasting', '--rules', join(root, 'rules'))
    expect([code, err.includes('did you mean `card-testing`?')]).toEqual([2, true])
  })
})

describe('tocsin run', () => {
  const config = `
streams:
  payments: { source: { file: { path: p.ndjson } }, time: { field: ts }, redact: [pan] }
sinks:
  all: { file: { path: all.ndjson }, default: true }
  some: { file: { path: some.ndjson } }
`
  const events = ndjson(
    { ts: 1, card: 'c1', amount: 20, pan: '4111' },
    { ts: 2, card: 'c1', amount: 2000 },
    { ts: 3, amount: 20 },
  )

  it('hands alerts to the sinks of their rules, and those of shadow rules to none', async () => {
    const at = folderWith({
      'tocsin.yaml': config,
      'p.ndjson': events,
      'rules/big.yaml': good,
      'rules/huge.yaml': good
        .replace('big', 'huge')
        .replace('> 10', '> 1000')
        .replace('tests:', 'alert: { to: [some] }\ntests:'),
      'rules/shadow.yaml': good.replace('id: big', 'id: unseen\nmode: shadow'),
    })
    const { code, out, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    const alerts = (name: string) =>
      readFileSync(join(at, name), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    expect([code, out]).toEqual([0, ''])
    expect(err).toContain('  unseen                      2\n')
    expect(alerts('all.ndjson').map(({ rule, event_time }) => [rule, event_time])).toEqual([
      ['big', 1],
      ['big', 2],
    ])
    expect(alerts('some.ndjson').map(({ rule, event_time }) => [rule, event_time])).toEqual([
      ['huge', 2],
    ])
    expect(readFileSync(join(at, 'all.ndjson'), 'utf8')).not.toContain('4111')
    expect(leftOutIn(join(at, 'state'))).toMatchObject([
      { kind: 'dead_letter', offset: 2 },
      { kind: 'shadow', alert: { rule: 'unseen', event_time: 1 } },
      { kind: 'shadow', alert: { rule: 'unseen', event_time: 2 } },
    ])
  })

  it('says where it cannot keep its state', async () => {
    const at = folderWith({
      'tocsin.yaml': config,
      'p.ndjson': events,
      'rules/big.yaml': good,
      state: 'a file',
    })
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect([code, err]).toEqual([
      3,
      expect.stringMatching(/^error: cannot lock the state folder .*STATE_IO/),
    ])
  })

  it('says once that more waits for its time than may', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({ ts: i, card: 'c1', amount: 20 }))
    const at = folderWith({
      'tocsin.yaml': `${config.replace('field: ts', 'field: ts, out_of_orderness: 1h')}state: { sorter_cap: 100KiB }\n`,
      'p.ndjson': ndjson(...many),
      'rules/big.yaml': good,
    })
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect([
      code,
      err.match(/^warning: .*more than state\.sorter_cap \(0\.1 MiB\)/gm)?.length,
    ]).toEqual([0, 1])
    expect(err).toMatch(/^events +5,000 /m)
  })

  it('refuses an invalid configuration with every mistake', async () => {
    const at = folderWith({ 'tocsin.yaml': 'streems: {}\nrules: 5\n' })
    const { code, err } = await tocsin('run', '--config', join(at, 'tocsin.yaml'))
    expect([code, err.includes('did you mean `streams`?'), err.split('\n').length > 2]).toEqual([
      2,
      true,
      true,
    ])
  })
})

describe('the command line', () => {
  it('runs the demo to its summary', async () => {
    const { code, out } = await tocsin('demo')
    expect(code).toBe(0)
    for (const rule of ['account-takeover', 'brute-force-success', 'card-testing']) {
      expect(out).toMatch(new RegExp(`^  ${rule} +[1-9]`, 'm'))
    }
    for (const rule of ['impossible-travel', 'rising-temperature', 'silent-sensor']) {
      expect(out).toMatch(new RegExp(`^  ${rule} +[1-9]`, 'm'))
    }
  })

  it('prints schemas', async () => {
    expect(JSON.parse((await tocsin('schema')).out).properties).toHaveProperty('detect')
    expect(JSON.parse((await tocsin('schema', 'config')).out).properties).toHaveProperty('streams')
  })

  it.each([['tap', 's', '--duration', '5s']])(
    'says of %s that it is not built yet',
    async (...args) => {
      expect(await tocsin(...args)).toEqual({
        code: 2,
        out: '',
        err: `error: not yet: tocsin ${args[0]} is known, but not built (USAGE)\n`,
      })
    },
  )

  it('names the near command, and lists them all', async () => {
    const { code, err } = await tocsin('replya')
    expect([code, err.includes('(Did you mean replay?)')]).toEqual([2, true])
    const help = await tocsin('help')
    expect([help.code, help.out.includes('replay [options]')]).toEqual([0, true])
    expect((await tocsin()).code).toBe(2)
  })
})
