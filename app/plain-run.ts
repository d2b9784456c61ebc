import { doneBefore } from '../src/index.ts'
import { type ExitCode, exitCodes } from './exit-code.ts'
import { type JobRun, runJob } from './job-run.ts'
import { PlainDelivery } from './plain-delivery.ts'
import { isBounded, jobRunOptions, type RunDone, type RunToDo } from './run-to-do.ts'
import { openSideOutputStore, type SideOutputStore } from './side-output-store.ts'

/**
 * Runs without checkpoints: alerts are written as they come, and what the run knows ends with its
 * process. A file of alerts is shown at the end; by a run that was to come to one and has not, never.
 */
export async function runPlainly(todo: RunToDo): Promise<RunDone> {
  const { config, log, monitor, stop } = todo
  warnOfLoss(todo)
  // Opened first: sinks may lie in the folder of the state.
  const sideOutput = await openSideOutputStore(config, log)
  const delivery = new PlainDelivery(todo, sideOutput)
  monitor.jobStarting(delivery.outboxes)
  try {
    await doneBefore(stop.asked, delivery.open())
    const run = await runJob({
      ...jobRunOptions(todo),
      deliver: (alerts) => delivery.write(alerts),
      sideOutput,
      betweenBatches: () => sideOutput.log.betweenBatches(),
    })
    return { run, exitCode: await end(run, delivery, sideOutput, todo) }
  } catch (error) {
    await delivery.discard().catch(() => undefined)
    throw error
  } finally {
    await sideOutput.close()
  }
}

function warnOfLoss({ config, log }: RunToDo): void {
  const endless = config.streams.find(({ source }) => !source.bounded)
  if (endless === undefined) return
  log.warn(
    `the stream ${endless.name} never ends, and \`state.backend\` is \`memory\`: what this run knows ` +
      'is lost with its process; `state: { backend: rocksdb }` keeps it, and gives alerts exactly once',
  )
}

async function end(
  { summary }: JobRun,
  delivery: PlainDelivery,
  sideOutput: SideOutputStore,
  { config, log, stop }: RunToDo,
): Promise<ExitCode> {
  if (summary.end !== 'ended' && isBounded(config)) {
    await delivery.discard()
    log.info('interrupted; files of alerts are as they were')
    return exitCodes.interrupted
  }
  const isSettled = await doneBefore(stop.overdue, delivery.settled())
  if (isSettled) {
    await delivery.close()
    if (summary.end !== 'ended') log.info('stopped')
    return exitCodes.fine
  }
  for (const [sink, outbox] of delivery.outboxes) {
    if (outbox.alerts === 0 || sideOutput.unsent(sink, outbox.unsent())) continue
    log.warn(`${outbox.alerts} alerts are lost: the sink ${sink} was away`, {
      sink,
      alerts: outbox.alerts,
    })
  }
  return exitCodes.failed
}
