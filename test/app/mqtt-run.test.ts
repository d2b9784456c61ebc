import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import {
  mosquitto,
  mosquittoName,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../harness/mqtt-broker.ts'
import { publisher } from '../harness/mqtt-session.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { buildOnce, folderWith } from './command-line.ts'
import { Daemon } from './daemon.ts'

const kills = Number(process.env.TOCSIN_KILL_ROUNDS ?? 3)
const seed = Number(process.env.TOCSIN_SEED ?? 20260101)
const messages = kills * 200

const brokers = [
  { name: 'aedes', isThere: true, start: startAedes, levels: [1] },
  {
    name: mosquittoName,
    isThere: mosquitto !== undefined,
    start: () => startMosquitto(),
    levels: [1, 2],
  },
]

const rule = `
id: hot
from: readings
by: device
detect:
  within: 10m
  sequence:
    - { step: hot, where: value > 80 }
alert: { fields: { n: hot.n, line: hot.line } }
`

beforeAll(buildOnce)

for (const { name, isThere, start, levels } of brokers) {
  describe.skipIf(!isThere)(`a run between topics of ${name}`, () => {
    let broker: TestBroker
    let client: MqttClient
    beforeAll(async () => {
      broker = await start()
      client = await publisher(broker)
    })
    afterAll(async () => {
      await client.endAsync(true)
      await broker.remove()
    })

    it.each(levels as readonly (1 | 2)[])(
      `gives each alert over ${kills} kills, QoS %i`,
      { timeout: 60_000 + kills * 30_000 },
      async (qos) => {
        const version = broker.kind === 'aedes' ? ', version: "3.1.1"' : ''
        const at = `url: "${broker.url}"${version}, qos: ${qos}`
        const folder = folderWith({
          'rules/hot.yaml': rule,
          'tocsin.yaml': `
streams:
  readings:
    source: { mqtt: { ${at}, topic: plant${qos}/+line/+device, message_id: { field: "n" } } }
    time: { field: ts, out_of_orderness: 10s }
sinks:
  alerts: { file: { path: alerts.ndjson }, default: true }
  topics: { mqtt: { ${at}, topic: "alerts${qos}/{rule}/{by.device}" }, default: true }
state: { backend: rocksdb, checkpoint_interval: 30ms, job: test${qos} }
`,
        })
        const heard: { readonly id: string; readonly topic: string; readonly n: number }[] = []
        client.on('message', (topic, payload) => {
          if (!topic.startsWith(`alerts${qos}/`)) return
          const { id, fields } = JSON.parse(payload.toString())
          heard.push({ id, topic, n: fields.n })
        })
        await client.subscribeAsync(`alerts${qos}/#`, { qos: 2 })
        // From its first start on the broker keeps what comes for it.
        const first = new Daemon(folder)
        await first.until(() => existsSync(join(folder, 'state/ingest/readings-0')))
        await first.until(() => checkpointOf(folder) > 2)
        await first.kill()

        const random = new Random(seed)
        const readings = Array.from({ length: messages }, (_, n) => ({
          n,
          value: random.integer(0, 100),
          ts: Date.UTC(2026, 0, 1) + n * 10,
        }))
        const expected = readings.filter(({ value }) => value > 80).map(({ n }) => n)
        const publish = async () => {
          for (const reading of readings) {
            const topic = `plant${qos}/l${reading.n % 3}/d${reading.n % 50}`
            await client.publishAsync(topic, JSON.stringify(reading), { qos })
          }
          // Time goes on, so that the last ones are decided.
          const last = { n: -1, value: 0, ts: Date.UTC(2026, 0, 2) }
          await client.publishAsync(`plant${qos}/l/d`, JSON.stringify(last), { qos })
        }
        const published = publish()
        for (let round = 0; round < kills; round++) {
          const daemon = new Daemon(folder)
          const from = checkpointOf(folder)
          await daemon.until(() => checkpointOf(folder) > from + random.integer(0, 6))
          await setTimeout(random.integer(0, 30))
          await daemon.kill()
        }
        await published
        const daemon = new Daemon(folder)
        await daemon.until(() => daemon.err.includes('going on from checkpoint'))
        await daemon.until(() => shown(folder).length >= expected.length)
        await waitUntil(() => new Set(heard.map(({ n }) => n)).size >= expected.length, 'all heard')
        const stopped = await daemon.stop()
        expect(stopped.code).toBe(0)
        // In the file each alert stands once; topics get each at least once, with the same id.
        const alerts = shown(folder)
        expect(alerts.map(({ n }) => n).sort((a, b) => a - b)).toEqual(expected)
        const topicOf = (n: number) => `alerts${qos}/hot/d${n % 50}`
        const ids = new Map(alerts.map(({ id, n }) => [n, `${id} ${topicOf(n)}`]))
        expect(new Map(heard.map(({ id, topic, n }) => [n, `${id} ${topic}`]))).toEqual(ids)
        expect(heard.every(({ id, topic, n }) => ids.get(n) === `${id} ${topic}`)).toBe(true)
      },
    )
  })
}

function shown(folder: string): readonly { readonly id: string; readonly n: number }[] {
  const path = join(folder, 'alerts.ndjson')
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => {
    const { id, fields } = JSON.parse(line)
    return { id, n: fields.n }
  })
}

/** The number of the last checkpoint that was acknowledged. */
function checkpointOf(folder: string): number {
  const path = join(folder, 'state/checkpoints/checkpoint')
  return existsSync(path) ? Number(readFileSync(path).subarray(5).toString()) : 0
}
