// `npm run kafka`: a single Kafka broker for a developer's machine, until Ctrl-C.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { KafkaBroker } from './kafka-broker.ts'
import { installKafka, kafkaVersion } from './kafka-distribution.ts'
import { writeScripts } from './kafka-tools.ts'

const usage = `npm run kafka -- [--port N] [--directory DIR] [--install]

Starts one Kafka ${kafkaVersion} broker on 127.0.0.1 and prints its address; Ctrl-C stops it.

  --port N         the port for clients, of a new directory; default 9092
  --directory DIR  keeps its data there, and goes on with what is there; default: forgets it
  --install        only installs it, in the user's cache folder

Needs Java 17 or later, and, the first time, Maven.
`

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`)
  process.exitCode = 3
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9092' },
      directory: { type: 'string' },
      install: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const port = Number(values.port)
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Error(`--port ${values.port}: expected a number from 1 to 65535`)
  }
  const distribution = await installKafka((text) => process.stderr.write(`${text}\n`))
  if (values.install) return 0
  const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
  let forgets = values.directory === undefined
  try {
    const stopped = new Promise<'stopped'>((resolve) => {
      const stop = () => resolve('stopped')
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
    })
    const broker = await KafkaBroker.start({ directory, distribution, port })
    process.stdout.write(`${broker.bootstrap}\n`)
    process.stderr.write(
      `Kafka ${kafkaVersion} is ready, with its data in ${directory}; Ctrl-C stops it\n` +
        `its own tools are in ${writeScripts(distribution)}\n`,
    )
    if ((await Promise.race([stopped, broker.ended()])) !== 'stopped') {
      forgets = false
      throw new Error(`Kafka has ended; its log is ${directory}/kafka.log`)
    }
    await broker.stop()
  } finally {
    if (forgets) rmSync(directory, { recursive: true, force: true })
  }
  return 0
}
