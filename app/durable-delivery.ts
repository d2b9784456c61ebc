import { join } from 'node:path'
import { durableState } from '../connectors/registry.ts'
import {
  type ConnectorError,
  ingestLogSource,
  type JobAlert,
  type JobDurability,
  type JobStream,
  Outbox,
  type TocsinError,
} from '../src/index.ts'
import type { AlertRouting } from './alert-routing.ts'
import { carryOverText } from './carry-over-text.ts'
import { checkpointsIn, serveCopies } from './checkpoint-copies.ts'
import type { CheckpointConfig, Config, SinkConfig } from './config.ts'
import type { ControlSocket } from './control-socket.ts'
import { hostClock, hostScheduler } from './host.ts'
import type { SideOutputFiles } from './side-output-files.ts'

/** Says something in between, on a line of its own. */
type Say = (text: string) => void

/** Alerts that wait for their checkpoint: one outbox a sink. */
export class DurableDelivery {
  readonly #outboxes: ReadonlyMap<string, Outbox>
  readonly #routing: AlertRouting

  constructor(
    sinks: readonly SinkConfig[],
    { job }: CheckpointConfig,
    routing: AlertRouting,
    say: Say,
  ) {
    this.#routing = routing
    this.#outboxes = new Map(
      sinks.map(({ name, sink, createTwoPhaseCommit }) => {
        const delivery =
          createTwoPhaseCommit === null
            ? ({ kind: 'at_least_once', sink } as const)
            : ({ kind: 'exactly_once', sink: createTwoPhaseCommit(job) } as const)
        const onRetry = ({ message }: ConnectorError, waitMs: number) =>
          say(`warning: ${message}; trying again in ${waitMs} ms\n`)
        return [
          name,
          new Outbox({ name, delivery, clock: hostClock, scheduler: hostScheduler, onRetry }),
        ]
      }),
    )
  }

  /** Stages alerts in the turn of the caller. */
  async stage(alerts: readonly JobAlert[]): Promise<void> {
    for (const [name, own] of this.#routing.bySink(alerts)) {
      const outbox = this.#outboxes.get(name)
      for (const { alert, document } of own) outbox?.stage({ id: alert.id, document: document() })
    }
  }

  durability(
    { stateDirectory }: Config,
    { intervalMs, retained }: CheckpointConfig,
    sideOutput: SideOutputFiles,
    say: Say,
    control: ControlSocket,
  ): JobDurability {
    return {
      ...durableState,
      directory: checkpointsIn(stateDirectory),
      onStarted: (copier) => serveCopies(control, copier, stateDirectory),
      outboxes: this.#outboxes,
      intervalMs,
      retained,
      beforeCheckpoint: () => sideOutput.flush(),
      onStalled: ({ message }: TocsinError, waitMs) =>
        say(
          `warning: no checkpoint can be taken, and nothing more is read: ${message}; ` +
            `trying again in ${waitMs} ms\n`,
        ),
      onRestored: (checkpoint, isFinished) => {
        if (isFinished) {
          say(
            `the job has come to its end at checkpoint ${checkpoint}; to run it anew, take another ` +
              'state.dir and another state.job\n',
          )
        } else if (checkpoint > 0) say(`going on from checkpoint ${checkpoint}\n`)
      },
      onFallBack: ({ checkpoint, reason, damaged }) =>
        say(
          `warning: ${reason}\nwarning: the job goes back to retained checkpoint ${checkpoint}, which ` +
            `no sink has gone beyond; what was damaged lies in ${damaged}\n`,
        ),
      onCarriedOver: (carryOver) =>
        say(`rules or streams are others than in the state:\n${carryOverText(carryOver)}`),
    }
  }

  async close(): Promise<void> {
    for (const outbox of this.#outboxes.values()) await outbox.close()
  }
}

/** A stream whose records can be read again: where its source keeps none, a log keeps them. */
export function replayableStream(stream: JobStream, stateDirectory: string): JobStream {
  if (stream.source.replayable === true) return stream
  const source = ingestLogSource(stream.source, {
    files: durableState.files,
    directory: join(stateDirectory, 'ingest'),
    clock: hostClock,
    scheduler: hostScheduler,
  })
  return { ...stream, source }
}
