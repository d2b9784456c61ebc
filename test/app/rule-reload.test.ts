import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { main } from '../../app/cli.ts'
import { InvalidInput } from '../../app/load-rules.ts'
import { RuleSource } from '../../app/rule-source.ts'
import { RuleWatcher } from '../../app/rule-watcher.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { buildOnce, folderWith } from './command-line.ts'
import { Daemon } from './daemon.ts'

beforeAll(buildOnce, 120_000)

const config = `
streams: { payments: { source: { generator: { kind: payments, unbounded: true, rate: 2000 } }, time: { field: ts } } }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
state: { backend: rocksdb, checkpoint_interval: 50ms }
api: { listen: 127.0.0.1:0 }
`
const ruleOf = (id: string, where: string) =>
  `id: ${id}\nfrom: payments\nby: card\ndetect: { event: { where: ${where} } }\n`
/** A rule whose own test does not hold. */
const untrue = `${ruleOf('large', 'amount > 60')}tests:
  - name: a small one
    events: [{ at: 0s, event: { card: c, amount: 1 } }]
    expect: [{ by: { card: c } }]
`

interface RulesAnswer {
  readonly rules: readonly { readonly id: string }[]
  readonly last_reload: { readonly outcome: string; readonly problems: readonly string[] } | null
}

async function startWithRules(files: Readonly<Record<string, string>>) {
  const folder = folderWith({ 'tocsin.yaml': config, ...files })
  const daemon = new Daemon(folder, [])
  const lines = () =>
    daemon.err
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line))
  let url: string | undefined
  await daemon.until(() => {
    url = lines().find((line) => line.url !== undefined)?.url
    return url !== undefined
  })
  const shown = (rule: string) => {
    try {
      return readFileSync(join(folder, 'alerts.ndjson'), 'utf8').includes(`"rule":"${rule}"`)
    } catch {
      return false
    }
  }
  const ask = async <Answer>(path: string) =>
    (await (await fetch(`${url}${path}`)).json()) as Answer
  const rules = () => ask<RulesAnswer>('/api/rules')
  const outcome = async () => (await rules()).last_reload?.outcome
  return { folder, daemon, lines, url, ask, shown, rules, outcome }
}

