import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Outbox, type Sink, TocsinError, type UndeliveredAlert } from '../src/index.ts'
import type { SinkConfig } from './config.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { hostClock, hostRandom, hostScheduler } from './host.ts'
import { readConfig } from './read-config.ts'
import { readUndelivered, type UndeliveredDocument } from './side-output-reader.ts'
import { sideOutputDirectory } from './side-output-store.ts'
import type { Terminal } from './terminal.ts'

export interface RetryDeadLettersOptions {
  readonly config?: string
  readonly sink?: string
}

/** Alerts whose delivery is noted together. */
const chunkLength = 100
/** A person waits: who is still away then is tried by the next call. */
const retryPolicy = { attemptsMax: 3, ageMaxMs: 60_000 }

/**
 * `tocsin dead-letters retry`: gives undelivered alerts to their sinks again, beside a running job or
 * without one, and notes what was taken. An alert may come twice, with the same id.
 */
export async function retryDeadLetters(
  options: RetryDeadLettersOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const config = readConfig(options.config, terminal)
  const directory = sideOutputDirectory(config.stateDirectory)
  if (options.sink !== undefined && !config.sinks.some(({ name }) => name === options.sink)) {
    const names = config.sinks.map(({ name }) => name).join(', ')
    throw new TocsinError('USAGE', `there is no sink ${options.sink}; there are ${names}`)
  }
  const bySink = new Map<string, UndeliveredDocument[]>()
  for (const each of await readUndelivered(directory)) {
    const { sink } = each.row
    if (options.sink === undefined || sink === options.sink) {
      bySink.set(sink, [...(bySink.get(sink) ?? []), each])
    }
  }
  if (bySink.size === 0) terminal.say('there are no undelivered alerts\n')
  let left = 0
  for (const [name, alerts] of bySink) {
    const sink = config.sinks.find((each) => each.name === name)
    if (sink === undefined) {
      left += alerts.length
      terminal.say(`${name}: ${alerts.length} alerts of a sink that is no longer configured\n`)
    } else left += await retrySink(sink, alerts, directory, terminal)
  }
  return left > 0 ? exitCodes.failed : exitCodes.fine
}

/** Gives how many it did not take. */
async function retrySink(
  { name, sink }: SinkConfig,
  alerts: readonly UndeliveredDocument[],
  directory: string,
  terminal: Terminal,
): Promise<number> {
  const failures: UndeliveredAlert[] = []
  const outbox = new Outbox({
    name,
    delivery: { kind: 'at_least_once', sink: patient(sink) },
    clock: hostClock,
    scheduler: hostScheduler,
    random: hostRandom,
    onUndelivered: (undelivered) => failures.push(...undelivered) > 0,
  })
  const notes = new RetryNotes(directory)
  let taken = 0
  try {
    const marker = await outbox.open()
    outbox.restore({ checkpoint: 0, committed: undefined, staged: [] }, marker)
    for (let at = 0, chunk = 1; at < alerts.length; at += chunkLength, chunk++) {
      const some = alerts.slice(at, at + chunkLength)
      for (const { row, document } of some) outbox.stage({ id: row.id, document })
      outbox.prepareCommit(chunk)
      outbox.notifyCheckpointComplete(chunk).catch(() => undefined)
      await outbox.settled()
      const refused = new Set(failures.map(({ alert }) => alert.id))
      const delivered = some.filter(({ row }) => !refused.has(row.id)).map(({ row }) => row.id)
      notes.add(name, delivered)
      taken += delivered.length
      // Who is away for one chunk is away for the next.
      if (delivered.length === 0) break
    }
  } finally {
    notes.close()
    await outbox.close()
  }
  const left = alerts.length - taken
  const [first] = failures
  const why = first === undefined ? '' : `; ${left} not: ${first.failure.message}`
  terminal.say(`${name}: ${taken} alerts delivered${why}\n`)
  return left
}

function patient(sink: Sink): Sink {
  return {
    policy: { ...sink.policy, retry: retryPolicy },
    open: () => sink.open(),
    write: (documents, ids) => sink.write(documents, ids),
    close: () => sink.close(),
  }
}

/** The file of what one retry has delivered: its own, as a job may be writing beside it. */
class RetryNotes {
  readonly #directory: string
  #descriptor: number | null = null

  constructor(directory: string) {
    this.#directory = directory
  }

  add(sink: string, ids: readonly string[]): void {
    if (ids.length === 0) return
    this.#descriptor ??= openSync(
      join(this.#directory, `retried-${hostClock.now()}-${process.pid}-${sink}.ndjson`),
      'a',
    )
    const text = ids.map((id) => `${JSON.stringify({ sink, id })}\n`).join('')
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at)
    fsyncSync(this.#descriptor)
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = null
  }
}
