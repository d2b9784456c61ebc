import { TwoPhaseCommitFileSink } from '../../connectors/file/two-phase-commit-sink.ts'
import { Random } from '../../connectors/generator/random.ts'
import { Outbox } from '../../src/checkpoint/outbox.ts'
import type { SideOutputLog } from '../../src/checkpoint/side-output-log.ts'
import type { Sink } from '../../src/connector/sink.ts'
import type { Source } from '../../src/connector/source.ts'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import type { CheckedRule } from '../../src/index.ts'
import type { JobDurability } from '../../src/rule/job-checkpoints.ts'
import { type JobSummary, runRuleJob } from '../../src/rule/rule-job.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
import { checked } from '../harness/split-run.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/** Rules that keep all kinds of state: partial matches, time limits, waiting matches, dedupe. */
export const stateful: readonly CheckedRule[] = checked(`
id: rising
from: s
by: k
detect:
  within: 40s
  sequence:
    - { step: low, where: n < 3, times: "2..3" }
    - { step: high, where: n > 6 && n > low.n }
alert: { dedupe: { by: [k], for: 60s } }
---
id: unpaid
from: s
by: k
detect:
  within: 10s
  sequence:
    - { step: order, where: n == 4 }
    - { step: paid, where: n == 5 }
on_timeout: { title: "unpaid \${{ order.n }}" }
---
id: pair
from: s
by: n
detect: { within: 3s, sequence: [{ step: a }, { step: b, where: k != a.k }] }
`)

/** Events of a few keys in two partitions, out of order by up to 4.8 s, so that some are late. */
export function generatedPartitions(seed: number, count: number): string[][] {
  const random = new Random(seed)
  return [0, 1].map(() =>
    Array.from({ length: count }, (_, index) => {
      const ts = index * 1000 - random.integer(0, 4800)
      return JSON.stringify({ ts, k: `k${random.integer(0, 5)}`, n: random.integer(0, 9) })
    }),
  )
}

export interface DurableJobHooks {
  readonly onStalled?: () => void
  /** Called before each batch is given. */
  readonly onBatch?: () => void
  /** Gets the alerts too, at least once. */
  readonly secondSink?: Sink
  /** Keeps what is left out, and what the second sink refuses. */
  readonly sideOutput?: SideOutputLog
  /** Default: `stateful`. */
  readonly rules?: readonly CheckedRule[]
  readonly isStopped?: () => boolean
  readonly durability?: Partial<JobDurability>
}

/** Runs the job on a machine, from its last checkpoint there, to its end. */
export async function runDurableJob(
  machine: SimulatedMachine,
  partitions: readonly (readonly string[])[],
  hooks: DurableJobHooks = {},
): Promise<JobSummary> {
  const { onStalled, onBatch, secondSink, sideOutput } = hooks
  const { rules = stateful, isStopped = () => false, durability } = hooks
  const { files, openStateStore, time } = machine
  const sink = new TwoPhaseCommitFileSink(files, '/data/alerts.ndjson', 'job')
  const delivery = { kind: 'exactly_once', sink } as const
  const outboxes = new Map([
    ['alerts', new Outbox({ name: 'alerts', delivery, clock: time, scheduler: time })],
  ])
  if (secondSink !== undefined) {
    const second = new Outbox({
      name: 'second',
      delivery: { kind: 'at_least_once', sink: secondSink },
      clock: time,
      scheduler: time,
      onUndelivered: (undelivered) =>
        undelivered.every(
          ({ alert }) =>
            sideOutput?.append('undelivered', withoutDetection(alert.document)) === true,
        ),
    })
    outboxes.set('second', second)
  }
  const asked = new AbortController()
  const watermarks = { ...defaultWatermarkStrategy, outOfOrdernessMs: 3000 }
  const source = listSource(partitions, async () => {
    await time.sleep(10)
    onBatch?.()
    if (isStopped()) asked.abort()
  })
  const job = runRuleJob({
    rules,
    streams: new Map([['s', { source, time: { field: ['ts'], unit: 'ms', watermarks } }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: time,
    // Between two slices of a checkpoint there are batches.
    scheduler: { sleep: (milliseconds) => time.sleep(Math.max(7, milliseconds)) },
    deliver: async (alerts) => {
      for (const { alert, document } of alerts) {
        for (const outbox of outboxes.values()) {
          outbox.stage({ id: alert.id, document: document() })
        }
      }
    },
    onSuppressed: ({ alert: { id }, by }) => {
      sideOutput?.append('suppressed', JSON.stringify({ id, by }))
    },
    sideOutput: ({ kind, offset, partition }) => {
      sideOutput?.append(kind, JSON.stringify({ kind, partition, offset }))
    },
    onExpressionError: () => undefined,
    onProgress: () => undefined,
    stop: { asked: asked.signal, overdue: new AbortController().signal },
    durability: {
      files,
      openStateStore,
      directory: '/data/state',
      outboxes,
      intervalMs: 60,
      entriesOfSlice: 2,
      ...(sideOutput === undefined ? {} : { sideOutput }),
      ...(onStalled === undefined ? {} : { onStalled }),
      ...durability,
    },
  })
  const closed = job.finally(async () => {
    for (const outbox of outboxes.values()) await outbox.close()
    await sideOutput?.close()
  })
  return await time.run(closed)
}

/** The alerts that the job has shown, without when they were detected, sorted. */
export async function shownAlerts({ files }: SimulatedMachine): Promise<string[]> {
  const path = '/data/alerts.ndjson'
  if ((await files.inspect(path)) === undefined) return []
  const lines = (await files.readFile(path)).toString().split('\n').filter(Boolean)
  return lines.map(withoutDetection).sort()
}

export function withoutDetection(line: string): string {
  const { detected_at: _, ...rest } = JSON.parse(line)
  return JSON.stringify(rest)
}

/** A replayable source over records in memory; `wait` is taken before each batch. */
function listSource(partitions: readonly (readonly string[])[], wait: () => Promise<void>): Source {
  return {
    bounded: true,
    replayable: true,
    open: async (stream, positions = new Map()) =>
      partitions.map((records, partition) => {
        const split = { stream, partition }
        let at = positions.get(partition)?.offset ?? 0
        return {
          split,
          async pollBatch() {
            await wait()
            if (at >= records.length) return { kind: 'end' }
            const from = at
            at = Math.min(records.length, at + batchLength)
            const batch = batchOf(split, records.slice(from, at), from)
            return { kind: 'batch', batch, next: { offset: at } }
          },
          progress: () => ({ read: at, total: records.length }),
          close: async () => undefined,
        }
      }),
  }
}

const batchLength = 5

function batchOf(split: RecordBatch['split'], records: readonly string[], first: number) {
  const bytes = Buffer.from(`${records.join('\n')}\n${'\n'.repeat(8)}`)
  const starts: number[] = []
  const ends: number[] = []
  let at = 0
  for (const record of records) {
    starts.push(at)
    ends.push(at + record.length)
    at += record.length + 1
  }
  const count = records.length
  const offsets = Float64Array.from(records, (_, index) => first + index)
  return {
    split,
    bytes,
    count,
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
    offsets,
  }
}