describe('rules that change while they run', () => {
  it('are taken up, and bad ones leave those that run and are told of', {
    timeout: 120_000,
  }, async () => {
    const { folder, daemon, lines, url, ask, shown, rules, outcome } = await startWithRules({
      'rules/large.yaml': ruleOf('large', 'amount > 50'),
    })
    await daemon.until(() => shown('large'))
    const write = (name: string, text: string) => {
      // As editors do it.
      writeFileSync(join(folder, `rules/.${name}.swp`), text)
      renameSync(join(folder, `rules/.${name}.swp`), join(folder, 'rules', name))
    }
    write('small.yaml', ruleOf('small', 'amount < 50'))
    await daemon.until(() => shown('small'))
    expect((await rules()).rules.map(({ id }) => id)).toEqual(['large', 'small'])

    write('small.yaml', 'id: small\nfrom: payments\nby: card\ndetect: { evnt: {} }\n')
    await daemon.until(async () => (await outcome()) === 'rejected')
    const health = await ask<{ status: string; rules?: string }>('/healthz')
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const warned = lines().find(({ level }) => level === 'warn')
    expect([health.status, health.rules, warned.problems, (await rules()).rules.length]).toEqual([
      'ok',
      'rejected',
      [expect.stringMatching(/small\.yaml:4:\d+: `evnt` is not known here/)],
      2,
    ])
    expect(metrics).toMatch(/^tocsin_rules_rejected 1$/m)

    write('small.yaml', ruleOf('small', 'amount < 50'))
    await daemon.until(async () => (await outcome()) === 'unchanged')
    write('large.yaml', untrue)
    await daemon.until(async () => (await outcome()) === 'rejected')
    expect((await rules()).last_reload?.problems[0]).toMatch(/^large: a small one\n/)

    write('large.yaml', ruleOf('large', 'amount > 50'))
    rmSync(join(folder, 'rules/small.yaml'))
    daemon.signal('SIGHUP')
    await daemon.until(
      async () => (await outcome()) === 'replaced' && (await rules()).rules.length === 1,
    )
    const { code } = await daemon.stop()
    expect(code).toBe(0)
    const ids = readFileSync(join(folder, 'alerts.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

it('a run listens for SIGHUP, which would end it, before it says that it is there', async () => {
  const folder = folderWith({
    'tocsin.yaml': config,
    'rules/large.yaml': ruleOf('large', 'amount > 50'),
  })
  const seen: string[] = []
  let stop = () => {}
  await main(['run', '--config', join(folder, 'tocsin.yaml')], {
    print: () => undefined,
    say: (text) => {
      if (!text.includes('health and metrics are at')) return
      seen.push('says where it is')
      stop()
    },
    colors: { print: false, say: false },
    progressColumns: null,
    onInterrupt: (listener) => {
      stop = listener
      return () => undefined
    },
    onHangup: () => {
      seen.push('listens')
      return () => undefined
    },
  })
  expect(seen).toEqual(['listens', 'says where it is'])
})

describe('rules on disk', () => {
  const files = (count: number) =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`r${i}.yaml`, ruleOf(`r${i}`, `amount > ${i}`)]),
    )

  it('are parsed where they have changed, and are the same objects where not', async () => {
    const folder = folderWith(files(20))
    const source = new RuleSource(folder, {})
    const before = source.load()
    writeFileSync(join(folder, 'r7.yaml'), ruleOf('r7', 'amount > 70'))
    writeFileSync(join(folder, 'new.yaml'), ruleOf('new', 'amount > 1'))
    rmSync(join(folder, 'r3.yaml'))
    const { rules, changed, accept } = await source.reload()
    accept()
    expect(changed.map(({ rule }) => rule.id)).toEqual(['new', 'r7'])
    expect(rules.length).toBe(20)
    expect(rules.filter((rule) => before.includes(rule)).length).toBe(18)
    expect((await source.reload()).changed).toEqual([])
  })

  it('that are not accepted are still to be looked at', async () => {
    const folder = folderWith(files(2))
    const source = new RuleSource(folder, {})
    source.load()
    writeFileSync(join(folder, 'r1.yaml'), ruleOf('r1', 'amount > 70'))
    await source.reload()
    expect((await source.reload()).changed.map(({ rule }) => rule.id)).toEqual(['r1'])
  })

  it('are held against each other, and with the tests beside them', async () => {
    const folder = folderWith({ ...files(3), 'r0.test.yaml': 'tests: []\n' })
    const source = new RuleSource(folder, {})
    source.load()
    writeFileSync(join(folder, 'r1.yaml'), ruleOf('r2', 'amount > 70'))
    await expect(source.reload()).rejects.toMatchObject({
      problems: [{ code: 'RULE_DUPLICATE' }],
    })
    writeFileSync(join(folder, 'r1.yaml'), ruleOf('r1', 'amount > 1'))
    writeFileSync(join(folder, 'r0.test.yaml'), 'tests: [{ nme: x }]\n')
    await expect(source.reload()).rejects.toThrow(InvalidInput)
    for (const name of ['r0.test.yaml', 'r0.yaml', 'r1.yaml', 'r2.yaml']) rmSync(join(folder, name))
    await expect(source.reload()).rejects.toMatchObject({ code: 'USAGE' })
  })
})

describe('a watcher of rules', () => {
  it('tells of what has changed once it stands still', async () => {
    const folder = folderWith({ 'a/x.yaml': 'a' })
    let changes = 0
    const watcher = new RuleWatcher({
      path: folder,
      onChange: () => changes++,
      quietMs: 20,
      pollMs: 50,
    })
    await watcher.start()
    try {
      writeFileSync(join(folder, 'a/x.yaml'), 'bb')
      await waitUntil(() => changes === 1, 'change 1 is told of')
      writeFileSync(join(folder, 'a/notes.txt'), 'no rule')
      writeFileSync(join(folder, 'a/new.yaml.tmp'), 'c')
      renameSync(join(folder, 'a/new.yaml.tmp'), join(folder, 'a/new.yaml'))
      await waitUntil(() => changes === 2, 'change 2 is told of')
      rmSync(join(folder, 'a'), { recursive: true })
      await waitUntil(() => changes === 3, 'change 3 is told of')
    } finally {
      watcher.close()
    }
  })
})
