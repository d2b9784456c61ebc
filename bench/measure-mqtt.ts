// Messages a second that a source takes from mosquitto through a durable ingest log, beside what the
// same client takes without one: QoS 1, each confirmed once it is durable, while they are published.
// `npm run build && node dist/bench/measure-mqtt.js [FOLDER] [COUNT]`: mosquitto must be installed; a
// new folder is made in FOLDER (default: the current one) and removed at the end.
import { mkdtempSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { connectAsync } from 'mqtt'
import { mqttConnector } from '../connectors/mqtt/connector.ts'
import { nodeFileSystem } from '../connectors/node-file-system.ts'
import type { Source } from '../src/connector/source.ts'
import { ingestLogSource } from '../src/runtime/ingest-log-source.ts'
import { startMosquitto } from '../test/harness/mqtt-broker.ts'

const folder = resolve(process.argv[2] ?? '.')
const count = Number(process.argv[3] ?? 30_000)
const payload = JSON.stringify({
  ts: 1767225600000,
  value: 21.5,
  id: 'x'.repeat(36),
  pad: 'y'.repeat(30),
})
const scheduler = {
  sleep: (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds)),
}
const clock = { now: () => Date.now() }
const broker = await startMosquitto()
process.stdout.write(`${count} messages of ${payload.length} bytes, in ${folder}\n`)
try {
  for (const round of [1, 2, 3]) {
    await measure(`round ${round}, mqtt.js alone, QoS 1`, await plainClient())
    for (const [name, options] of [
      ['QoS 1', { qos: 1 }],
      ['QoS 1 with identities', { qos: 1, message_id: { field: 'n' } }],
      ['QoS 2', { qos: 2 }],
    ] as const) {
      await measure(`round ${round}, with the log, ${name}`, await loggedReader(name, options))
    }
  }
} finally {
  await broker.remove()
}

/** Something that takes messages: resolves when so many have come. */
interface Taker {
  readonly topic: string
  readonly qos: 0 | 1 | 2
  take(count: number): Promise<void>
  close(): Promise<void>
}

async function measure(name: string, taker: Taker): Promise<void> {
  const publishers = await Promise.all(
    Array.from({ length: 2 }, () => connectAsync(broker.url, { protocolVersion: 5 })),
  )
  const from = performance.now()
  const cpu = process.cpuUsage()
  let next = 0
  // mosquitto ends the connection of who has more under way than it takes.
  const lanes = publishers.flatMap((client) =>
    Array.from({ length: 100 }, async () => {
      for (let n = next++; n < count; n = next++) {
        const message = `${payload.slice(0, -1)},"n":${n}}`
        await client.publishAsync(`${taker.topic}/d${n % 1000}`, message, { qos: taker.qos })
      }
    }),
  )
  await Promise.all([taker.take(count), ...lanes])
  const milliseconds = performance.now() - from
  const { user, system } = process.cpuUsage(cpu)
  await Promise.all(publishers.map((client) => client.endAsync()))
  await taker.close()
  process.stdout.write(
    `${name}: ${Math.round((count / milliseconds) * 1000)}/s, ` +
      `${((user + system) / count).toFixed(0)} µs CPU a message, publishing included\n`,
  )
}

async function plainClient(): Promise<Taker> {
  const client = await connectAsync(broker.url, { protocolVersion: 5 })
  let left = 0
  let done = () => {}
  client.on('message', () => {
    if (--left === 0) done()
  })
  await client.subscribeAsync('plain/#', { qos: 1 })
  return {
    topic: 'plain',
    qos: 1,
    take: (messages) =>
      new Promise((resolve) => {
        left = messages
        done = resolve
      }),
    close: () => client.endAsync(),
  }
}

interface LoggedOptions {
  readonly qos: 1 | 2
  readonly message_id?: object
}

async function loggedReader(name: string, options: LoggedOptions): Promise<Taker> {
  const topic = name.replaceAll(' ', '-')
  const directory = mkdtempSync(join(folder, 'mqtt-'))
  const all = { ...options, url: broker.url, topic: `${topic}/+device`, client_id: topic }
  const source = mqttConnector.source?.create(all, { directory }) as Source
  const logged = ingestLogSource(source, { files: nodeFileSystem, directory, clock, scheduler })
  const [reader] = await logged.open('s')
  if (reader === undefined) throw new Error('the source has one split')
  for (;;) {
    const result = await reader.pollBatch()
    if (result.kind === 'idle' && result.backlog === false) break
  }
  return {
    topic,
    qos: options.qos,
    async take(messages) {
      for (let taken = 0; taken < messages; ) {
        const result = await reader.pollBatch()
        if (result.kind === 'batch') taken += result.batch.count
      }
    },
    async close() {
      await reader.close()
      rmSync(directory, { recursive: true })
    },
  }
}
