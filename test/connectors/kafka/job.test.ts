import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { jsonFormat } from '../../../connectors/format/format.ts'
import { kafkaSource } from '../../../connectors/kafka/source.ts'
import { KafkaBroker } from '../../harness/kafka-broker.ts'
import { withProducer, writeRecords } from '../../harness/kafka-records.ts'
import { kafkaSourceTest } from '../../harness/kafka-source-test.ts'
import { createTopic } from '../../harness/kafka-tools.ts'
import { LiveRun } from '../../harness/live-run.ts'
import { hasKafka, hasOwnKafka, ownKafka } from '../../harness/shared-kafka.ts'
import { positions } from '../../harness/split-run.ts'
import { waitUntil } from '../../harness/wait-until.ts'

const kafka = kafkaSourceTest()
const day = 86_400_000

function at(ts: number, partition = 0, more: object = {}) {
  return { partition, value: { ts, k: `k${partition}`, ...more } }
}

describe.skipIf(!hasKafka)('a job over Kafka', { timeout: 90_000 }, () => {
  it('goes on though a partition stands idle, and counts and keeps what comes late to it', async () => {
    const now = Date.now()
    const topic = await kafka.topicWith([at(now - 5000), at(now - 4000, 1), at(now - 3000)], 3)
    const run = new LiveRun({ source: kafka.source([topic]), idleAfterMs: 500 })
    // Partition 2 has nothing, and partition 1 nothing more; partition 0 goes on.
    let sent = 3
    await waitUntil(async () => {
      await writeRecords(kafka.bootstrap, topic, [at(now - 2500 + sent++)])
      return run.alerts.length > 3
    }, 'time goes on')
    await writeRecords(kafka.bootstrap, topic, [at(now - 3500, 1), at(now - 3500, 2)])
    await waitUntil(() => run.rejected.length === 2, 'what is late is told of')
    // Those partitions hold time again until they are idle again.
    const before = sent
    await waitUntil(async () => {
      await writeRecords(kafka.bootstrap, topic, [at(now - 2500 + sent++)])
      return run.alerts.length > before
    }, 'time goes on once more')
    await waitUntil(() => run.events === sent, 'all that was sent is read')
    const summary = await run.stop()
    expect(run.rejected.map(({ kind, partition, offset }) => [kind, partition, offset])).toEqual(
      expect.arrayContaining([
        ['late_after_idle', 1, 1],
        ['late_after_idle', 2, 0],
      ]),
    )
    expect(summary).toMatchObject({ events: sent, lateAfterIdle: 2, late: 0, deadLetters: 0 })
  })

  it('does not let a record of a year ahead move its clock', async () => {
    const now = Date.now()
    const times = [now - 3000, now + 365 * day, now - 2000, now - 1000]
    const topic = await kafka.topicWith(times.map((time) => at(time)))
    const run = new LiveRun({ source: kafka.source([topic]), idleAfterMs: 300 })
    await run.until(2)
    await run.stop()
    expect(positions(run.alerts)).toEqual([
      `payments/0/0@${now - 3000}`,
      `payments/0/2@${now - 2000}`,
    ])
    expect(run.rejected).toMatchObject([
      {
        kind: 'dead_letter',
        cause: 'future',
        stream: 'payments',
        partition: 0,
        origin: { topic, partition: 0 },
        offset: 1,
        raw: JSON.stringify({ ts: now + 365 * day, k: 'k0' }),
      },
    ])
  })

  it('holds times ahead of the broker, where that says when it appended a record', async () => {
    const topic = `appended-${Date.now()}`
    await createTopic(kafka.bootstrap, topic, 1, { 'message.timestamp.type': 'LogAppendTime' })
    const now = Date.now()
    await writeRecords(
      kafka.bootstrap,
      topic,
      [60_000, 1, 2, 3].map((ms) => at(now + ms)),
    )
    // It is read later: by the clock of the reader the first one would not be far ahead.
    const source = kafka.source([topic])
    const run = new LiveRun({ source, idleAfterMs: 100, maxFutureSkewMs: 30_000 })
    await run.until(2)
    await run.stop()
    expect(run.rejected).toMatchObject([{ cause: 'future', offset: 0 }])
  })

  it('catches up from a day behind within the cap of what waits to be put in order', async () => {
    const now = Date.now()
    const count = 20_000
    const topic = await kafka.topicWith([], 2)
    const padding = 'x'.repeat(300)
    const behind = Array.from({ length: count }, (_, n) =>
      at(now - day + Math.floor((n * day) / count), 0, { padding }),
    )
    // The other partition has as many of the last hour: read at once they would all wait.
    const hour = day / 24
    const recent = Array.from({ length: count }, (_, n) =>
      at(now - hour + Math.floor((n * hour) / count), 1, { padding }),
    )
    await writeRecords(kafka.bootstrap, topic, behind, { batch: 500 })
    await writeRecords(kafka.bootstrap, topic, recent, { batch: 500 })
    await writeRecords(kafka.bootstrap, topic, [at(now), at(now, 1)])
    const sorterCapBytes = 2 * 1024 * 1024
    const source = kafka.source([topic], { packBytes: 64 * 1024 })
    const run = new LiveRun({
      source,
      sorterCapBytes,
      idleAfterMs: 1000,
      maxDriftMs: day,
      outOfOrdernessMs: 0,
    })
    await run.until(2 * count)
    const summary = await run.stop()
    const times = run.alerts.map(({ eventTime }) => eventTime)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(summary).toMatchObject({
      events: 2 * count + 2,
      late: 0,
      lateAfterIdle: 0,
      deadLetters: 0,
    })
    expect(summary.bufferedBytesMax).toBeLessThan(1.25 * sorterCapBytes)
  })

  it('takes times from the broker where the time field is one that was asked for', async () => {
    const topic = await kafka.topicWith([
      { value: { k: 'a' }, timestamp: 5000 },
      { value: { k: 'a' }, timestamp: 7000 },
      { value: { k: 'a' }, timestamp: 9000 },
    ])
    const source = kafka.source([topic], { fields: { timestamp: 'kafka_time' } })
    const run = new LiveRun({ source, timeField: 'kafka_time', idleAfterMs: 100 })
    await run.until(2)
    await run.stop()
    expect(positions(run.alerts)).toEqual(['payments/0/0@5000', 'payments/0/1@7000'])
  })
})

