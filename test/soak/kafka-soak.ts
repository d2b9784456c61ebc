import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel, type Producer } from 'kafkajs'
import { Random } from '../../connectors/generator/random.ts'
import { KafkaBroker } from '../harness/kafka-broker.ts'
import type { KafkaDistribution } from '../harness/kafka-distribution.ts'
import { consoleConsume, createTopic } from '../harness/kafka-tools.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { RunningTocsin } from './running-tocsin.ts'

export interface KafkaSoakOptions {
  /** Where everything lies; it is left there. */
  readonly folder: string
  readonly distribution: KafkaDistribution
  /** SIGKILLs of `tocsin run`. */
  readonly kills: number
  /** SIGKILLs of the broker, each of which is started again. */
  readonly brokerKills: number
  /** Transactions. */
  readonly events: number
  readonly seed: number
  readonly say: (text: string) => void
}

/** What came out, compared with what had to. */
export interface KafkaSoakReport {
  readonly kills: number
  readonly brokerKills: number
  /** Alerts of a run that nobody killed, over files with the records of the topic. */
  readonly expected: number
  /** Ids of alerts. */
  readonly lost: readonly string[]
  readonly duplicate: readonly string[]
  readonly different: readonly string[]
}

/**
 * Kafka in, Kafka out: transactions are sent piece by piece while `tocsin run` is killed again and
 * again, and its broker too. Then Kafka's own console consumer reads what is committed.
 */
export async function soakKafka(options: KafkaSoakOptions): Promise<KafkaSoakReport> {
  const { folder, distribution, events, seed, say } = options
  const broker = await KafkaBroker.start({ directory: join(folder, 'kafka'), distribution })
  try {
    const { bootstrap } = broker
    await createTopic(bootstrap, 'payments', inputPartitions)
    await createTopic(bootstrap, 'alerts', 3)
    const job = join(folder, 'job')
    writeJob(job, `kafka: { brokers: ["${bootstrap}"], topic: payments }`, {
      sink: `kafka: { brokers: ["${bootstrap}"], topic: alerts }`,
      state: 'state: { backend: rocksdb, job: soak, checkpoint_interval: 100ms }\n',
    })
    const random = new Random(seed)
    const payments = new Payments(bootstrap, events, random)
    const counts = await killAgainAndAgain({ ...options, job, broker, payments, random })
    await payments.sendRest()
    const expected = await expectedAlerts(options, bootstrap)
    say(`${expected.size} alerts are expected`)
    const read = () => consoleConsume(distribution, bootstrap, 'alerts')
    const run = new RunningTocsin(job)
    const isDone = async () => run.isOver || (await read()).length >= expected.size
    await waitUntil(isDone, 'all alerts are there', 180_000).catch((error) => say(String(error)))
    const code = await run.stop()
    if (code !== 0) throw new Error(`tocsin run ended with ${code}:\n${run.said}`)
    return { ...counts, ...comparison(expected, await read()) }
  } finally {
    await broker.kill()
  }
}

interface KillRounds extends KafkaSoakOptions {
  readonly job: string
  readonly broker: KafkaBroker
  readonly payments: Payments
  readonly random: Random
}

async function killAgainAndAgain(rounds: KillRounds) {
  const { job, broker, payments, random, events, say } = rounds
  const piece = Math.floor(events / (rounds.kills + 1))
  let kills = 0
  let brokerKills = 0
  for (let round = 1; kills < rounds.kills; round++) {
    await payments.send(piece)
    const run = new RunningTocsin(job)
    await untilMoment(run, random)
    if (brokerKills < Math.floor((round * rounds.brokerKills) / rounds.kills)) {
      brokerKills++
      await broker.kill()
      // In some rounds the process lives on without a broker, and with the one that comes back.
      const outlives = brokerKills % 2 === 1
      await run.pause(random.integer(0, 1500))
      if (!outlives) kills += Number(await run.kill())
      await broker.restart()
      if (outlives) await untilMoment(run, random)
    }
    if (!run.isKilled) kills += Number(await run.kill())
    if (!run.isKilled) throw new Error(`tocsin run has ended by itself:\n${run.said}`)
    say(`${kills} kills, ${brokerKills} of the broker, ${payments.sent} transactions sent`)
  }
  return { kills, brokerKills }
}

/** While it starts, while it runs, or about when it commits. */
async function untilMoment(run: RunningTocsin, random: Random): Promise<void> {
  switch (random.integer(0, 2)) {
    case 0:
      return await run.pause(random.integer(0, 1500))
    case 1:
      await run.untilCheckpoint()
      return await run.pause(random.integer(0, 600))
    default:
      await run.untilCheckpoint()
      await run.untilCheckpoint()
      return await run.pause(random.integer(0, 60))
  }
}

const inputPartitions = 4

