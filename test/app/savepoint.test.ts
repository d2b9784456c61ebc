import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import { buildOnce, folderWith, ndjson, runBinary, startBinary, tocsin } from './command-line.ts'
import { killWhen, payments, rule, seed, turn } from './durable-folder.ts'

beforeAll(buildOnce)

const rising = readFileSync(new URL('../../bench/rules/P4.rule.yaml', import.meta.url), 'utf8')
const probe = (within: string, id = 'probe') => `
id: ${id}
from: transactions
by: card
detect:
  within: ${within}
  sequence:
    - { step: probe, where: amount < 1 }
    - { step: drain, where: amount > 900 && merchant != probe.merchant }
`

/** The configuration of a job over transactions, with rules and alerts of its own. */
function transactionsJob(job: string): string {
  return `
streams:
  transactions:
    source: { file: { path: transactions.ndjson } }
    time: { field: ts, out_of_orderness: 4s }
sinks: { alerts: { file: { path: ${job}.ndjson }, default: true } }
rules: rules-${job}/
state: { dir: state-${job}/, backend: rocksdb, job: ${job}, checkpoint_interval: 50ms }
`
}

/** Transactions of many cards, out of order by up to 4 s. */
function transactions(count: number): string {
  const random = new Random(seed)
  const lines: string[] = []
  for (let index = 0; index < count; index++) {
    const amount = random.integer(0, 19) === 0 ? 0.5 : random.integer(1, 1000)
    lines.push(
      ndjson({
        id: `t${index}`,
        ts: index * 20 - random.integer(0, 3900),
        card: `c${random.integer(0, 300)}`,
        amount,
        merchant: `m${random.integer(0, 9)}`,
      }),
    )
  }
  return lines.join('')
}

/** The alerts of a rule in a file. */
function alertsIn(path: string, id: string): Record<string, unknown>[] {
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  const alerts = lines.map((line) => ({ ...JSON.parse(line), detected_at: '' }))
  return alerts.filter((alert) => alert.rule === id)
}

function byId(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return String(a.id) < String(b.id) ? -1 : 1
}

/** The offsets of the events of an alert. */
function offsetsOf({ steps }: Record<string, unknown>): number[] {
  return Object.values(steps as Record<string, { offset: number }[]>)
    .flat()
    .map(({ offset }) => offset)
}

async function run(at: string, ...args: readonly string[]) {
  const child = startBinary(at, args)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    err += chunk
  })
  const [code] = await once(child, 'close')
  return { code, out, err }
}

