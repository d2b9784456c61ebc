import type { Sink } from '../connector/sink.ts'
import { TocsinError } from '../errors.ts'
import type { KeyedProcessOperator } from '../operator/keyed-process-operator.ts'
import type { RejectedEvent } from '../operator/side-output.ts'
import type { SinkOperator } from '../operator/sink-operator.ts'
import type { StreamInput } from '../runtime/open-readers.ts'
import { SorterCap, type SorterCapOptions } from '../runtime/sorter-cap.ts'
import type { Clock } from '../time/clock.ts'

/** What became of everything that a program read. */
export interface ProgramSummary {
  /** Events that the program was given. */
  readonly events: number
  /** At or below their split's watermark as they arrived. */
  readonly late: number
  /** In time for their split, but time had gone on without it while it was idle. */
  readonly lateAfterIdle: number
  /** Not decodable, without a usable time, or without a key. */
  readonly deadLetters: number
  /** Keys with state or timers at the end. */
  readonly openKeys: number
}

/** The part of a keyed operator that does not depend on its types. */
export type AnyKeyedOperator = Pick<
  KeyedProcessOperator<never, never, never>,
  'openKeys' | 'bufferedBytes' | 'nextProcessingTimer' | 'advanceProcessingTime'
>

/** Something of the program with a beginning and an end. */
export interface ProgramPart {
  open(): void
  close(): void
}

/** A sink operator, whatever its records are. */
export type AnySinkOperator = Pick<SinkOperator<never>, 'takeDocuments'>

/** The operators of a program as they are put together: streams add theirs, a job runs them. */
export class Program {
  readonly clock: Clock
  readonly inputs: StreamInput[] = []
  readonly sinks: { readonly sink: Sink; readonly operator: AnySinkOperator }[] = []
  readonly keyedOperators: AnyKeyedOperator[] = []
  readonly parts: ProgramPart[] = []
  readonly sorterCap: SorterCap
  #started = false
  #lateAfterIdle = 0
  #keyless = 0
  #named = 0
  readonly #onRejected: (rejected: RejectedEvent) => void

  constructor(
    clock: Clock,
    onRejected: (rejected: RejectedEvent) => void,
    cap: Pick<SorterCapOptions, 'capBytes' | 'onExceeded'>,
  ) {
    this.clock = clock
    this.sorterCap = new SorterCap({
      ...cap,
      bufferedBytes: () => sumOf(this.keyedOperators, ({ bufferedBytes }) => bufferedBytes),
    })
    this.#onRejected = onRejected
  }

  /** @throws {TocsinError} PROGRAM_INVALID once the program has been started */
  demandUnstarted(): void {
    if (!this.#started) return
    throw new TocsinError(
      'PROGRAM_INVALID',
      'the program has been executed: make a new StreamExecutionEnvironment for another run',
    )
  }

  start(): void {
    this.demandUnstarted()
    this.#started = true
  }

  /** A name for an operator, the same in every run of the same program. */
  nextName(kind: string): string {
    return `${kind}-${this.#named++}`
  }

  /** Counts an event that was left out, and tells whoever wants to know. */
  reject(rejected: RejectedEvent): void {
    this.#onRejected(rejected)
  }

  rejectKeyless(rejected: RejectedEvent): void {
    this.#keyless++
    this.#onRejected(rejected)
  }

  rejectLateAfterIdle(rejected: RejectedEvent): void {
    this.#lateAfterIdle++
    this.#onRejected(rejected)
  }

  summary(): ProgramSummary {
    const counts = this.inputs.map(({ operator }) => operator.counts)
    return {
      events: sumOf(counts, ({ events }) => events),
      late: sumOf(counts, ({ late }) => late),
      lateAfterIdle: this.#lateAfterIdle,
      deadLetters: sumOf(counts, ({ deadLetters }) => deadLetters) + this.#keyless,
      openKeys: sumOf(this.keyedOperators, ({ openKeys }) => openKeys),
    }
  }
}

function sumOf<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((sum, item) => sum + count(item), 0)
}
