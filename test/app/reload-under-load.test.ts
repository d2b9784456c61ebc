import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import { createTopic } from '../harness/kafka-tools.ts'
import { hasKafka, sharedKafka, uniqueName } from '../harness/shared-kafka.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { buildOnce, folderWith, runBinary } from './command-line.ts'
import { Daemon } from './daemon.ts'

beforeAll(buildOnce, 120_000)

/** Rules that nobody touches. They hold state of all kinds that a reload could lose or double. */
const others = `
id: probe-drain
from: payments
by: card
detect:
  within: 10s
  sequence: [{ step: probe, where: amount < 50 }, { step: drain, where: amount > 950 }]
---
id: unconfirmed
from: payments
by: card
detect:
  within: 5s
  sequence: [{ step: big, where: amount > 900 }, { absent: confirm, where: amount < 500 }]
---
id: burst
from: payments
by: merchant
detect: { within: 4s, sequence: [{ step: large, where: amount > 900, times: 4 }] }
alert: { dedupe: { by: [merchant], for: 2s } }
---
id: huge
from: payments
by: card
detect: { event: { where: amount > 997 } }
`
const otherIds = ['burst', 'huge', 'probe-drain', 'unconfirmed']
const partitions = 2
const reloads = 100

/** What a change of rules leaves on disk, and how it shows that it has been dealt with. */
type Change =
  | { readonly kind: 'good'; readonly version: number; readonly text: string }
  | { readonly kind: 'bad'; readonly told: RegExp; readonly text: string }
  | { readonly kind: 'gone' }

/** All that may be done to one rule: another condition, another title, mistakes, a failing test. */
function changeOf(round: number): Change {
  const rule = (where: string, more = '') =>
    `id: changing\nversion: ${round}\nfrom: payments\nby: card\n` +
    `detect: { within: 10s, sequence: [{ step: a, where: ${where} }, { step: b, where: amount > 800 }] }\n${more}`
  const good = (text: string): Change => ({ kind: 'good', version: round, text })
  switch (round % 8) {
    case 1:
      return {
        kind: 'bad',
        told: new RegExp(`evnt${round}`),
        text: rule('amount < 10', `evnt${round}: 1\n`),
      }
    case 3:
      return {
        kind: 'bad',
        told: new RegExp(`wrong ${round}`),
        text: rule(
          'amount < 10',
          `tests: [{ name: wrong ${round}, events: [], expect: [{ by: { card: c } }] }]\n`,
        ),
      }
    case 4:
      return good(rule('amount < 30', `title: another title ${round}\n`))
    case 5:
      return { kind: 'bad', told: /changing\.yaml/, text: `id: [${round}\n` }
    case 6:
      return { kind: 'gone' }
    case 7:
      return {
        kind: 'bad',
        told: /huge/,
        text: rule(`amount < ${round}`).replace('changing', 'huge'),
      }
    default:
      return good(rule(`amount < ${10 + (round % 40)}`))
  }
}

describe.skipIf(!hasKafka)('a rule that is changed again and again', { timeout: 300_000 }, () => {
  it(`in ${reloads} reloads, bad ones among them, costs and doubles no alert of others`, async () => {
    const bootstrap = await sharedKafka()
    const topic = uniqueName('payments')
    await createTopic(bootstrap, topic, partitions)
    const folder = folderWith({
      'rules/others.yaml': others,
      'tocsin.yaml':
        `streams: { payments: { source: { kafka: { brokers: ["${bootstrap}"], topic: ${topic} } }, ` +
        'time: { field: ts, out_of_orderness: 500ms } } }\n' +
        'sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }\n' +
        'state: { backend: rocksdb, checkpoint_interval: 200ms }\napi: { listen: 127.0.0.1:0 }\n',
    })
    const daemon = new Daemon(folder, [])
    const api = await apiOf(daemon)
    const load = new Load(bootstrap, topic)
    await load.start()
    try {
      for (let round = 1; round <= reloads; round++) {
        await makeChange(folder, changeOf(round), daemon, api)
        const sent = load.sent
        await daemon.until(() => load.sent > sent)
      }
    } finally {
      await load.stop()
    }
    const rejected = /^tocsin_rule_reloads_total\{outcome="rejected"\} (\d+)$/m
    const bad = Number(rejected.exec(await api.metrics())?.[1])
    const seen = () => linesOf(join(folder, 'alerts.ndjson'))
    await daemon.until(() => seen().some(({ rule, by }) => rule === 'huge' && by.card === 'last'))
    expect((await daemon.stop()).code).toBe(0)
    const live = seen().filter(({ rule }) => otherIds.includes(rule))

    rmSync(join(folder, 'rules/changing.yaml'), { force: true })
    const ran = runBinary(folder, ['replay', '--output', 'expected.ndjson'])
    expect(ran.code, ran.err).toBe(0)
    const expected = linesOf(join(folder, 'expected.ndjson'))
    // What only the end of all input decides a run that goes on does not know yet.
    const isDecided = ({ event_time }: SeenAlert) => event_time < load.end
    const decided = expected.filter(isDecided)
    expect(comparison(decided, live.filter(isDecided))).toEqual({ lost: [], more: [], double: [] })
    for (const rule of otherIds) {
      expect(decided.filter((alert) => alert.rule === rule).length, rule).toBeGreaterThan(20)
    }
    expect(bad).toBeGreaterThanOrEqual(reloads / 2)
  })
})

