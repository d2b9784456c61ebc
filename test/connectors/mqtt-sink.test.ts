import { connect, type IPublishPacket, type MqttClient } from 'mqtt'
import { afterEach, describe, expect, it } from 'vitest'
import { mqttConnector } from '../../connectors/mqtt/connector.ts'
import { PartialWriteError, type Sink } from '../../src/connector/sink.ts'
import {
  mosquitto,
  mosquittoName,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../harness/mqtt-broker.ts'
import { waitUntil } from '../harness/wait-until.ts'

const brokers = [
  { name: 'aedes', isThere: true, start: startAedes },
  { name: mosquittoName, isThere: mosquitto !== undefined, start: () => startMosquitto() },
]

interface Heard {
  readonly topic: string
  readonly document: { readonly id: string }
  readonly qos: number
  readonly retain: boolean
  readonly id: unknown
}

for (const { name, isThere, start } of brokers) {
  describe.skipIf(!isThere)(`an MQTT sink at ${name}`, () => {
    const closing: (() => Promise<unknown>)[] = []
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close()
    })

    async function started(): Promise<TestBroker> {
      const broker = await start()
      closing.push(() => broker.remove())
      return broker
    }

    function sinkOf(broker: TestBroker, options: Readonly<Record<string, unknown>> = {}): Sink {
      const version = broker.kind === 'aedes' ? { version: '3.1.1' } : {}
      const all = { url: broker.url, topic: 'alerts/{rule}/{by.device}', ...version, ...options }
      const sink = mqttConnector.sink!.create(all, { directory: '/' })
      closing.push(() => sink.close())
      return sink
    }

    /** What a subscriber of another make hears. */
    async function listen(broker: TestBroker, filter = '#') {
      const heard: Heard[] = []
      const client: MqttClient = connect(broker.url, {
        protocolVersion: broker.kind === 'aedes' ? 4 : 5,
      })
      closing.push(() => client.endAsync(true))
      client.on('message', (topic, payload, { qos, retain, properties }: IPublishPacket) => {
        const document = JSON.parse(payload.toString())
        const id = properties?.userProperties?.['tocsin-id']
        heard.push({ topic, document, qos, retain, id })
      })
      await client.subscribeAsync(filter, { qos: 2 })
      return heard
    }

    const alert = (id: string, device: unknown, rule = 'hot') =>
      JSON.stringify({ id, rule, by: { device } })

    it.each([1, 2] as const)(
      'publishes each alert to the topic that it names, QoS %i',
      async (qos) => {
        const broker = await started()
        const heard = await listen(broker)
        const sink = sinkOf(broker, { qos })
        await sink.open()
        const devices = ['d1', 'a/b', '+', '#', 7, '', null, { x: '/' }]
        const documents = devices.map((device, index) => alert(`n${index}`, device))
        await sink.write(
          documents,
          documents.map((_, index) => `n${index}`),
        )
        await waitUntil(() => heard.length >= devices.length, 'all have come')
        const carries = broker.kind === 'mosquitto'
        expect(new Map(heard.map((each) => [each.document.id, each]))).toEqual(
          new Map(
            ['d1', 'a%2Fb', '%2B', '%23', '7', '_', '_', '{"x":"%2F"}'].map((level, index) => [
              `n${index}`,
              {
                topic: `alerts/hot/${level}`,
                document: JSON.parse(documents[index]!),
                qos,
                retain: false,
                id: carries ? `n${index}` : undefined,
              },
            ]),
          ),
        )
        expect(heard).toHaveLength(devices.length)
      },
    )

    it('leaves the last alert of a topic with the broker, where it is told to', async () => {
      const broker = await started()
      const sink = sinkOf(broker, { retain: true, topic: 'state/{rule}' })
      await sink.open()
      await sink.write([alert('first', 'd')], ['first'])
      await sink.write([alert('last', 'd')], ['last'])
      const heard = await listen(broker, 'state/#')
      await waitUntil(() => heard.length > 0, 'it has come')
      expect(heard.map(({ document, retain }) => [document.id, retain])).toEqual([['last', true]])
    })

    it('fails while the broker is away, and goes on when it is back', async () => {
      const broker = await started()
      const sink = sinkOf(broker)
      await sink.open()
      await broker.stop()
      const failure = { code: 'OUTPUT_UNWRITABLE', retryable: true }
      await expect(sink.write([alert('1', 'a')], ['1'])).rejects.toMatchObject(failure)
      await expect(sink.write([alert('1', 'a')], ['1'])).rejects.toMatchObject({
        ...failure,
        message: `${broker.url}: nobody listens there`,
      })
      await expect(sinkOf(broker).open()).rejects.toMatchObject(failure)
      await broker.start()
      const heard = await listen(broker)
      await sink.write([alert('1', 'a')], ['1'])
      await waitUntil(() => heard.length > 0, 'it has come')
      expect(heard.map(({ document }) => document.id)).toEqual(['1'])
    })

    it('refuses the alert for which there can be no topic, and no other', async () => {
      const broker = await started()
      const heard = await listen(broker)
      const sink = sinkOf(broker)
      await sink.open()
      const documents = [alert('1', 'a'), alert('2', 'x'.repeat(70_000)), alert('3', 'c')]
      const failure = await sink.write(documents, ['1', '2', '3']).catch((error) => error)
      expect(failure).toBeInstanceOf(PartialWriteError)
      const failures = [...(failure as PartialWriteError).failures]
      expect(failures.map(([index, { retryable }]) => [index, retryable])).toEqual([[1, false]])
      await waitUntil(() => heard.length >= 2, 'the others have come')
      expect(heard.map(({ document }) => document.id).sort()).toEqual(['1', '3'])
    })

    it('can be tried without sending anything', async () => {
      const broker = await started()
      await sinkOf(broker).checkConnection!()
      await broker.stop()
      await expect(sinkOf(broker).checkConnection!()).rejects.toMatchObject({ retryable: true })
    })
  })
}
