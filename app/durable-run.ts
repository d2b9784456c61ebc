import {
  doneBefore,
  RestartStrategy,
  type RestartStrategyOptions,
  TocsinError,
} from '../src/index.ts'
import type { CheckpointConfig } from './config.ts'
import type { ControlSocket } from './control-socket.ts'
import { DurableDelivery, replayableStream } from './durable-delivery.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { hostScheduler } from './host.ts'
import { type JobRun, runJob } from './job-run.ts'
import { jobRunOptions, type RunDone, type RunToDo } from './run-to-do.ts'
import { openSideOutputStore } from './side-output-store.ts'

/** A run with checkpoints, which others may ask for. */
export interface DurableRunToDo extends RunToDo {
  readonly control: ControlSocket
}

/**
 * Runs with checkpoints: alerts are shown with them, and the next run goes on from the last one. A
 * fault of our own is met by a restart from there, a few times.
 * @throws {unknown} a failure that a restart does not mend, or that came too often
 */
export async function runDurably(
  todo: DurableRunToDo,
  checkpoints: CheckpointConfig,
  restartOptions: RestartStrategyOptions = {},
): Promise<RunDone> {
  const { stop, log, monitor } = todo
  const restarts = new RestartStrategy(restartOptions)
  for (;;) {
    const startedAt = performance.now()
    try {
      return await runOnce(todo, checkpoints)
    } catch (failure) {
      if (!isOurFault(failure) || !canOpenAgain(todo) || stop.asked.aborted) throw failure
      const waitMs = restarts.next(performance.now() - startedAt)
      if (waitMs === null) throw failure
      monitor.jobRestarting()
      log.warn(
        `a bug in Tocsin, please report it: ${(failure as Error).stack ?? String(failure)}\n` +
          `starting again from the last checkpoint in ${waitMs} ms (restart ${restarts.restarts})`,
        { restart: restarts.restarts },
      )
      if (!(await doneBefore(stop.asked, hostScheduler.sleep(waitMs)))) throw failure
    }
  }
}

async function runOnce(todo: DurableRunToDo, checkpoints: CheckpointConfig): Promise<RunDone> {
  const { config, log, monitor, stop, control } = todo
  const { stateDirectory } = config
  const sideOutput = await openSideOutputStore(config, log)
  const delivery = new DurableDelivery(todo, checkpoints, sideOutput)
  monitor.jobStarting(delivery.outboxes)
  const options = jobRunOptions(todo)
  const streams = [...options.streams].map(
    ([name, stream]) => [name, replayableStream(stream, stateDirectory, log)] as const,
  )
  try {
    const run = await runJob({
      ...options,
      streams: new Map(streams),
      deliver: (alerts) => delivery.stage(alerts),
      sideOutput,
      durability: delivery.durability(checkpoints, control),
    })
    return { run, exitCode: sayEnd(run, delivery, todo) }
  } finally {
    await doneBefore(stop.overdue, delivery.close())
    await sideOutput.close()
  }
}

function sayEnd({ summary }: JobRun, { outboxes }: DurableDelivery, todo: RunToDo) {
  const { log } = todo
  const { checkpoint } = todo.monitor
  const goingOn = 'the next run goes on from there'
  switch (summary.end) {
    case 'ended':
      return exitCodes.fine
    case 'stopped':
      log.info(`stopped at checkpoint ${checkpoint}; ${goingOn}`, { checkpoint })
      return exitCodes.fine
    case 'unsent':
      for (const [sink, { alerts }] of outboxes) {
        if (alerts === 0) continue
        log.warn(
          `the sink ${sink} has not taken ${alerts} alerts in time; they lie in the state, and the ` +
            'next run sends them',
          { sink, alerts },
        )
      }
      log.info(`stopped at checkpoint ${checkpoint}; ${goingOn}`, { checkpoint })
      return exitCodes.fine
    case 'not_taken':
      log.warn(
        `the last checkpoint could not be taken in time: what came since checkpoint ${checkpoint} is ` +
          `read again; ${goingOn}`,
        { checkpoint },
      )
      return exitCodes.failed satisfies ExitCode
  }
}

/** Not what the outside has done or what was asked wrongly: that has a code. */
function isOurFault(failure: unknown): boolean {
  return !(failure instanceof TocsinError) || failure.code === 'ASSERTION'
}

/** What comes through a pipe cannot be asked for again, nor its end be told from its loss. */
function canOpenAgain({ config }: RunToDo): boolean {
  return config.streams.every(({ source }) => source.replayable === true || !source.bounded)
}
