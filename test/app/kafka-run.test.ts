import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { consoleConsume, createTopic } from '../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../harness/shared-kafka.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { soakKafka } from '../soak/kafka-soak.ts'
import { RunningTocsin } from '../soak/running-tocsin.ts'
import { buildOnce, folderWith } from './command-line.ts'

const kills = Number(process.env.TOCSIN_KILL_ROUNDS ?? 3)
const folder = mkdtempSync(join(tmpdir(), 'tocsin-kafka-run-'))
beforeAll(buildOnce, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!hasOwnKafka)('a run from Kafka to Kafka', { timeout: 600_000 }, () => {
  it(`gives each alert once over ${kills} kills and one of the broker`, async () => {
    const report = await soakKafka({
      folder,
      distribution: ownKafka(),
      kills,
      brokerKills: 1,
      events: 20_000,
      seed: 7,
      say: () => undefined,
    })
    expect(report).toEqual({
      kills,
      brokerKills: 1,
      expected: expect.any(Number),
      lost: [],
      duplicate: [],
      different: [],
    })
    expect(report.expected).toBeGreaterThan(50)
  })

  it('ends where a newer process of the job has taken over, and says so', async () => {
    const bootstrap = await sharedKafka()
    const [payments, alerts] = [uniqueName('payments'), uniqueName('alerts')]
    await createTopic(bootstrap, payments)
    await createTopic(bootstrap, alerts)
    const send = await sender(bootstrap, payments)
    const at = folderWith({
      'rules/large.yaml':
        'id: large\nfrom: payments\nby: card\n' +
        'detect: { within: 1m, sequence: [{ step: large, where: amount > 900 }] }\n',
      'tocsin.yaml':
        `streams: { payments: { source: { kafka: { brokers: ["${bootstrap}"], topic: ${payments} } }, time: { field: ts } } }\n` +
        `sinks: { alerts: { kafka: { brokers: ["${bootstrap}"], topic: ${alerts} }, default: true } }\n` +
        `state: { backend: rocksdb, job: ${uniqueName('job').replaceAll('-', '_')}, checkpoint_interval: 50ms }\n`,
    })
    const cards = async () =>
      (await consoleConsume(ownKafka(), bootstrap, alerts)).map(({ key }) => key)
    const isGoingOn = (run: RunningTocsin) => () => /going on from checkpoint/.test(run.said)

    const first = new RunningTocsin(at)
    await send('a', 'b')
    await waitUntil(async () => (await cards()).length === 1, 'the first alert is there')
    expect([await first.stop(), first.said]).toEqual([0, expect.stringContaining('stopped at')])
    // The same state on another machine, where somebody starts the job again.
    const copy = `${at}-copy`
    cpSync(at, copy, { recursive: true })
    try {
      const older = new RunningTocsin(at)
      await waitUntil(isGoingOn(older), 'the older process goes on')
      const newer = new RunningTocsin(copy)
      await waitUntil(isGoingOn(newer), 'the newer process goes on')
      await send('c', 'd', 'e')
      expect([await older.ended, older.said]).toEqual([
        3,
        expect.stringMatching(
          /"code":"SINK_MARKER".*fenced: another instance of job \w+ has taken over the topic/,
        ),
      ])
      await waitUntil(async () => (await cards()).length >= 4, 'the newer process has sent all')
      expect(await newer.stop()).toBe(0)
      expect(await cards()).toEqual(['a', 'b', 'c', 'd'])
    } finally {
      rmSync(copy, { recursive: true })
    }
  })
})

/** Sends large payments of cards, each a second after the one before; the last is not yet decided. */
async function sender(bootstrap: string, topic: string) {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  afterAll(() => producer.disconnect())
  let ts = Date.now() - 3_600_000
  return async (...cards: string[]) => {
    const messages = cards.map((card) => {
      ts += 1000
      return { value: JSON.stringify({ ts, card, amount: 1000 }), partition: 0 }
    })
    await producer.send({ topic, messages })
  }
}
