import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import { type HTTPReceiver, startHTTPReceiver } from '../harness/http-receiver.ts'
import { buildOnce, folderWith, leftOutIn, ndjson, startBinary } from './command-line.ts'

const kills = Number(process.env.TOCSIN_KILL_ROUNDS ?? 5)
const seed = Number(process.env.TOCSIN_SEED ?? 20260102)

const rule = `
id: large
from: payments
by: card
detect: { event: { where: amount > 960 } }
alert: { dedupe: { by: [card], for: 1m } }
`

/** Payments out of order by up to 4 s, some later than that, some that are none. */
function payments(count: number): string {
  const random = new Random(seed)
  return Array.from({ length: count }, (_, index) => {
    if (index % 997 === 0) return `no payment ${index}\n`
    return ndjson({
      ts: index * 10 - random.integer(0, 4100),
      card: `c${random.integer(0, 4000)}`,
      amount: random.integer(0, 1000),
    })
  }).join('')
}

/** A receiver that takes no alert whose id begins with an even digit. */
function refuses({ body }: { readonly body: string }): boolean {
  return /^\{"id":"[02468ace]/.test(body)
}

let receiver: HTTPReceiver
beforeAll(async () => {
  buildOnce()
  receiver = await startHTTPReceiver()
})
afterAll(() => receiver.close())

/** Runs once; a run that is to be killed is so after some more checkpoints. */
async function run(at: string, checkpoints: number): Promise<NodeJS.Signals | number> {
  const answer: HTTPReceiver['answers'][number] = (response, request) =>
    response.writeHead(refuses(request) ? 422 : 200).end()
  const child = startBinary(at, ['run'])
  child.stdout.resume()
  child.stderr.resume()
  let code: NodeJS.Signals | number | null = null
  const closed = once(child, 'close').then(([status, signal]) => {
    code = signal ?? status
  })
  const before = checkpointOf(at)
  while (code === null) {
    if (receiver.answers.length < 100) receiver.answers.push(...Array(100).fill(answer))
    if (checkpointOf(at) >= before + checkpoints) child.kill('SIGKILL')
    await new Promise((resolve) => setImmediate(resolve))
  }
  await closed
  return code
}

function checkpointOf(at: string): number {
  const path = join(at, 'state/checkpoints/checkpoint')
  return existsSync(path) ? Number(readFileSync(path).subarray(5).toString()) : 0
}

/** What was left out, by what tells it from others. */
function leftOut(at: string): string[] {
  return leftOutIn(join(at, 'state'))
    .map(({ kind, offset, id, alert }) => {
      const { id: suppressed } = (alert ?? {}) as { readonly id?: string }
      return `${kind} ${offset ?? id ?? suppressed}`
    })
    .sort()
}

function idsOf(requests: HTTPReceiver['requests'], isRefused: boolean): string[] {
  const ids = requests
    .filter((each) => refuses(each) === isRefused)
    .map(({ body }) => body.slice(7, 30))
  return [...new Set(ids)].sort()
}

describe('what a run leaves out', () => {
  it(`is kept each once over ${kills} kills, and no alert is lost`, {
    timeout: 60_000 + kills * 30_000,
  }, async () => {
    const config = (state: string) => `
streams: { payments: { source: { file: { path: payments.ndjson } }, time: { field: ts, out_of_orderness: 4s } } }
sinks: { hook: { webhook: { url: "${receiver.url}", allow_private: true }, default: true } }
state: { backend: rocksdb, checkpoint_interval: ${state} }
`
    const files = { 'payments.ndjson': payments(30_000), 'rules/large.yaml': rule }
    const plain = folderWith({ ...files, 'tocsin.yaml': config('10s') })
    expect(await run(plain, Number.POSITIVE_INFINITY)).toBe(0)
    const expected = {
      rows: leftOut(plain),
      taken: idsOf(receiver.requests, false),
      refused: idsOf(receiver.requests, true),
    }
    receiver.requests.length = 0
    const at = folderWith({ ...files, 'tocsin.yaml': config('10ms') })
    const random = new Random(seed)
    let killed = 0
    while (killed < kills && (await run(at, random.integer(1, 3))) === 'SIGKILL') killed++
    expect(await run(at, Number.POSITIVE_INFINITY)).toBe(0)
    const outcome = {
      rows: leftOut(at),
      taken: idsOf(receiver.requests, false),
      refused: idsOf(receiver.requests, true),
    }
    expect(killed).toBeGreaterThan(1)
    for (const kind of ['late', 'dead_letter', 'suppressed', 'undelivered']) {
      expect(expected.rows.filter((row) => row.startsWith(kind)).length).toBeGreaterThan(10)
    }
    expect(outcome).toEqual(expected)
  })
})