interface SeenAlert {
  readonly id: string
  readonly rule: string
  readonly by: { readonly card?: string }
  readonly event_time: number
}

function comparison(expected: readonly SeenAlert[], seen: readonly SeenAlert[]) {
  const [wanted, found] = [expected, seen].map((alerts) => new Set(alerts.map(({ id }) => id)))
  return {
    lost: expected.filter(({ id }) => !found?.has(id)),
    more: seen.filter(({ id }) => !wanted?.has(id)),
    double: seen.filter(({ id }, index) => seen.findIndex((other) => other.id === id) < index),
  }
}

function linesOf(path: string): SeenAlert[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

interface Api {
  rules(): Promise<{
    readonly rules: readonly { readonly id: string; readonly version: number }[]
    readonly last_reload: { readonly problems: readonly string[] } | null
  }>
  metrics(): Promise<string>
}

async function apiOf(daemon: Daemon): Promise<Api> {
  let url: string | undefined
  await daemon.until(() => {
    url = /"url":"([^"]+)"/.exec(daemon.err)?.[1]
    return url !== undefined
  })
  return {
    rules: async () => (await (await fetch(`${url}/api/rules`)).json()) as never,
    metrics: async () => await (await fetch(`${url}/metrics`)).text(),
  }
}

/** Puts it in place as editors do, has it looked at, and waits until it has been dealt with. */
async function makeChange(folder: string, change: Change, daemon: Daemon, api: Api): Promise<void> {
  const path = join(folder, 'rules/changing.yaml')
  if (change.kind === 'gone') {
    rmSync(path)
  } else {
    writeFileSync(`${path}.swp`, change.text)
    renameSync(`${path}.swp`, path)
  }
  daemon.signal('SIGHUP')
  await daemon.until(async () => {
    const { rules, last_reload } = await api.rules()
    const running = rules.find(({ id }) => id === 'changing')
    switch (change.kind) {
      case 'gone':
        return running === undefined && rules.length === otherIds.length
      case 'good':
        return running?.version === change.version
      case 'bad':
        return last_reload?.problems.some((problem) => change.told.test(problem)) === true
    }
  })
}

/** Payments of a thousand cards, sent all the time, up to half a second out of order. */
class Load {
  sent = 0
  readonly #topic: string
  readonly #producer
  readonly #random = new Random(11)
  #isStopped = false
  #sending: Promise<void> = Promise.resolve()

  constructor(bootstrap: string, topic: string) {
    const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    this.#topic = topic
    this.#producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  }

  /** Event time of what is sent last, which moves time beyond all that came before. */
  get end(): number {
    return firstTimestamp + this.sent + 3_600_000
  }

  async start(): Promise<void> {
    await this.#producer.connect()
    this.#sending = this.#sendAll()
    await waitUntil(() => this.sent > 0, 'something has been sent')
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#sending
    for (const ahead of [0, 3_600_000]) {
      const value = JSON.stringify({
        ts: this.end + ahead,
        card: 'last',
        merchant: 'last',
        amount: 998,
      })
      const messages = Array.from({ length: partitions }, (_, partition) => ({ partition, value }))
      await this.#producer.send({ topic: this.#topic, messages })
    }
    await this.#producer.disconnect()
  }

  async #sendAll(): Promise<void> {
    while (!this.#isStopped) {
      const messages = Array.from({ length: 100 }, () => this.#next())
      await this.#producer.send({ topic: this.#topic, messages })
    }
  }

  /** A millisecond of event time for each. */
  #next() {
    const random = this.#random
    const card = `c${random.integer(0, 999)}`
    const value = JSON.stringify({
      ts: firstTimestamp + this.sent++ - random.integer(0, 499),
      card,
      merchant: `m${random.integer(0, 30)}`,
      amount: random.integer(0, 1000),
    })
    return { key: card, value }
  }
}

/** Some days ago: nothing is dated ahead of the clock. */
const firstTimestamp = Date.now() - 3 * 86_400_000
