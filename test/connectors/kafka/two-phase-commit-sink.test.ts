import { Kafka, logLevel } from 'kafkajs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectors } from '../../../connectors/registry.ts'
import type { TwoPhaseCommitSink } from '../../../src/connector/two-phase-commit-sink.ts'
import { consoleConsume, createTopic } from '../../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../../harness/shared-kafka.ts'
import { alertOf, twoPhaseCommitConformance } from '../two-phase-commit-sink-conformance.ts'

type Options = Readonly<Record<string, unknown>>

let bootstrap: string
let kafka: Kafka
const sinks: TwoPhaseCommitSink[] = []

/** A sink as the connector makes it; all of a topic have the same transactional id. */
function makeSink(topic: string, job = 'job', more: Options = {}): TwoPhaseCommitSink {
  const { sink } = connectors.get('kafka')!
  const options = { brokers: [bootstrap], topic, ...more }
  const made = sink!.createTwoPhaseCommit!(options, { directory: '', job, sink: topic })
  sinks.push(made)
  return made
}

async function freshTopic(partitions = 1, settings: Readonly<Record<string, string>> = {}) {
  const topic = uniqueName('alerts')
  await createTopic(bootstrap, topic, partitions, settings)
  return topic
}

const read = (topic: string) => consoleConsume(ownKafka(), bootstrap, topic)
const idsOf = async (topic: string) => (await read(topic)).map(({ headers }) => headers.slice(3))
const by = (id: string, values: object) => ({ id, document: JSON.stringify({ id, by: values }) })

