import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CompiledProgram, compileProgram } from '../../harness/compile-program.ts'
import { consoleConsume, createTopic } from '../../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../../harness/shared-kafka.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-kafka-crash-'))
let program: CompiledProgram
beforeAll(() => {
  program = compileProgram(fileURLToPath(new URL('killed-committer.ts', import.meta.url)))
})
afterAll(() => {
  program.remove()
  rmSync(folder, { recursive: true })
})

describe.skipIf(!hasOwnKafka)('a Kafka sink that is killed', { timeout: 300_000 }, () => {
  it('at any request of a run, and once more while it recovers, commits each alert once', async () => {
    const bootstrap = await sharedKafka()
    const topic = uniqueName('alerts')
    await createTopic(bootstrap, topic, 3)
    const live = async (job: string, crash: string) => {
      const args = [program.path, bootstrap, topic, job, join(folder, job), crash]
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const out = child.stdout.setEncoding('utf8').toArray()
      const [code, signal] = await once(child, 'close')
      return { requests: Number((await out).join('')), killed: signal === 'SIGKILL', code }
    }
    // In some runs a request or two are sent anew: a coordinator may be busy with the last transaction.
    const { requests } = await live('plain', 'never')
    const jobs = ['plain']
    let killed = 0
    const crashAt = async (at: number) => {
      // Before a request is mostly as after the one before it, once that is answered.
      for (const moment of at % 3 === 0 ? ['before', 'after'] : ['after']) {
        const job = `${moment}-${at}`
        jobs.push(job)
        const first = await live(job, `${moment} ${at}`)
        const second = await live(job, `after ${1 + ((at * 5) % 7)}`)
        killed += Number(first.killed) + Number(second.killed)
        expect(await live(job, 'never'), job).toMatchObject({ killed: false, code: 0 })
      }
    }
    for (let at = 1; at < requests; at += 2) await Promise.all([crashAt(at), crashAt(at + 1)])
    const seen = await consoleConsume(ownKafka(), bootstrap, topic)
    const expected = jobs.flatMap((job) =>
      [1, 2].flatMap((checkpoint) => ['a', 'b', 'c'].map((card) => `${job}/${checkpoint}/${card}`)),
    )
    expect(seen.map(({ headers }) => headers.replace('id:', '')).sort()).toEqual(expected.sort())
    expect(requests).toBeGreaterThan(10)
    expect(killed).toBeGreaterThan(2 * requests)
  })
})
