import type { SourceCounts } from '../operator/source-operator.ts'
import type { JobTotals } from './job-counters.ts'

/** How a job stands at a moment: what is counted in all its lives, and what it holds now. */
export interface JobMetrics extends JobTotals {
  readonly countsByStream: ReadonlyMap<string, Readonly<SourceCounts>>
  readonly splits: readonly SplitMetrics[]
  /** Keys with something open. */
  readonly openKeys: number
  /** What waits to be put in order of time, roughly, bytes. */
  readonly sorterBytes: number
}

export interface SplitMetrics {
  readonly stream: string
  readonly partition: number
  /** Epoch ms; minus infinity before its first event. */
  readonly watermark: number
  /** Whether it holds time no longer. */
  readonly idle: boolean
  readonly ended: boolean
  /** What keeps records from coming; undefined: nothing. */
  readonly problem: string | undefined
  /** What is not yet read, in the units of its source; undefined: unknown. */
  readonly backlog: number | undefined
}