describe.skipIf(!hasOwnKafka)(
  'a Kafka sink that commits with checkpoints',
  {
    timeout: 120_000,
  },
  () => {
    beforeAll(async () => {
      bootstrap = await sharedKafka()
      kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING })
    }, 120_000)
    afterAll(async () => {
      for (const sink of sinks) await sink.close()
    })

    twoPhaseCommitConformance(async () => {
      const topic = await freshTopic(1, { 'max.message.bytes': '4000000' })
      return {
        instance: (job) => makeSink(topic, job),
        documents: async () => (await read(topic)).map(({ value }) => value),
      }
    })

    it('gives each record key, partition and id, whatever it is compressed with', async () => {
      const topic = await freshTopic(3)
      const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
      for (const [index, compression] of codecs.entries()) {
        const sink = makeSink(topic, 'job', { compression })
        await sink.init()
        await sink.commit(index + 1, [by(compression, { card: '21' })])
        await sink.close()
      }
      const sink = makeSink(topic)
      await sink.init()
      await sink.commit(9, [by('other', { card: 'abc', shop: 7 }), by('keyless', {})])
      const seen = await read(topic)
      // Of the 31 lower bits of Java's hash of 21 the rest by 3.
      const partition = (-973932308 & 0x7fffffff) % 3
      const expected = codecs.map((codec) => [`id:${codec}`, { key: '21', partition }] as const)
      expect(
        Object.fromEntries(seen.map((each) => [each.headers, { ...each, value: 0, offset: 0 }])),
      ).toMatchObject({
        ...Object.fromEntries(expected),
        'id:other': { key: '["abc",7]' },
        'id:keyless': { key: null },
      })
      expect(seen.length).toBe(7)
    })

    it('says that it is fenced, however often it is asked, and leaves the newer one alone', async () => {
      const topic = await freshTopic()
      const older = makeSink(topic)
      await older.init()
      await older.commit(1, [alertOf('a')])
      const newer = makeSink(topic)
      expect(await newer.init()).toEqual({ checkpoint: 1 })
      const fenced = {
        code: 'SINK_MARKER',
        retryable: false,
        message: expect.stringMatching(
          new RegExp(`^fenced: another instance of job job has taken over the topic ${topic}`),
        ),
      }
      await expect(older.commit(2, [alertOf('of the older')])).rejects.toMatchObject(fenced)
      await expect(older.init()).rejects.toMatchObject(fenced)
      await newer.commit(2, [alertOf('b')])
      expect(await idsOf(topic)).toEqual(['a', 'b'])
    })

    it('is not fenced where only its producer was: then it may try again', async () => {
      const topic = await freshTopic()
      const sink = makeSink(topic)
      await sink.init()
      await sink.commit(1, [alertOf('a')])
      // As after a transaction that took longer than its time-out: the epoch is another one.
      const transactionalId = `tocsin.job.${topic}`
      const other = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 })
      await other.connect()
      await (await other.transaction()).abort()
      await expect(sink.commit(2, [alertOf('b')])).rejects.toMatchObject({
        code: 'OUTPUT_UNWRITABLE',
        retryable: true,
        message: expect.stringMatching(`cannot write to the topic ${topic} at ${bootstrap}: `),
      })
      await expect(sink.commit(2, [alertOf('b')])).rejects.toThrow('has not been initialised')
      expect(await sink.init()).toEqual({ checkpoint: 1 })
      await sink.commit(2, [alertOf('b')])
      await other.disconnect()
      expect(await idsOf(topic)).toEqual(['a', 'b'])
    })

    it('waits for transactions of others that hold back the marker', async () => {
      const [topic, marker_topic] = [await freshTopic(), uniqueName('markers')]
      const sink = makeSink(topic, 'job', { marker_topic })
      await sink.init()
      const options = { transactionalId: uniqueName('other'), maxInFlightRequests: 1 }
      const other = kafka.producer({ ...options, idempotent: true })
      await other.connect()
      const open = await other.transaction()
      await open.send({
        topic: marker_topic,
        messages: [{ key: 'other', value: 'x', partition: 0 }],
      })
      // It lies behind the record of the open transaction, where no reader may see it yet.
      await sink.commit(4, [alertOf('a')])
      const initialising = makeSink(topic, 'job', { marker_topic }).init()
      let known: unknown = 'nothing yet'
      void initialising.then((marker) => {
        known = marker
      })
      await makeSink(topic, 'another job').init()
      const before = known
      await open.abort()
      expect([before, await initialising]).toEqual(['nothing yet', { checkpoint: 4 }])
      await other.disconnect()
    })

    it('refuses alerts that are larger than the topic takes', async () => {
      const topic = await freshTopic(1, { 'max.message.bytes': '5000' })
      const sink = makeSink(topic)
      await sink.init()
      const large = alertOf('x'.repeat(4000))
      expect(sink.refusalOf!(large)).toMatchObject({
        retryable: false,
        message: `the alert takes 8120 bytes, and the topic ${topic} takes 5000; raise its max.message.bytes, or let the rule show fewer events`,
      })
      const many = Array.from({ length: 200 }, (_, i) => alertOf(`${i}${'y'.repeat(1500)}`))
      expect(many.map((alert) => sink.refusalOf!(alert))).toEqual(many.map(() => undefined))
      await sink.commit(1, many)
      expect(await idsOf(topic)).toEqual(many.map(({ id }) => id))
    })

    it('learns that a topic has come to take less', async () => {
      const topic = await freshTopic()
      const sink = makeSink(topic)
      await sink.init()
      const large = alertOf('x'.repeat(4000))
      const admin = kafka.admin()
      await admin.connect()
      const configEntries = [{ name: 'max.message.bytes', value: '5000' }]
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: topic, configEntries }],
      })
      await admin.disconnect()
      const before = sink.refusalOf!(large)
      await expect(sink.commit(1, [large])).rejects.toMatchObject({ retryable: true })
      expect([before, await sink.init()]).toEqual([undefined, undefined])
      expect(sink.refusalOf!(large)?.message).toContain(`the topic ${topic} takes 5000`)
      await sink.commit(1, [alertOf('small')])
      expect(await idsOf(topic)).toEqual(['small'])
    })

    it('says what is missing, and what to do', async () => {
      const topic = await freshTopic()
      const logged = await freshTopic(1, { 'cleanup.policy': 'delete' })
      const failures = [
        makeSink('nowhere').init(),
        makeSink(topic, 'job', { marker_topic: logged }).init(),
        makeSink(topic, 'job', { transaction_timeout: '1d' }).init(),
      ]
      const settled = await Promise.allSettled(failures)
      const messages = settled.map((each) => (each.status === 'rejected' ? each.reason : undefined))
      expect(messages.map(({ code, retryable, message }) => [code, retryable, message])).toEqual([
        ['OUTPUT_UNWRITABLE', false, 'there is no topic nowhere; create it, or correct `topic`'],
        [
          'SINK_MARKER',
          false,
          `the topic ${logged} has cleanup.policy=delete, and would lose what is committed: set it to compact, or choose another \`marker_topic\``,
        ],
        [
          'OUTPUT_UNWRITABLE',
          false,
          expect.stringMatching(/transaction timeout is larger.*; lower `transaction_timeout`$/),
        ],
      ])
    })

    it('refuses a transactional id of another job, and options that cannot be', async () => {
      const topic = await freshTopic()
      const transactional_id = uniqueName('shared')
      const first = makeSink(topic, 'one', { transactional_id })
      await first.init()
      await expect(makeSink(topic, 'two', { transactional_id }).init()).rejects.toMatchObject({
        code: 'SINK_MARKER',
        message: `the transactional id ${transactional_id} belongs to job one, and this is job two; choose another \`transactional_id\``,
      })
      const refused = (more: Options) => () => makeSink(topic, 'job', more)
      expect(refused({ marker_topic: topic })).toThrow('a `marker_topic` that is not the topic')
      expect(refused({ transaction_timeout: '10ms' })).toThrow('of at least `1s`')
    })
  },
)
