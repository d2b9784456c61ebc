import { join } from 'node:path'
import { durableState } from '../connectors/registry.ts'
import {
  ConnectorError,
  openSideOutputLog,
  type RejectedEvent,
  type SideOutputKind,
  type SideOutputLog,
  type SinkAlert,
  type SuppressedAlert,
  type UndeliveredAlert,
} from '../src/index.ts'
import type { Config } from './config.ts'
import { hostClock } from './host.ts'
import type { Log } from './log.ts'
import { readUndelivered } from './side-output-reader.ts'
import { rejectedText, shadowText, suppressedText, undeliveredText } from './side-output-row.ts'

/** Where a job puts what it leaves out. */
export interface SideOutputKeeper {
  rejected(rejected: RejectedEvent): void
  /** @param document the alert's, as a sink would get it */
  suppressed(suppressed: SuppressedAlert, document: string): void
}

/** The folder of the store, in the state folder. */
export function sideOutputDirectory(stateDirectory: string): string {
  return join(stateDirectory, 'side-output')
}

/**
 * Opens the store of a run: late events, dead letters, suppressed and undelivered alerts.
 * @throws {TocsinError} STATE_DISK_FULL, STATE_IO
 */
export async function openSideOutputStore(
  { stateDirectory, sideOutput: { retentionMs, capBytes } }: Config,
  log: Log,
): Promise<SideOutputStore> {
  const directory = sideOutputDirectory(stateDirectory)
  const opened = await openSideOutputLog({
    files: durableState.files,
    directory,
    clock: hostClock,
    retentionMs,
    capBytes,
    onFull: (kind) => log.warn(fullText(kind, directory), { kind }),
    beforeRemoval: async (path) => {
      const lost = (await readUndelivered(directory, [path])).length
      if (lost === 0) return
      log.warn(
        `${lost} undelivered alerts are past their retention and removed: the job has kept them ` +
          'in vain for `tocsin dead-letters retry`',
        { alerts: lost },
      )
    },
  })
  return new SideOutputStore(opened, log)
}

export class SideOutputStore implements SideOutputKeeper {
  /** What a job's checkpoints are held against. */
  readonly log: SideOutputLog
  readonly #talk: Log

  /** Use `openSideOutputStore`. */
  constructor(log: SideOutputLog, talk: Log) {
    this.log = log
    this.#talk = talk
  }

  rejected(rejected: RejectedEvent): void {
    this.log.append(rejected.kind, rejectedText(rejected, hostClock.now()))
  }

  suppressed(suppressed: SuppressedAlert, document: string): void {
    this.log.append('suppressed', suppressedText(suppressed, document, hostClock.now()))
  }

  /** @param document the alert's, as a sink would get it if its rule were live */
  shadow(document: string): void {
    this.log.append('shadow', shadowText(document, hostClock.now()))
  }

  /** Whether they could be kept: all of them, or some, which may then come twice. */
  undelivered(sink: string, alerts: readonly UndeliveredAlert[]): boolean {
    const [first] = alerts
    for (const each of alerts) {
      if (!this.log.append('undelivered', undeliveredText(sink, each, hostClock.now())))
        return false
    }
    if (first !== undefined) {
      this.#talk.warn(
        `the sink ${sink} did not take ${alerts.length} alerts: ${first.failure.message}; they are ` +
          'kept: see `tocsin dead-letters list`',
        { sink, alerts: alerts.length },
      )
    }
    return true
  }

  /** Keeps alerts that a run without checkpoints could not wait for. */
  unsent(sink: string, alerts: readonly SinkAlert[]): boolean {
    const failure = new ConnectorError('OUTPUT_UNWRITABLE', 'the run ended before it took it', {
      retryable: true,
    })
    return this.undelivered(
      sink,
      alerts.map((alert) => ({ alert, failure, attempts: 0 })),
    )
  }

  async close(): Promise<void> {
    await this.log.close()
    for (const [kind, count] of this.log.notKept) {
      this.#talk.warn(`${count} of ${kind} were not kept: \`state.side_output.cap\` was reached`, {
        kind,
        count,
      })
    }
  }
}

function fullText(kind: SideOutputKind, directory: string): string {
  const cap = `${directory} has reached \`state.side_output.cap\``
  if (kind === 'undelivered') {
    return `${cap}: undelivered alerts wait in the state, and the job will stop reading for them; send them again with \`tocsin dead-letters retry\`, then remove what is old there, or raise the cap`
  }
  return `${cap}: what is left out as ${kind} is counted from here on, and not kept; raise the cap, or shorten \`state.side_output.retention\``
}
