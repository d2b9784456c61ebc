import { TwoPhaseCommitFileSink } from '../../connectors/file/two-phase-commit-sink.ts'
import { type Delivery, Outbox, type OutboxOptions } from '../../src/checkpoint/outbox.ts'
import {
  openSideOutputLog,
  type SideOutputKind,
  type SideOutputLog,
} from '../../src/checkpoint/side-output-log.ts'
import type { Sink } from '../../src/connector/sink.ts'
import type { Source } from '../../src/connector/source.ts'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import type { CheckedRule } from '../../src/index.ts'
import type { JobDurability } from '../../src/rule/job-checkpoints.ts'
import { type JobStream, type JobSummary, runRuleJob } from '../../src/rule/rule-job.ts'
import { ingestLogSource } from '../../src/runtime/ingest-log-source.ts'
import {
  defaultWatermarkStrategy,
  type WatermarkStrategy,
} from '../../src/time/watermark-strategy.ts'
import { withoutDetection } from './comparison.ts'
import type { SimulatedMachine } from './simulated-machine.ts'
import { brokerSink, mailboxSink, SimulatedBroker, SimulatedMailbox } from './simulated-sinks.ts'
import {
  type SimulatedFeed,
  type SimulatedSourceOptions,
  type SimulatedSplit,
  simulatedFeeds,
  simulatedSource,
} from './simulated-source.ts'

/** A stream of a simulated job: `kept` by its source, or `fed` once and kept by an ingest log. */
export interface SimulatedStream {
  readonly name: string
  readonly kind: 'kept' | 'fed'
  readonly splits: readonly SimulatedSplit[]
  readonly watermarks: Partial<WatermarkStrategy>
}

/** Where alerts go: an exactly-once file or broker, an at-least-once mailbox. */
export type SimulatedSinkKind = 'file' | 'broker' | 'mailbox'

/** A job as one machine after the other runs it. */
export interface SimulatedJob {
  readonly rules: readonly CheckedRule[]
  readonly streams: readonly SimulatedStream[]
  readonly sinks: readonly SimulatedSinkKind[]
  readonly source: Omit<SimulatedSourceOptions, 'onBatch'>
  /** `null`: without checkpoints. */
  readonly checkpoints: Pick<
    JobDurability,
    'intervalMs' | 'entriesOfSlice' | 'cacheBytes' | 'retained'
  > | null
}

export interface SimulatedJobHooks {
  readonly onStalled?: () => void
  /** Called before each batch is given. */
  readonly onBatch?: () => void
  /** Asked after `onBatch`: whether the job is to stop. */
  readonly isStopped?: () => boolean
  /** How long a job that is to stop has for it, simulated ms; default: for ever. */
  readonly graceMs?: number
  /** In place of the mailbox. */
  readonly secondSink?: Sink
  /** In place of a log in the job's folder. */
  readonly sideOutput?: SideOutputLog
  readonly durability?: Partial<JobDurability>
}

/** A record as an ingest log gives it. */
interface LoggedRecord {
  readonly text: string
  readonly ingestTime: number
}

/** What a job has reached outside of its machine, over all its lives. */
export class Outside {
  readonly broker = new SimulatedBroker()
  readonly mailbox = new SimulatedMailbox()
  /** What was left out by a job without checkpoints: others have a log of it. */
  readonly leftOut: string[] = []
  /** By stream and partition, what an ingest log gave, by ordinal. */
  readonly logged = new Map<string, LoggedRecord[]>()
  readonly #feeds = new Map<SimulatedStream, readonly SimulatedFeed[]>()

  feedsOf(stream: SimulatedStream): readonly SimulatedFeed[] {
    const known = this.#feeds.get(stream)
    if (known !== undefined) return known
    const feeds = stream.splits.map((split) => ({ split, acknowledged: 0 }))
    this.#feeds.set(stream, feeds)
    return feeds
  }
}