describe('a savepoint of a running job', () => {
  it('gives, with rules changed and added, the alerts of the run that never stopped', async () => {
    const input = transactions(300_000)
    const at = folderWith({
      'transactions.ndjson': input,
      'whole.yaml': transactionsJob('whole'),
      'rules-whole/p4.yaml': rising,
      'first.yaml': transactionsJob('first'),
      'rules-first/p4.yaml': rising,
      'rules-first/probe.yaml': probe('10m'),
      'second.yaml': transactionsJob('second'),
      'rules-second/added.yaml': probe('3m', 'added'),
      'rules-second/p4.yaml': rising,
      'rules-second/probe.yaml': probe('5m'),
    })
    const child = startBinary(at, ['run', '--config', 'first.yaml'])
    child.stdout.resume()
    child.stderr.resume()
    const closed = once(child, 'close')
    while (!existsSync(join(at, 'state-first/checkpoints/checkpoint'))) await turn()
    const args = ['savepoint', 'create', '--config', 'first.yaml', '--output', 'kept/']
    const created = await run(at, ...args)
    expect([created.err, created.code, child.exitCode]).toEqual(['', 0, null])
    child.kill('SIGKILL')
    await closed
    expect(readdirSync(join(at, 'state-first')).filter((name) => name.startsWith('copy'))).toEqual(
      [],
    )

    const savepoint = created.out.trim()
    const inspected = runBinary(at, ['savepoint', 'inspect', savepoint, '--format', 'json'])
    const { header, splits, operators } = JSON.parse(inspected.out)
    expect(header).toMatchObject({ kind: 'savepoint', version: 2, job: 'first' })
    expect(operators[0].rules.map(({ id }: { id: string }) => id)).toEqual(['P4', 'probe'])
    const { position, greatest } = splits[0]
    expect(position.offset).toBeGreaterThan(0)
    const times = input
      .trimEnd()
      .split('\n')
      .map((line): number => JSON.parse(line).ts)
    // Behind the watermark: not read yet, or waiting to be put in order.
    const isOpen = (alert: Record<string, unknown>) =>
      offsetsOf(alert).some((offset) => (times[offset] as number) > greatest - 4000)

    const restored = runBinary(at, ['savepoint', 'restore', savepoint, '--config', 'second.yaml'])
    expect([restored.code, restored.err.replace(/[\d,]+ keys/, 'N keys')]).toEqual([
      0,
      `restored checkpoint ${header.checkpoint} of job first, N keys, into ${join(at, 'state-second')}\n` +
        'job second is another one: its sinks are taken as new\n' +
        'rules or streams are others than in the savepoint:\n' +
        '  = P4: goes on\n' +
        '  + added: starts anew\n' +
        '  ~ probe: starts anew, what it had open is dropped\n',
    ])
    expect(runBinary(at, ['run', '--config', 'second.yaml']).code).toBe(0)
    expect(runBinary(at, ['run', '--config', 'whole.yaml']).code).toBe(0)

    const whole = alertsIn(join(at, 'whole.ndjson'), 'P4').sort(byId)
    const first = alertsIn(join(at, 'first.ndjson'), 'P4')
    const second = alertsIn(join(at, 'second.ndjson'), 'P4').sort(byId)
    const ids = new Set(second.map(({ id }) => id))
    // Each once; all that was open at the savepoint; the rest was given before.
    expect(ids.size).toBe(second.length)
    const due = whole.filter((alert) => isOpen(alert) || ids.has(alert.id))
    expect(second).toEqual(due)
    const before = whole.filter(({ id }) => !ids.has(id)).map(({ id }) => id)
    const given = new Set(first.map(({ id }) => id))
    expect(before.filter((id) => !given.has(id))).toEqual([])
    // Keys had something open, and events waited: matches with events before the savepoint.
    const across = due.filter((alert) => Math.min(...offsetsOf(alert)) < position.offset)
    const waited = across.filter((alert) => Math.max(...offsetsOf(alert)) < position.offset)
    expect([before.length > 10, across.length > 10, waited.length > 0]).toEqual([true, true, true])
    expect(alertsIn(join(at, 'second.ndjson'), 'added').length).toBeGreaterThan(10)
  }, 240_000)
})

const config = (job: string, more = '') => `
streams: { payments: { source: { file: { path: payments.ndjson } }, time: { field: ts, out_of_orderness: 4s } } }
sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }
state: { dir: ${job}/, backend: rocksdb, checkpoint_interval: 10ms }
${more}`

