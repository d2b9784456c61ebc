import { ConnectorError, type Sink, type Source, TocsinError } from '../src/index.ts'
import type { Config } from './config.ts'
import type { Terminal } from './terminal.ts'

/** How long one connection may take, ms. */
const patienceMs = 60_000

/**
 * Tries every connection of a configuration at once, sends nothing, and says what came of each.
 * @returns how many failed
 */
export async function tryConnections(
  { streams, sinks }: Config,
  terminal: Terminal,
): Promise<number> {
  const tries = [
    ...streams.map(({ name, source }) => tryOne(`stream ${name}`, () => trySource(name, source))),
    ...sinks.map(({ name, sink }) => tryOne(`sink ${name}`, () => trySink(sink))),
  ]
  let failed = 0
  for (const outcome of await Promise.all(tries)) {
    if (!outcome.isFine) failed++
    terminal.say(`${outcome.text}\n`)
  }
  return failed
}

interface Outcome {
  readonly isFine: boolean
  readonly text: string
}

async function tryOne(what: string, attempt: () => Promise<string>): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const message = `no answer within ${patienceMs / 1000} s`
    const failure = new ConnectorError('INPUT_UNREADABLE', message, { retryable: true })
    timer = setTimeout(() => reject(failure), patienceMs)
  })
  try {
    return { isFine: true, text: `${what}: ${await Promise.race([attempt(), late])}` }
  } catch (error) {
    // What is no failure of the outside is a bug, and looks like one.
    if (!(error instanceof TocsinError) || error.code === 'ASSERTION') throw error
    return { isFine: false, text: `${what}: failed: ${error.message}` }
  } finally {
    clearTimeout(timer)
  }
}

async function trySource(name: string, source: Source): Promise<string> {
  if (source.checkConnection !== undefined) {
    await source.checkConnection()
    return 'connected'
  }
  const readers = await source.open(name)
  await Promise.all(readers.map((reader) => reader.close()))
  return `connected, ${readers.length} partition(s)`
}

/** A sink is not opened for a try: that may make its file. */
async function trySink(sink: Sink): Promise<string> {
  try {
    if (sink.checkConnection === undefined) return 'not tried: nothing is connected to'
    await sink.checkConnection()
    return 'connected'
  } finally {
    if (sink.checkConnection !== undefined) await sink.close()
  }
}
