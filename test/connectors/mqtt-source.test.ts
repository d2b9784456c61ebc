import type { MqttClient } from 'mqtt'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Source, SourceReader } from '../../src/connector/source.ts'
import {
  mosquitto,
  mosquittoName,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../harness/mqtt-broker.ts'
import {
  loggedSource,
  newFolder,
  publisher,
  readRecords,
  readUntil,
  readUntilSubscribed,
  sourceOf,
} from '../harness/mqtt-session.ts'

const brokers = [
  { name: 'aedes', isThere: true, start: startAedes },
  { name: mosquittoName, isThere: mosquitto !== undefined, start: () => startMosquitto() },
]

for (const { name, isThere, start } of brokers) {
  describe.skipIf(!isThere)(`an MQTT source at ${name}`, () => {
    let broker: TestBroker
    let client: MqttClient
    const closing: (() => Promise<void> | void)[] = []
    beforeAll(async () => {
      broker = await start()
      client = await publisher(broker)
    })
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close()
    })
    afterAll(async () => {
      await client.endAsync(true)
      await broker.remove()
    })

    async function open(source: Source, stream = 's'): Promise<SourceReader> {
      const [reader] = await source.open(stream)
      closing.push(() => reader!.close())
      return reader!
    }

    const folder = () => {
      const { path, remove } = newFolder()
      closing.push(remove)
      return path
    }

    const publish = (topic: string, payload: string | Buffer, qos: 0 | 1 | 2 = 1) =>
      client.publishAsync(topic, payload, { qos })

    it.each([0, 1, 2] as const)(
      'takes messages of QoS %i, with the names of levels',
      async (qos) => {
        const topic = ['t/+site/device/+device/#rest', 't/+site']
        const source = sourceOf(broker, { topic, qos, client_id: `levels-${qos}` })
        const reader = await open(loggedSource(source, folder()))
        await readUntilSubscribed(reader)
        await publish('t/a/device/b', '{"v":1}', qos)
        await publish('t/a/device/b/c/d', '{"v":2,"device":"forged"}', qos)
        await publish('t/ü', '{}', qos)
        expect(await readRecords(reader, 3)).toEqual([
          { offset: 0, text: '{"v":1,"site":"a","device":"b","rest":""}' },
          { offset: 1, text: '{"v":2,"device":"forged","site":"a","device":"b","rest":"c/d"}' },
          { offset: 2, text: '{"site":"ü"}' },
        ])
      },
    )

    it.each([1, 2] as const)('keeps what comes while it is away, QoS %i', async (qos) => {
      const options = { topic: `away${qos}/#`, qos, client_id: `away-${qos}` }
      const directory = folder()
      const first = await open(loggedSource(sourceOf(broker, options), directory))
      await readUntilSubscribed(first)
      await publish(`away${qos}/a`, '{"n":0}', qos)
      await readRecords(first, 1)
      await first.close()
      for (let n = 1; n <= 50; n++) await publish(`away${qos}/a`, `{"n":${n}}`, qos)
      const second = await open(loggedSource(sourceOf(broker, options), directory))
      const texts = (await readRecords(second, 51)).map(({ text }) => text)
      expect(texts).toEqual(Array.from({ length: 51 }, (_, n) => `{"n":${n}}`))
    })

    it.each([1, 2] as const)('confirms nothing before it is durable, QoS %i', async (qos) => {
      const source = sourceOf(broker, { topic: `held${qos}/#`, qos, client_id: `held-${qos}` })
      const first = await open(source)
      first.receipts!.restore(undefined)
      await readUntilSubscribed(first)
      await publish(`held${qos}/a`, '{"n":1}', qos)
      await publish(`held${qos}/a`, '{"n":2}', qos)
      // Both are taken, and nobody makes them durable.
      await takeWithoutConfirming(first, 2)
      await first.close()
      const second = await open(source)
      second.receipts!.restore(undefined)
      const again = await takeWithoutConfirming(second, 2)
      expect(again.texts).toEqual(['{"n":1}', '{"n":2}'])
      await second.close()
    })

    it('takes no packet of QoS 2 again that it has a receipt for, and then others', async () => {
      const source = sourceOf(broker, { topic: 'open/#', qos: 2, client_id: 'open' })
      const first = await open(source)
      first.receipts!.restore(undefined)
      await readUntilSubscribed(first)
      await publish('open/a', '{"n":1}', 2)
      const { receipts } = await takeWithoutConfirming(first, 1)
      // Durable, but the process dies before the broker hears of it.
      const ledger = first.receipts!.createLedger()
      for (const receipt of receipts) ledger.add(receipt)
      await first.close()
      await publish('open/a', '{"n":2}', 2)
      const second = await open(source)
      second.receipts!.restore(ledger.snapshot())
      expect((await readRecords(second, 1)).map(({ text }) => text)).toEqual(['{"n":2}'])
    })

    it('leaves out what comes again, by the identity that the producer gives', async () => {
      const message_id = { field: 'meta.id', messages: 3 }
      const source = sourceOf(broker, { topic: 'id/#', message_id, client_id: 'id' })
      const directory = folder()
      const first = await open(loggedSource(source, directory))
      await readUntilSubscribed(first)
      const send = (id: unknown, n: number, topic = 'id/a') =>
        publish(topic, JSON.stringify({ n, meta: { id } }))
      await send('a', 1)
      await send('a', 2)
      // A number is no text, another topic has messages of its own, and who has no id comes always.
      await send(1, 3)
      await send('1', 4)
      await send(1, 5, 'id/b')
      for (const n of [6, 7]) await publish('id/a', JSON.stringify({ n }))
      const taken = (await readRecords(first, 6)).map(({ text }) => JSON.parse(text).n)
      expect(first.leftOut!()).toEqual({ duplicate: 1, retained: 0, unsubscribed: 0 })
      await first.close()
      // Over a restart the last three are known, and the one before is forgotten.
      for (const [id, n] of [
        [1, 8],
        ['1', 9],
        ['a', 10],
      ] as const)
        await send(id, n)
      const second = await open(loggedSource(source, directory))
      const all = (await readRecords(second, 7)).map(({ text }) => JSON.parse(text).n)
      expect([taken, all]).toEqual([
        [1, 3, 4, 5, 6, 7],
        [1, 3, 4, 5, 6, 7, 10],
      ])
    })

    it('takes retained messages once, marked as such, or leaves them', async () => {
      await client.publishAsync('kept/a', '{"v":1}', { qos: 1, retain: true })
      const options = { topic: 'kept/#', fields: { retained: 'old', topic: 'from' } }
      const taking = sourceOf(broker, { ...options, client_id: 'taking' })
      const directory = folder()
      const first = await open(loggedSource(taking, directory))
      await readRecords(first, 1)
      await first.close()
      const second = await open(loggedSource(taking, directory))
      await readUntilSubscribed(second)
      const leaving = sourceOf(broker, { ...options, retained: 'leave', client_id: 'leaving' })
      const third = await open(loggedSource(leaving, folder()))
      await readUntilSubscribed(third)
      await publish('kept/a', '{"v":2}')
      const live = '{"v":2,"from":"kept/a","old":false}'
      const texts = async (reader: SourceReader) =>
        (await readRecords(reader, 1)).map(({ text }) => text)
      expect([await texts(second), await texts(third)]).toEqual([[live], [live]])
      // All that there ever was, from the log.
      const again = await open(loggedSource(taking, directory))
      expect((await readRecords(again, 2)).map(({ text }) => text)).toEqual([
        '{"v":1,"from":"kept/a","old":true}',
        live,
      ])
    })

    it('makes a field of text, notes when it came, and marks what is no record', async () => {
      const fields = { received: 'ts', payload: 'reading' }
      const text = sourceOf(broker, {
        topic: 'text/+id',
        format: 'text',
        fields,
        client_id: 'text',
      })
      const json = sourceOf(broker, { topic: 'text/+id', client_id: 'json' })
      const readers = [await open(text), await open(json)]
      for (const reader of readers) await readUntilSubscribed(reader)
      const before = Date.now()
      await publish('text/a', '21.5 "°C"')
      await publish('text/b', Buffer.from([0xff, 0x7b]))
      const [asText, asJson] = await Promise.all(readers.map((reader) => readRecords(reader, 2)))
      const first = JSON.parse(asText![0]!.text)
      expect(first).toEqual({ reading: '21.5 "°C"', id: 'a', ts: first.ts })
      expect(first.ts >= before && first.ts <= Date.now()).toBe(true)
      expect([asText![1], ...asJson!]).toEqual([
        { offset: 1, text: '\ufffd{', cause: 'format' },
        { offset: 0, text: '21.5 "°C"', cause: 'format' },
        { offset: 1, text: '\ufffd{', cause: 'format' },
      ])
    })

    it('ends subscriptions that are no longer wanted', async () => {
      const directory = folder()
      const options = { client_id: 'changed' }
      const topic = ['old/#', 'both/#']
      const first = await open(loggedSource(sourceOf(broker, { ...options, topic }), directory))
      await readUntilSubscribed(first)
      await first.close()
      const changed = { ...options, topic: ['both/#', 'new/#'] }
      const second = await open(loggedSource(sourceOf(broker, changed), directory))
      await readUntilSubscribed(second)
      for (const each of ['old/a', 'both/a', 'new/a']) await publish(each, `{"at":"${each}"}`)
      const texts = (await readRecords(second, 2)).map(({ text }) => text)
      expect(texts).toEqual(['{"at":"both/a"}', '{"at":"new/a"}'])
    })

    it('connects again when the broker comes back, and says what it waits for', async () => {
      const own = await start()
      closing.push(() => own.remove())
      const options = { topic: 'again/#', qos: 2, client_id: 'again' }
      const reader = await open(loggedSource(sourceOf(own, options), folder()))
      await readUntilSubscribed(reader)
      await own.stop()
      const problems = new Set<string>()
      await readUntil(reader, (_, last) => {
        if (last.kind === 'idle') problems.add(`${last.backlog} ${last.problem}`)
        return problems.has(`true ${own.url}: nobody listens there`)
      })
      await own.start()
      await readUntilSubscribed(reader)
      const other = await publisher(own)
      await other.publishAsync('again/a', '{"n":1}', { qos: 2 })
      await other.endAsync()
      expect((await readRecords(reader, 1)).map(({ text }) => text)).toEqual(['{"n":1}'])
    })

    it('is closed also where the broker is away', async () => {
      const away = { kind: broker.kind, url: 'mqtt://127.0.0.1:1' }
      const reader = await open(sourceOf(away, {}))
      expect((await reader.pollBatch()).kind).toBe('idle')
      await reader.close()
      expect(await reader.pollBatch()).toEqual({ kind: 'end' })
    })

    it('can be tried without being read', async () => {
      await sourceOf(broker, {}).checkConnection!()
      const away = sourceOf({ kind: broker.kind, url: 'mqtt://127.0.0.1:1' }, {})
      await expect(away.checkConnection!()).rejects.toMatchObject({
        code: 'INPUT_UNREADABLE',
        message: 'mqtt://127.0.0.1:1: nobody listens there',
        retryable: true,
      })
    })
  })
}

/** Takes so many records, and leaves them unconfirmed. */
async function takeWithoutConfirming(reader: SourceReader, count: number) {
  const texts: string[] = []
  const receipts: Uint8Array[] = []
  while (texts.length < count) {
    const result = await reader.pollBatch()
    if (result.kind !== 'batch') continue
    const { batch, receipt } = result
    if (receipt !== undefined) receipts.push(receipt)
    for (let row = 0; row < batch.count; row++) {
      texts.push(batch.bytes.toString('utf8', batch.starts[row], batch.ends[row]))
    }
  }
  return { texts, receipts }
}
