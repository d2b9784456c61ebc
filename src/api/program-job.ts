import type { Sink } from '../connector/sink.ts'
import { type OpenReadersOptions, openReaders } from '../runtime/open-readers.ts'
import type { SplitReader } from '../runtime/split-reader.ts'
import { StreamTask } from '../runtime/stream-task.ts'
import type { Scheduler } from '../time/clock.ts'
import type { StopSignal } from '../time/stop-signal.ts'
import type { Program, ProgramSummary } from './program.ts'

export interface ProgramRunOptions {
  readonly scheduler: Scheduler
  readonly stop: StopSignal
  readonly onSourceRetry: OpenReadersOptions['onRetry']
}

/**
 * Runs a program until its sources have ended, or until it is stopped. Sinks are written between
 * batches; if anything fails they discard what can still be hidden.
 * @throws {TocsinError} what a source or sink throws; and what a function of the program throws
 */
export async function runProgram(
  program: Program,
  { scheduler, stop, onSourceRetry }: ProgramRunOptions,
): Promise<ProgramSummary> {
  program.start()
  const host = { clock: program.clock, scheduler, stop, onRetry: onSourceRetry }
  const readers = await openReaders(program.inputs, host)
  if (readers === null) return program.summary()
  const task = streamTask(program, readers, scheduler, stop)
  const opened: Sink[] = []
  let done = false
  try {
    for (const sink of new Set(program.sinks.map(({ sink }) => sink))) {
      opened.push(sink)
      await sink.open()
    }
    await runParts(program, async () => {
      await task.run()
      await writeSinks(program)
    })
    done = true
  } finally {
    await task.close()
    for (const sink of opened) await (done ? sink.close() : (sink.discard?.() ?? sink.close()))
  }
  return program.summary()
}

/** Opens the program's functions, and closes those that were opened whatever happens. */
async function runParts(program: Program, run: () => Promise<void>): Promise<void> {
  let opened = 0
  try {
    for (const part of program.parts) {
      part.open()
      opened++
    }
    await run()
  } finally {
    for (const part of program.parts.slice(0, opened)) part.close()
  }
  // What functions emit has been written: `close` has no collector.
}

function streamTask(
  program: Program,
  readers: SplitReader[],
  scheduler: Scheduler,
  stop: StopSignal,
): StreamTask {
  const { clock, keyedOperators, sorterCap } = program
  return new StreamTask(readers, {
    clock,
    scheduler,
    isStopped: () => stop.asked.aborted,
    sorterCap,
    afterBatch: () => writeSinks(program),
    beforeTurn() {
      const now = clock.now()
      for (const operator of keyedOperators) operator.advanceProcessingTime(now)
      return writeSinks(program)
    },
    nextTurn: () =>
      keyedOperators.reduce(
        (next, operator) => Math.min(next, operator.nextProcessingTimer),
        Infinity,
      ),
  })
}

async function writeSinks(program: Program): Promise<void> {
  for (const { sink, operator } of program.sinks) {
    const documents = operator.takeDocuments()
    if (documents.length > 0) await sink.write(documents)
  }
}
