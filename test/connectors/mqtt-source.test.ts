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
  })
}
