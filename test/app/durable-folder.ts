import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Random } from '../../connectors/generator/random.ts'
import { ndjson, startBinary } from './command-line.ts'

export const seed = Number(process.env.TOCSIN_SEED ?? 20260101)

export const rule = `
id: testing
from: payments
by: card
detect:
  within: 10m
  sequence:
    - { step: probe, where: amount < 20 }
    - { step: drain, where: amount > 950 && merchant != probe.merchant }
alert: { dedupe: { by: [card], for: 1m } }
`
export const streams =
  'streams: { payments: { source: { file: { path: payments.ndjson } }, time: { field: ts, out_of_orderness: 4s } } }\n'
export const sinks = 'sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }\n'
export const durable = `${streams}${sinks}state: { backend: rocksdb, checkpoint_interval: 10ms }\n`

/** Payments of many cards, out of order by up to 4 s, and some later than that. */
export function payments(count: number): string {
  const random = new Random(seed)
  const events = Array.from({ length: count }, (_, index) => ({
    ts: index * 10 - random.integer(0, 4100),
    card: `c${random.integer(0, 2000)}`,
    amount: random.integer(0, 1000),
    merchant: `m${random.integer(0, 50)}`,
  }))
  return events.map((event) => ndjson(event)).join('')
}

/** The alerts of a file, sorted, without when they were detected. */
export function alertsIn(folder: string): string[] {
  const lines = readFileSync(join(folder, 'alerts.ndjson'), 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.stringify({ ...JSON.parse(line), detected_at: '' })).sort()
}

/**
 * Kills a run after it has acknowledged so many checkpoints and a few turns more; false: it had come
 * to its end before.
 */
export async function runUntilKilled(
  at: string,
  checkpoints: number,
  turns: number,
): Promise<boolean> {
  const before = checkpointOf(at)
  let left = turns
  return await killWhen(at, () => checkpointOf(at) >= before + checkpoints && left-- <= 0)
}

/** Starts a run and kills it when it is time; false: it had come to its end before. */
export async function killWhen(at: string, isTime: () => boolean): Promise<boolean> {
  const child = startBinary(at, ['run'])
  child.stdout.resume()
  child.stderr.resume()
  let ended = false
  const closed = once(child, 'close').then(([, signal]) => {
    ended = true
    return signal === 'SIGKILL'
  })
  while (!ended && !isTime()) await turn()
  child.kill('SIGKILL')
  return await closed
}

export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** The number of the last checkpoint that was acknowledged. */
export function checkpointOf(at: string): number {
  const path = join(at, 'state/checkpoints/checkpoint')
  return existsSync(path) ? Number(readFileSync(path).subarray(5).toString()) : 0
}
