import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { generateEvents } from '../../connectors/generator/source.ts'
import { buildOnce, folderWith, runBinary } from './command-line.ts'
import { Daemon } from './daemon.ts'

beforeAll(buildOnce)

const rule = `
id: large
from: payments
by: card
detect:
  within: 10m
  sequence:
    - { step: first, where: amount > 117 }
    - { step: second, where: amount > first.amount }
`
const time = 'time: { field: ts }'
const endless = `streams: { payments: { source: { generator: { kind: payments, unbounded: true, rate: 30000 } }, ${time} } }\n`
const file = 'sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }\n'
const durable = 'state: { backend: rocksdb, checkpoint_interval: 50ms }\n'

/** What the summary says was counted. */
function count(err: string, name: string): number {
  const line = [...err.matchAll(new RegExp(`^${name} +([0-9,]+)`, 'gm'))].at(-1)
  return Number(line?.[1]?.replaceAll(',', ''))
}

interface ShownAlert {
  readonly id: string
  readonly event_time: number
}

/** Bytes of alerts that are shown. */
function shownBytes(folder: string): number {
  return statSync(join(folder, 'alerts.ndjson'), { throwIfNoEntry: false })?.size ?? 0
}

function alertsOf(folder: string): ShownAlert[] {
  const path = join(folder, 'alerts.ndjson')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line))
}

/** The alerts of so many records of the endless stream, as far as time has come then. */
function expectedAlerts(records: number): string[] {
  const bounded = endless.replace('unbounded: true, rate: 30000', `count: ${records}`)
  const folder = folderWith({ 'tocsin.yaml': bounded + file, 'rules/large.yaml': rule })
  expect(runBinary(folder, ['run']).code).toBe(0)
  let now = 0
  const startMs = Date.UTC(2026, 0, 1)
  const options = { kind: 'payments', seed: 1, startMs, eventsPerSecond: 5 } as const
  for (const { ts } of generateEvents({ ...options, count: records }))
    now = Math.max(now, ts as number)
  return alertsOf(folder)
    .filter(({ event_time: at }) => at < now)
    .map(({ id }) => id)
    .sort()
}

describe('a run over a stream that never ends', () => {
  it('stops on a signal with all alerts committed, and goes on from there', {
    timeout: 120_000,
  }, async () => {
    const folder = folderWith({
      'tocsin.yaml': endless + file + durable,
      'rules/large.yaml': rule,
    })
    const stops: unknown[] = []
    let err = ''
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) {
      const before = shownBytes(folder)
      const daemon = new Daemon(folder)
      await daemon.until(() => shownBytes(folder) > before + 20_000)
      const { code, ms } = await daemon.stop(signal)
      err = daemon.err
      stops.push([code, ms < 10_000, /^stopped at checkpoint \d+; the next run/m.test(err)])
    }
    expect(stops).toEqual(Array(3).fill([0, true, true]))
    expect(err).toMatch(/^going on from checkpoint \d+$/m)
    const ids = alertsOf(folder).map(({ id }) => id)
    expect(ids.length).toBe(count(err, 'alerts'))
    // Transfers have no card: they are dead letters.
    const records = count(err, 'events') + count(err, 'invalid')
    expect(ids.sort()).toEqual(expectedAlerts(records))
  })

  it('runs in memory too, says what that means, and shows its alerts when it is stopped', {
    timeout: 60_000,
  }, async () => {
    const folder = folderWith({
      'tocsin.yaml': `${endless}sinks: { alerts: { file: { path: alerts.ndjson }, default: true }, out: { stdout: {}, default: true } }\n`,
      'rules/large.yaml': rule,
    })
    const daemon = new Daemon(folder)
    await daemon.until(() => daemon.out.includes('\n'))
    const { code } = await daemon.stop()
    expect(daemon.err).toMatch(/^warning: the stream payments never ends, and `state.backend` is/)
    const shown = daemon.out.split('\n').filter(Boolean)
    expect([code, alertsOf(folder).map(({ id }) => id)]).toEqual([
      0,
      shown.map((line) => JSON.parse(line).id),
    ])
    expect(shown.length).toBe(count(daemon.err, 'alerts'))
  })
})

describe('a run whose source is silent', () => {
  const stdin = `streams: { payments: { source: { stdin: {} }, ${time} } }\n`
  const single = 'id: single\nfrom: payments\nby: card\ndetect: { event: { where: amount > 1 } }\n'
  const event = (ts: number) => `${JSON.stringify({ ts, card: 'c1', amount: 2 })}\n`

  it('takes checkpoints and shows what it has found all the same', {
    timeout: 60_000,
  }, async () => {
    const idle = stdin.replace('field: ts', 'field: ts, idle_after: 100ms')
    const folder = folderWith({ 'tocsin.yaml': idle + file + durable, 'rules/single.yaml': single })
    const daemon = new Daemon(folder)
    // What is of the greatest time is decided by silence only once the next one comes.
    daemon.stdin.write(event(1000) + event(2000))
    await daemon.until(() => alertsOf(folder).length === 1)
    const { code } = await daemon.stop()
    expect([code, alertsOf(folder).length]).toEqual([0, 1])
  })

  it('stops at once', { timeout: 60_000 }, async () => {
    const folder = folderWith({
      'tocsin.yaml': stdin + file + durable,
      'rules/single.yaml': single,
    })
    const daemon = new Daemon(folder)
    daemon.stdin.write(event(1000))
    await daemon.until(() => existsSync(join(folder, 'state/checkpoints/checkpoint')))
    const { code, ms } = await daemon.stop()
    expect([code, ms < 5000]).toEqual([0, true])
  })
})

describe('a second signal', () => {
  it('ends a run at once', { timeout: 60_000 }, async () => {
    const folder = folderWith({
      'tocsin.yaml': endless + file + durable,
      'rules/large.yaml': rule,
    })
    const daemon = new Daemon(folder)
    await daemon.until(() => shownBytes(folder) > 0)
    daemon.signal('SIGTERM')
    const { code } = await daemon.stop('SIGINT')
    expect(code).toBe(130)
  })
})