/** Where the job keeps its things. */
export const jobFolder = '/data'
const alertsPath = `${jobFolder}/alerts.ndjson`
const leftOutFolder = `${jobFolder}/left-out`

/** Runs the job on a machine, from its last checkpoint there, to its end or until it is stopped. */
export function runSimulatedJob(
  machine: SimulatedMachine,
  job: SimulatedJob,
  outside: Outside,
  hooks: SimulatedJobHooks = {},
): Promise<JobSummary> {
  return machine.time.run(runJob(machine, job, outside, hooks))
}

async function runJob(
  machine: SimulatedMachine,
  job: SimulatedJob,
  outside: Outside,
  hooks: SimulatedJobHooks,
): Promise<JobSummary> {
  const { files, openStateStore, time } = machine
  const { onStalled } = hooks
  const isDurable = job.checkpoints !== null
  const sideOutput = isDurable ? (hooks.sideOutput ?? (await openLog(machine))) : null
  const leaveOut = (kind: SideOutputKind, row: unknown) => {
    if (sideOutput === null) outside.leftOut.push(JSON.stringify(row))
    else sideOutput.append(kind, JSON.stringify(row))
  }
  const outboxes = new Map(
    job.sinks.map((name) => {
      const delivery = deliveryTo(name, machine, outside, hooks.secondSink)
      const onUndelivered: OutboxOptions['onUndelivered'] = (undelivered) =>
        undelivered.every(
          ({ alert }) =>
            sideOutput?.append('undelivered', withoutDetection(alert.document)) === true,
        )
      const box = new Outbox({ name, delivery, clock: time, scheduler: time, onUndelivered })
      return [name, box] as const
    }),
  )
  const { stop, onBatch } = stopOf(machine, hooks)
  const run = runRuleJob({
    rules: job.rules,
    streams: new Map(
      job.streams.map((stream) => [
        stream.name,
        jobStream(machine, stream, outside, { ...job.source, onBatch }),
      ]),
    ),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: time,
    // Between two slices of a checkpoint there are batches.
    scheduler: { sleep: (milliseconds) => time.sleep(Math.max(7, milliseconds)) },
    deliver: async (alerts) => {
      for (const { alert, document } of alerts) {
        if (!isDurable) outside.mailbox.documents.push(document())
        else for (const box of outboxes.values()) box.stage({ id: alert.id, document: document() })
      }
    },
    onSuppressed: ({ alert: { id }, by }) => leaveOut('suppressed', { id, by }),
    sideOutput: ({ kind, partition, offset }) => leaveOut(kind, { kind, partition, offset }),
    onExpressionError: () => undefined,
    onProgress: () => undefined,
    stop,
    ...(job.checkpoints === null || sideOutput === null
      ? {}
      : {
          durability: {
            ...job.checkpoints,
            files,
            openStateStore,
            directory: `${jobFolder}/state`,
            outboxes,
            sideOutput,
            ...(onStalled === undefined ? {} : { onStalled }),
            ...hooks.durability,
          },
        }),
  })
  return await run.finally(async () => {
    for (const outbox of outboxes.values()) await outbox.close()
    await sideOutput?.close()
  })
}

/** A signal that follows what the hooks say after each batch. */
function stopOf(
  { time }: SimulatedMachine,
  { onBatch, isStopped = () => false, graceMs = Infinity }: SimulatedJobHooks,
) {
  const asked = new AbortController()
  const overdue = new AbortController()
  return {
    stop: { asked: asked.signal, overdue: overdue.signal },
    onBatch() {
      onBatch?.()
      if (asked.signal.aborted || !isStopped()) return
      asked.abort()
      if (graceMs < Infinity) void time.sleep(graceMs).then(() => overdue.abort())
    },
  }
}

function openLog({ files, time }: SimulatedMachine): Promise<SideOutputLog> {
  return openSideOutputLog({
    ...{ files, clock: time, directory: leftOutFolder },
    segmentBytes: 600,
    // A clock that is set forward by days would end any other.
    retentionMs: Infinity,
  })
}