describe.skipIf(!hasOwnKafka)('a broker that is killed', { timeout: 180_000 }, () => {
  it('is waited for: nothing is lost and nothing comes twice', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
    const broker = await KafkaBroker.start({ directory, distribution: ownKafka() })
    try {
      await createTopic(broker.bootstrap, 'payments', 2)
      const source = kafkaSource({
        client: { brokers: [broker.bootstrap], clientId: 'test', tls: undefined, sasl: undefined },
        topics: ['payments'],
        start: 'earliest',
        readsUncommitted: false,
        group: undefined,
        createFormat: () => jsonFormat,
        fields: undefined,
        packBytes: 4096,
      })
      const run = new LiveRun({ source, idleAfterMs: 500 })
      const begin = Date.now() - 3_600_000
      const batchOf = 2000
      for (let round = 0; round < 3; round++) {
        const records = Array.from({ length: batchOf }, (_, i) => {
          const n = round * batchOf + i
          return at(begin + n, n % 2)
        })
        await withProducer(broker.bootstrap, {}, async (producer) => {
          const messages = records.map(({ partition, value }) => {
            return { partition, value: JSON.stringify(value) }
          })
          await producer.send({ topic: 'payments', messages })
        })
        // Killed while the records of this round are being read.
        await waitUntil(() => run.alerts.length > round * batchOf, 'some have come')
        if (round === 2) break
        await broker.kill()
        await waitUntil(() => run.problems.length > 0, 'it is told that the broker is away')
        await broker.restart()
      }
      await writeRecords(broker.bootstrap, 'payments', [at(Date.now()), at(Date.now(), 1)])
      await run.until(3 * batchOf)
      const summary = await run.stop()
      const expected = Array.from({ length: 3 * batchOf }, (_, n) => {
        return `payments/${n % 2}/${Math.floor(n / 2)}@${begin + n}`
      })
      expect(positions(run.alerts)).toEqual(expected)
      expect(summary).toMatchObject({ events: 3 * batchOf + 2, late: 0, lateAfterIdle: 0 })
      expect(run.problems.some((problem) => problem.includes(broker.bootstrap))).toBe(true)
      expect(run.problems.at(-1)).toBe('over')
    } finally {
      await broker.kill()
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
