import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import { type CompiledProgram, compileProgram } from '../harness/compile-program.ts'
import {
  mosquitto,
  mosquittoName,
  startAedes,
  startMosquitto,
  type TestBroker,
} from '../harness/mqtt-broker.ts'
import { loggedSource, newFolder, publisher, readUntil, sourceOf } from '../harness/mqtt-session.ts'

const kills = Number(process.env.TOCSIN_KILL_ROUNDS ?? 6)
const seed = Number(process.env.TOCSIN_SEED ?? 20260101)
/** Few at once, so that there are many batches to be killed in. */
const underWay = 20
const messages = kills * 150

const brokers = [
  { name: 'aedes', isThere: true, start: startAedes },
  {
    name: mosquittoName,
    isThere: mosquitto !== undefined,
    start: () => startMosquitto([`max_inflight_messages ${underWay}`]),
  },
]

let program: CompiledProgram
beforeAll(() => {
  program = compileProgram(fileURLToPath(new URL('mqtt-reader-process.ts', import.meta.url)))
})
afterAll(() => program.remove())

for (const { name, isThere, start } of brokers) {
  describe.skipIf(!isThere)(`a killed reader of ${name}`, () => {
    let broker: TestBroker
    beforeAll(async () => {
      broker = await start()
    })
    afterAll(() => broker.remove())

    it.each<
      readonly [string, { readonly qos: 1 | 2; readonly message_id?: object }, 'each' | 'once']
    >([
      ['QoS 1 loses nothing', { qos: 1 }, 'each'],
      ['QoS 1 with identities takes each once', { qos: 1, message_id: { field: 'id' } }, 'once'],
      // After a kill aedes 1.2 publishes again what it had heard PUBREC for: no client can tell.
      name === 'aedes'
        ? ['QoS 2 loses nothing', { qos: 2 }, 'each']
        : ['QoS 2 takes each once', { qos: 2 }, 'once'],
    ])(
      `%s over ${kills} kills`,
      { timeout: 60_000 + kills * 10_000 },
      async (title, more, promise) => {
        const random = new Random(seed)
        const topic = title.replaceAll(' ', '-')
        const options = { ...more, topic: `${topic}/#`, client_id: topic }
        const { path, remove } = newFolder()
        // The session must be there before messages are.
        await runUntilKilled(options, path, 0, () => true)
        const client = await publisher(broker)
        let isPublished = false
        const published = publishAll(client, topic, more.qos).then(() => {
          isPublished = true
        })
        let killed = 0
        for (; killed < kills; killed++) {
          await runUntilKilled(options, path, random.integer(1, 8), () => isPublished)
        }
        await published
        await client.endAsync()
        const [reader] = await loggedSource(sourceOf(broker, options), path).open('s')
        const ids = new Set<number>()
        let idle = 0
        const records = await readUntil(reader!, (_, last) => {
          idle = last.kind === 'idle' && last.backlog === false ? idle + 1 : 0
          return idle > 5
        })
        await reader!.close()
        remove()
        for (const { text } of records) ids.add(JSON.parse(text).id)
        process.stdout.write(
          `${name}, ${title}: ${records.length} records, ${ids.size} ids, ${killed} kills\n`,
        )
        expect(ids.size).toBe(messages)
        if (promise === 'once') expect(records.length).toBe(messages)
      },
    )

    /** Kills it after so many batches; or when it has nothing, if that is enough. */
    async function runUntilKilled(
      options: object,
      path: string,
      batches: number,
      isEnough: () => boolean,
    ): Promise<void> {
      const args = [program.path, broker.kind, broker.url, JSON.stringify(options), path]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const exited = once(child, 'exit')
      let heard = 0
      for await (const line of createInterface({ input: child.stdout })) {
        if (line === 'batch' && ++heard === batches) child.kill('SIGKILL')
        if (line === 'idle' && isEnough()) child.kill('SIGKILL')
      }
      expect((await exited)[1]).toBe('SIGKILL')
    }

    /** Messages 0, 1, … with 20 under way. */
    async function publishAll(client: MqttClient, topic: string, qos: 1 | 2): Promise<void> {
      let next = 0
      const lane = async () => {
        for (let id = next++; id < messages; id = next++) {
          await client.publishAsync(`${topic}/${id % 7}`, JSON.stringify({ id }), { qos })
        }
      }
      await Promise.all(Array.from({ length: underWay }, lane))
    }
  })
}