/** What was left out, in order. */
export async function leftOutOf(
  { files }: SimulatedMachine,
  { leftOut }: Outside,
): Promise<readonly string[]> {
  if ((await files.inspect(leftOutFolder)) === undefined) return leftOut
  const names = (await files.list(leftOutFolder)).filter((name) => name.endsWith('.ndjson'))
  let text = ''
  for (const name of names) text += (await files.readFile(`${leftOutFolder}/${name}`)).toString()
  return text.split('\n').filter((line) => line !== '')
}

/** Alerts as a sink has them, in its order; of the file only whole lines. */
export async function alertsIn(
  sink: SimulatedSinkKind,
  { files }: SimulatedMachine,
  { broker, mailbox }: Outside,
): Promise<readonly string[]> {
  switch (sink) {
    case 'broker':
      return broker.documents
    case 'mailbox':
      return mailbox.documents
    case 'file': {
      if ((await files.inspect(alertsPath)) === undefined) return []
      const text = (await files.readFile(alertsPath)).toString()
      return text
        .slice(0, text.lastIndexOf('\n') + 1)
        .split('\n')
        .slice(0, -1)
    }
  }
}

function deliveryTo(
  sink: SimulatedSinkKind,
  machine: SimulatedMachine,
  { broker, mailbox }: Outside,
  secondSink: Sink = mailboxSink(machine, mailbox),
): Delivery {
  switch (sink) {
    case 'file': {
      const file = new TwoPhaseCommitFileSink(machine.files, alertsPath, 'job')
      return { kind: 'exactly_once', sink: file }
    }
    case 'broker':
      return { kind: 'exactly_once', sink: brokerSink(machine, broker) }
    case 'mailbox':
      return { kind: 'at_least_once', sink: secondSink }
  }
}

function jobStream(
  machine: SimulatedMachine,
  stream: SimulatedStream,
  outside: Outside,
  options: SimulatedSourceOptions,
): JobStream {
  const watermarks = { ...defaultWatermarkStrategy, ...stream.watermarks }
  const time = { field: ['ts'], unit: 'ms', watermarks } as const
  if (stream.kind === 'kept') {
    return { source: simulatedSource(machine, stream.splits, options), time }
  }
  const { files, time: clock } = machine
  const directory = `${jobFolder}/ingest`
  const feeds = simulatedFeeds(machine, outside.feedsOf(stream), options)
  const log = { files, directory, clock, scheduler: clock, segmentBytes: 2000 }
  return { source: noting(ingestLogSource(feeds, log), outside), time }
}

/** Notes what a source gives, and finds out when it gives another record at the same place. */
function noting(source: Source, { logged }: Outside): Source {
  return {
    ...source,
    async open(stream, positions) {
      return (await source.open(stream, positions)).map((reader) => {
        const { partition } = reader.split
        const records = logged.get(`${stream}/${partition}`) ?? []
        logged.set(`${stream}/${partition}`, records)
        return {
          split: reader.split,
          async pollBatch() {
            const result = await reader.pollBatch()
            if (result.kind !== 'batch') return result
            const { bytes, starts, ends, offsets, ingestTimes } = result.batch
            for (const [row, offset] of offsets.entries()) {
              const text = bytes.toString('utf8', starts[row], ends[row])
              const record = { text, ingestTime: ingestTimes?.[row] as number }
              const known = records[offset]
              if (offset > records.length || (known !== undefined && !same(known, record))) {
                throw new Error(`record ${offset} of the ingest log is another one than it was`)
              }
              records[offset] = record
            }
            return result
          },
          progress: () => reader.progress(),
          notifyCheckpointComplete: async (position) =>
            await reader.notifyCheckpointComplete?.(position),
          close: () => reader.close(),
        }
      })
    },
  }
}

function same(a: LoggedRecord, b: LoggedRecord): boolean {
  return a.text === b.text && a.ingestTime === b.ingestTime
}
