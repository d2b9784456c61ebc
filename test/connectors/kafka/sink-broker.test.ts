import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { hostClock, hostScheduler } from '../../../app/host.ts'
import { connectors } from '../../../connectors/registry.ts'
import { Outbox } from '../../../src/checkpoint/outbox.ts'
import { KafkaBroker } from '../../harness/kafka-broker.ts'
import { consoleConsume, createTopic, transactionsTool } from '../../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka } from '../../harness/shared-kafka.ts'
import { waitUntil } from '../../harness/wait-until.ts'
import { alertOf } from '../two-phase-commit-sink-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
const sink = connectors.get('kafka')!.sink!
let broker: KafkaBroker
let certificate: string

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOwnKafka || !hasOpenssl)(
  'a Kafka sink and its broker',
  { timeout: 120_000 },
  () => {
    beforeAll(async () => {
      const [keyFile, certificateFile] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']
      const files = ['-keyout', keyFile, '-out', certificateFile]
      spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject])
      certificate = readFileSync(certificateFile, 'utf8')
      const key = readFileSync(keyFile, 'utf8')
      broker = await KafkaBroker.start({
        directory: join(folder, 'broker'),
        distribution: ownKafka(),
        secured: { certificate, key, username: 'tocsin', password: 'kept secret' },
        properties: {
          'transactional.id.expiration.ms': '5000',
          'transaction.remove.expired.transaction.cleanup.interval.ms': '500',
        },
      })
    }, 120_000)
    afterAll(async () => {
      await broker.kill()
      rmSync(folder, { recursive: true })
    })

    // A test has topics of its own, so that what hangs in those of one holds up no other.
    const makeSink = async (job: string) => {
      await createTopic(broker.bootstrap, job)
      return sink.createTwoPhaseCommit!(
        { brokers: [broker.bootstrap], topic: job, marker_topic: `${job}-markers` },
        { directory: '', job, sink: 'alerts' },
      )
    }
    const idsOf = async (topic: string) =>
      (await consoleConsume(ownKafka(), broker.bootstrap, topic)).map(({ headers }) =>
        headers.slice(3),
      )

    it('goes on after its transactional id has expired', async () => {
      const committing = await makeSink('expires')
      await committing.init()
      await committing.commit(1, [alertOf('first')])
      const list = () => transactionsTool(ownKafka(), broker.bootstrap, 'list')
      await waitUntil(async () => !(await list()).includes('tocsin.expires'), 'the id has expired')
      await expect(committing.commit(2, [alertOf('second')])).rejects.toMatchObject({
        retryable: true,
        message: expect.stringContaining('producer id'),
      })
      expect(await committing.init()).toEqual({ checkpoint: 1 })
      await committing.commit(2, [alertOf('second')])
      await committing.close()
      expect(await idsOf('expires')).toEqual(['first', 'second'])
    })

    it('encrypts and says who it is, and tells apart what is wrong with that', async () => {
      const sasl = { mechanism: 'plain', username: 'tocsin', password: 'kept secret' }
      await createTopic(broker.bootstrap, 'secured')
      const brokers = [broker.securedBootstrap!]
      const secured = (more: object) =>
        sink.create({ brokers, topic: 'secured', ...more }, { directory: '' })
      const fine = secured({ tls: { ca: certificate }, sasl })
      await fine.open()
      await fine.write(['{"by":{}}'], ['secured'])
      await fine.close()
      expect(await idsOf('secured')).toEqual(['secured'])
      const failureOf = async (more: object) => {
        const error = await secured(more)
          .open()
          .catch((failure) => failure)
        return [error.retryable, error.message.replace(/^.*:\d+: /, '')]
      }
      const wrong = { ...sasl, password: 'not that one' }
      expect(await failureOf({ tls: { ca: certificate }, sasl: wrong })).toEqual([
        false,
        expect.stringMatching(/^(?!.*not that one).*correct `sasl`$/),
      ])
      expect(await failureOf({ tls: {}, sasl })).toEqual([
        false,
        expect.stringMatching(/self-signed certificate.*; correct `tls`$/),
      ])
    })

    // The last: if it fails, the broker may still be away.
    it('waits for a broker that is away, and holds up the job when much waits', async () => {
      const failures: string[] = []
      const outbox = new Outbox({
        name: 'alerts',
        delivery: { kind: 'exactly_once', sink: await makeSink('waits') },
        clock: hostClock,
        scheduler: hostScheduler,
        bytesMax: 60,
        onRetry: ({ message }) => failures.push(message),
      })
      onTestFinished(() => outbox.close())
      outbox.restore({ checkpoint: 0, committed: undefined, staged: [] }, await outbox.open())
      const checkpoint = (number: number, id: string) => {
        outbox.stage(alertOf(id))
        outbox.prepareCommit(number)
        return outbox.notifyCheckpointComplete(number)
      }
      await checkpoint(1, 'before')
      await broker.kill()
      const committed = [checkpoint(2, 'while away')]
      await waitUntil(() => failures.length > 0, 'the sink has failed')
      const wasFull = outbox.isFull
      committed.push(checkpoint(3, 'meanwhile'))
      const isFull = outbox.isFull
      await broker.restart()
      await Promise.all(committed)
      expect([wasFull, isFull, outbox.isFull, outbox.bytes]).toEqual([false, true, false, 0])
      expect(failures[0]).toMatch(
        new RegExp(`^cannot write to the topic waits at ${broker.bootstrap}: `),
      )
      expect(await idsOf('waits')).toEqual(['before', 'while away', 'meanwhile'])
    })
  },
)