describe('a savepoint of a stopped job', () => {
  const folder = () =>
    folderWith({
      'payments.ndjson': payments(30_000),
      'rules/testing.yaml': rule,
      'whole/tocsin.yaml': config('state').replace('payments.ndjson', '../payments.ndjson'),
      'tocsin.yaml': config('state'),
      'moved.yaml': config('moved'),
    })

  it('moves the job: each alert once in the same sink', async () => {
    const at = folder()
    cpSync(join(at, 'rules'), join(at, 'whole/rules'), { recursive: true })
    runBinary(join(at, 'whole'), ['run'])
    expect(await killWhen(at, () => existsSync(join(at, 'state/checkpoints/checkpoint')))).toBe(
      true,
    )
    const { code, out } = await tocsin(
      'savepoint',
      'create',
      '--config',
      join(at, 'tocsin.yaml'),
      '--output',
      join(at, 'x.savepoint'),
    )
    expect([code, out]).toEqual([0, `${join(at, 'x.savepoint')}\n`])
    const restored = await tocsin(
      'savepoint',
      'restore',
      join(at, 'x.savepoint'),
      '--config',
      join(at, 'moved.yaml'),
    )
    expect([restored.code, restored.err.split('\n').length]).toEqual([0, 2])
    expect(runBinary(at, ['run', '--config', 'moved.yaml']).code).toBe(0)
    const expected = alertsIn(join(at, 'whole/alerts.ndjson'), 'testing')
    expect(expected.length).toBeGreaterThan(10)
    expect(alertsIn(join(at, 'alerts.ndjson'), 'testing').sort(byId)).toEqual(expected.sort(byId))
  }, 60_000)

  it('is refused where it is damaged, cut, of a later version, or no savepoint', async () => {
    const at = folder()
    runBinary(at, ['run'])
    const path = join(at, 'x.savepoint')
    await tocsin('savepoint', 'create', '--config', join(at, 'tocsin.yaml'), '--output', path)
    const good = readFileSync(path, 'utf8')
    const bad: readonly (readonly [string, string])[] = [
      [good.replace('"greatest":', '"greatesT":'), 'does not fit its checksum'],
      [good.replace(/\n[^\n]*\n$/, '\n'), 'its end is missing'],
      [good.slice(0, good.length / 2), 'its end is missing'],
      [`${good}${good}`, 'something stands behind its end'],
      [
        good.replace('"version":2', '"version":99'),
        'it has version 99, and this Tocsin knows 1 to 2',
      ],
      ['{}\n', 'it does not begin as one'],
      ['', 'it is empty'],
    ]
    for (const [text, reason] of bad) {
      writeFileSync(path, text)
      for (const args of [['inspect'], ['restore', '--config', join(at, 'moved.yaml')]]) {
        const [verb = '', ...options] = args
        const { code, err } = await tocsin('savepoint', verb, path, ...options)
        expect([code, err]).toEqual([3, expect.stringContaining(reason)])
        expect(err).toContain('(SAVEPOINT_INVALID)')
      }
    }
    expect(existsSync(join(at, 'moved/checkpoints'))).toBe(false)
    writeFileSync(path, good)
    const { code, out } = await tocsin('savepoint', 'inspect', path)
    expect([code, out]).toEqual([0, expect.stringMatching(/^sha256 {6}[0-9a-f]{64}, fits$/m)])
    expect(
      (await tocsin('savepoint', 'restore', path, '--config', join(at, 'moved.yaml'))).code,
    ).toBe(0)
  }, 60_000)

  it('is refused where there is no checkpoint, or state already', async () => {
    const at = folder()
    const args = ['--config', join(at, 'tocsin.yaml')]
    expect(await tocsin('savepoint', 'create', ...args)).toMatchObject({
      code: 3,
      err: expect.stringContaining('(STATE_MISSING)'),
    })
    runBinary(at, ['run'])
    const path = join(at, 'x.savepoint')
    await tocsin('savepoint', 'create', ...args, '--output', path)
    expect(await tocsin('savepoint', 'restore', path, ...args)).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not empty: it has '),
    })
  }, 60_000)

  it('can be told to read a stream from its beginning', async () => {
    const at = folder()
    runBinary(at, ['run'])
    const path = join(at, 'x.savepoint')
    await tocsin('savepoint', 'create', '--config', join(at, 'tocsin.yaml'), '--output', path)
    truncateSync(join(at, 'payments.ndjson'), 0)
    const restore = ['savepoint', 'restore', path, '--config', join(at, 'moved.yaml')]
    expect(await tocsin(...restore, '--reset', 'other')).toMatchObject({ code: 2 })
    expect((await tocsin(...restore, '--reset', 'payments')).code).toBe(0)
    expect(runBinary(at, ['run', '--config', 'moved.yaml']).err).not.toContain('come to its end')
  }, 60_000)

  it('says where the records of an ingest log are, which are not in it', async () => {
    const fromStdin = (job: string) =>
      config(job).replace('file: { path: payments.ndjson }', 'stdin: {}')
    const at = folderWith({
      'rules/testing.yaml': rule,
      'tocsin.yaml': fromStdin('state'),
      'moved.yaml': fromStdin('moved'),
    })
    // Killed with its input open: the job has not come to its end.
    const child = startBinary(at, ['run'])
    const closed = once(child, 'close')
    child.stdin.write(payments(30_000))
    const sent = join(at, 'alerts.ndjson')
    while (!existsSync(sent) || statSync(sent).size === 0) await turn()
    child.kill('SIGKILL')
    await closed
    const path = join(at, 'x.savepoint')
    const args = ['--config', join(at, 'tocsin.yaml'), '--output', path]
    expect((await tocsin('savepoint', 'create', ...args)).err).toBe(
      `what payments gave from there on is in ${join(at, 'state/ingest')}, not in the savepoint: ` +
        'to move the job, stop it and take a copy of that folder along\n',
    )
    const restore = ['savepoint', 'restore', path, '--config', join(at, 'moved.yaml')]
    expect((await tocsin(...restore)).err).toContain(
      'stream payments goes on in its ingest log, which is not there: before the job runs, put what',
    )
    const refused = runBinary(at, ['run', '--config', 'moved.yaml'])
    expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('(SOURCE_POSITION)')])
    rmSync(join(at, 'moved'), { recursive: true })
    cpSync(join(at, 'state/ingest'), join(at, 'moved/ingest'), { recursive: true })
    expect((await tocsin(...restore)).err).not.toContain('ingest')
    expect(runBinary(at, ['run', '--config', 'moved.yaml']).code).toBe(0)
  }, 60_000)
})
