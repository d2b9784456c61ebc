import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { afterAll, describe, expect, it } from 'vitest'
import { KafkaBroker } from '../../harness/kafka-broker.ts'
import { consoleConsume, createTopic, transactionsTool } from '../../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../../harness/shared-kafka.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.skipIf(!hasOwnKafka)('the Kafka broker of tests', { timeout: 120_000 }, () => {
  it('keeps what was committed over a kill, and shows nothing else', async () => {
    const broker = await KafkaBroker.start({ directory: folder, distribution: ownKafka() })
    try {
      await createTopic(broker.bootstrap, 'alerts', 2)
      const kafka = new Kafka({ brokers: [broker.bootstrap], logLevel: logLevel.NOTHING })
      const options = { idempotent: true, maxInFlightRequests: 1, transactionalId: 'of the test' }
      const producer = kafka.producer(options)
      await producer.connect()
      const send = async (value: string) => {
        const transaction = await producer.transaction()
        const headers = { id: value }
        const messages = [{ key: 'k', value, headers, partition: 1 }]
        await transaction.send({ topic: 'alerts', messages })
        return transaction
      }
      await (await send('taken back')).abort()
      await (await send('committed')).commit()
      // As likely as not the markers of that commit are not written yet.
      await broker.kill()
      await producer.disconnect().catch(() => undefined)
      await broker.restart()
      const read = () => consoleConsume(ownKafka(), broker.bootstrap, 'alerts')
      const record = {
        partition: 1,
        offset: 2,
        key: 'k',
        headers: 'id:committed',
        value: 'committed',
      }
      expect(await read()).toEqual([record])
      expect(await transactionsTool(ownKafka(), broker.bootstrap, 'list')).toContain('of the test')
    } finally {
      await broker.stop()
    }
  })

  it('is shared by all test files', async () => {
    const topic = uniqueName('topic')
    await createTopic(await sharedKafka(), topic)
    expect(await sharedKafka()).toBe(await sharedKafka())
    expect(await consoleConsume(ownKafka(), await sharedKafka(), topic)).toEqual([])
  })
})
