import { durableState } from '../connectors/registry.ts'
import {
  ingestLogSource,
  type JobAlert,
  type JobDurability,
  type JobStream,
  Outbox,
  type TocsinError,
} from '../src/index.ts'
import { carryOverText } from './carry-over-text.ts'
import { checkpointsIn, ingestLogsIn, serveCopies } from './checkpoint-copies.ts'
import type { CheckpointConfig } from './config.ts'
import type { ControlSocket } from './control-socket.ts'
import { hostClock, hostRandom, hostScheduler } from './host.ts'
import type { Log } from './log.ts'
import { retryListener } from './retry-listener.ts'
import type { RunToDo } from './run-to-do.ts'
import type { SideOutputStore } from './side-output-store.ts'

/** Alerts that wait for their checkpoint: one outbox a sink. */
export class DurableDelivery {
  readonly #todo: RunToDo
  readonly #sideOutput: SideOutputStore
  readonly #outboxes: ReadonlyMap<string, Outbox>

  constructor(
    todo: RunToDo,
    { job, outboxCapBytes }: CheckpointConfig,
    sideOutput: SideOutputStore,
  ) {
    this.#todo = todo
    this.#sideOutput = sideOutput
    this.#outboxes = new Map(
      todo.config.sinks.map(({ name, sink, createTwoPhaseCommit, isImmediate }) => {
        const delivery =
          createTwoPhaseCommit === null
            ? ({ kind: isImmediate ? 'immediate' : 'at_least_once', sink } as const)
            : ({ kind: 'exactly_once', sink: createTwoPhaseCommit(job) } as const)
        const onRetry = retryListener(name, todo)
        const outbox = new Outbox({
          name,
          delivery,
          clock: hostClock,
          scheduler: hostScheduler,
          random: hostRandom,
          onRetry,
          onUndelivered: (alerts) => sideOutput.undelivered(name, alerts),
          ...(outboxCapBytes === null ? {} : { bytesMax: outboxCapBytes }),
        })
        return [name, outbox]
      }),
    )
  }

  get outboxes(): ReadonlyMap<string, Outbox> {
    return this.#outboxes
  }

  /** Stages alerts in the turn of the caller. */
  async stage(alerts: readonly JobAlert[]): Promise<void> {
    for (const { document } of this.#todo.routing.shadow(alerts)) {
      this.#sideOutput.shadow(document())
    }
    for (const [name, own] of this.#todo.routing.bySink(alerts)) {
      const outbox = this.#outboxes.get(name)
      for (const { alert, document } of own) outbox?.stage({ id: alert.id, document: document() })
    }
  }

  durability(
    { intervalMs, retained, cacheBytes }: CheckpointConfig,
    control: ControlSocket,
  ): JobDurability {
    const { config, log, monitor } = this.#todo
    const { stateDirectory } = config
    return {
      ...durableState,
      directory: checkpointsIn(stateDirectory),
      onStarted: (copier) => serveCopies(control, copier, stateDirectory),
      outboxes: this.#outboxes,
      intervalMs,
      ...(cacheBytes === null ? {} : { cacheBytes }),
      retained,
      sideOutput: this.#sideOutput.log,
      onStalled: (failure: TocsinError, waitMs) => {
        monitor.checkpointStalled(failure)
        log.warn(
          `no checkpoint can be taken, and nothing more is read: ${failure.message}; ` +
            `trying again in ${waitMs} ms`,
        )
      },
      onCompleted: (completed) => monitor.checkpointCompleted(completed),
      onRestored: (checkpoint, isFinished) => {
        monitor.checkpointRestored(checkpoint)
        if (isFinished) {
          log.info(
            `the job has come to its end at checkpoint ${checkpoint}; to run it anew, take another ` +
              'state.dir and another state.job',
            { checkpoint },
          )
        } else if (checkpoint > 0) {
          log.info(`going on from checkpoint ${checkpoint}`, { checkpoint })
        }
      },
      onFallBack: ({ checkpoint, reason, damaged }) =>
        log.warn(
          `${reason}; the job goes back to retained checkpoint ${checkpoint}, which no sink has gone ` +
            `beyond; what was damaged lies in ${damaged}`,
          { checkpoint, damaged },
        ),
      onCarriedOver: (carryOver) =>
        log.info(`rules or streams are others than in the state:\n${carryOverText(carryOver)}`, {
          ...carryOver,
        }),
    }
  }

  async close(): Promise<void> {
    for (const outbox of this.#outboxes.values()) await outbox.close()
  }
}

/** A stream whose records can be read again: where its source keeps none, a log keeps them. */
export function replayableStream(stream: JobStream, stateDirectory: string, log: Log): JobStream {
  if (stream.source.replayable === true) return stream
  const source = ingestLogSource(stream.source, {
    files: durableState.files,
    directory: ingestLogsIn(stateDirectory),
    clock: hostClock,
    scheduler: hostScheduler,
    onStalled: ({ message }, waitMs) =>
      log.warn(
        `what comes in cannot be kept, and is not read: ${message}; trying again in ${waitMs} ms`,
      ),
  })
  return { ...stream, source }
}