/** Some days ago, so that what is dated ahead of the others is not dated ahead of the clock. */
const firstTimestamp = Date.now() - 3 * 86_400_000

/** Payments of many cards, out of order by up to 4 s, and some later than that. */
class Payments {
  sent = 0
  readonly #producer: Producer
  readonly #total: number
  readonly #random: Random

  constructor(bootstrap: string, total: number, random: Random) {
    const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    this.#producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
    this.#total = total
    this.#random = random
  }

  async send(count: number): Promise<void> {
    await this.#producer.connect()
    const end = Math.min(this.#total, this.sent + count)
    while (this.sent < end) {
      const messages = []
      for (let left = Math.min(2000, end - this.sent); left > 0; left--) messages.push(this.#next())
      await this.#producer.send({ topic: 'payments', messages })
    }
    await this.#producer.disconnect()
  }

  /** The rest, and a last payment in each partition that moves time on beyond all others. */
  async sendRest(): Promise<void> {
    await this.send(this.#total)
    await this.#producer.connect()
    const value = JSON.stringify({ ts: firstTimestamp + 86_400_000, card: 'last', amount: 100 })
    const messages = Array.from({ length: inputPartitions }, (_, partition) => ({
      partition,
      value,
    }))
    await this.#producer.send({ topic: 'payments', messages })
    await this.#producer.disconnect()
  }

  #next() {
    const random = this.#random
    const card = `c${random.integer(0, 2000)}`
    const amount = random.integer(0, 1000)
    const merchant = `m${random.integer(0, 50)}`
    const ts = firstTimestamp + this.sent++ * 10 - random.integer(0, 4100)
    return { key: card, value: JSON.stringify({ ts, card, amount, merchant }) }
  }
}

const rules = `
id: testing
from: payments
by: card
detect:
  within: 10m
  sequence:
    - { step: probe, where: amount < 20 }
    - { step: drain, where: amount > 950 && merchant != probe.merchant }
alert: { dedupe: { by: [card], for: 1m } }
---
id: burst
from: payments
by: merchant
detect:
  within: 20s
  sequence:
    - { step: large, where: amount > 980, times: 3 }
`

function writeJob(
  folder: string,
  source: string,
  { sink, state }: { readonly sink: string; readonly state: string },
): void {
  mkdirSync(join(folder, 'rules'), { recursive: true })
  writeFileSync(join(folder, 'rules/soak.yaml'), rules)
  writeFileSync(
    join(folder, 'tocsin.yaml'),
    `streams: { payments: { source: { ${source} }, time: { field: ts, out_of_orderness: 4s } } }\n` +
      `sinks: { alerts: { ${sink}, default: true } }\n${state}`,
  )
}

/** By id, the alerts of a run over files that hold what the console consumer reads of the topic. */
async function expectedAlerts({ folder, distribution }: KafkaSoakOptions, bootstrap: string) {
  const records = await consoleConsume(distribution, bootstrap, 'payments')
  const job = join(folder, 'expected')
  const paths = Array.from({ length: inputPartitions }, (_, partition) => `${partition}.ndjson`)
  writeJob(job, `file: { path: [${paths.join(', ')}] }`, {
    sink: 'file: { path: alerts.ndjson }',
    state: '',
  })
  for (const [index, path] of paths.entries()) {
    const own = records.filter(({ partition }) => partition === index)
    // Offsets are part of an alert's id: a line's is its ordinal.
    const inOrder = own.sort((a, b) => a.offset - b.offset)
    if (inOrder.some(({ offset }, ordinal) => offset !== ordinal)) throw new Error('a gap')
    writeFileSync(join(job, path), inOrder.map(({ value }) => `${value}\n`).join(''))
  }
  const run = new RunningTocsin(job)
  const code = await run.ended
  if (code !== 0) throw new Error(`tocsin run over files ended with ${code}:\n${run.said}`)
  return new Map(run.linesOf('alerts.ndjson').map((line) => [idOf(line), contentOf(line)]))
}

function comparison(
  expected: ReadonlyMap<string, string>,
  seen: readonly { readonly value: string }[],
) {
  const counts = new Map<string, number>()
  const different: string[] = []
  for (const { value } of seen) {
    const id = idOf(value)
    counts.set(id, (counts.get(id) ?? 0) + 1)
    if (expected.get(id) !== contentOf(value)) different.push(id)
  }
  return {
    expected: expected.size,
    lost: [...expected.keys()].filter((id) => !counts.has(id)),
    duplicate: [...counts].filter(([, count]) => count > 1).map(([id]) => id),
    different,
  }
}

function idOf(document: string): string {
  return JSON.parse(document).notification
}

/** Without when it was detected, which is the one thing that may differ. */
function contentOf(document: string): string {
  return JSON.stringify({ ...JSON.parse(document), detected_at: 0 })
}
