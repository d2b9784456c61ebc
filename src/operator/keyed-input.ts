import type { ColumnPredicates } from '../expression/column-predicates.ts'
import type { Expression } from '../expression/expression.ts'
import type { Column } from '../stream/column-batch.ts'
import { ArrivedEvent, type Event, type EventBytes, isBefore, type Split } from '../stream/event.ts'
import type { KeyEncoder } from '../stream/key.ts'
import { EventRun } from '../time/event-time-sorter.ts'
import { WatermarkValve } from '../time/watermark-valve.ts'
import type { CepOperator } from './cep-operator.ts'
import type { SideOutput } from './side-output.ts'
import { rejectedEvent, type TimedBatch, type TimedBatchReceiver } from './source-operator.ts'

/** Which events of a stream a pattern needs. */
export interface EventNeed {
  /** Predicate that an event must fit to exist for the pattern; `null`: every event does. */
  readonly filter: number | null
  /** Predicates of which it must fit one; `null`: the pattern needs every event. */
  readonly anyOf: readonly number[] | null
}

/** How a stream's events go to a keyed operator. */
export interface KeyedInputOptions {
  readonly predicates: ColumnPredicates
  /** By pattern; may become more. */
  readonly needs: readonly EventNeed[]
  readonly keyEncoder: KeyEncoder
  /** Names of the key's parts, for messages. */
  readonly keyNames: readonly string[]
  /** Batch column of each field slot, -1 where the stream's events lack the field; may become more. */
  readonly fieldColumns: readonly number[]
  /** Told after a batch in which a predicate's value was CEL's error: how often, and for which first. */
  readonly onPredicateErrors: (predicate: number, count: number, first: Event) => void
}

/** Watermarks and split order of one keyed operator, over all streams that feed it. */
export class KeyedExchange {
  readonly operator: CepOperator
  readonly valve = new WatermarkValve()
  /** The splits that were added, by channel of the valve. */
  readonly splits: { readonly split: Split; readonly sorterSplit: number }[] = []
  /** Whether ties of time go by arrival over all splits: rule tests ask for it. */
  readonly #tiesByArrival: boolean
  #sorterSplit = -1

  constructor(operator: CepOperator, tiesByArrival = false) {
    this.operator = operator
    this.#tiesByArrival = tiesByArrival
  }

  /** @returns the split's channel in the valve and its index in the sorter */
  addSplit(split: Split): { channel: number; sorterSplit: number } {
    if (!this.#tiesByArrival || this.#sorterSplit === -1) {
      // One that comes to be while the job runs stands where it would if it had always been there.
      const before = this.splits.filter((known) => isBefore(known.split, split))
      this.#sorterSplit = this.operator.sorter.addSplit(before.length)
    }
    this.splits.push({ split, sorterSplit: this.#sorterSplit })
    return { channel: this.valve.addChannel(), sorterSplit: this.#sorterSplit }
  }

  advance(channel: number, watermark: number): void {
    if (this.valve.advance(channel, watermark)) {
      this.operator.advanceWatermark(this.valve.current)
    }
  }

  markIdle(channel: number): void {
    if (this.valve.markIdle(channel)) this.operator.advanceWatermark(this.valve.current)
  }
}

/**
 * The hop between a stream and a keyed operator: evaluates the unary predicates over the batch,
 * drops events that concern no pattern, finds keys, and makes Events of the rest.
 */
export class KeyedInput implements TimedBatchReceiver {
  readonly #exchange: KeyedExchange
  readonly #options: KeyedInputOptions
  readonly #sideOutput: SideOutput
  readonly #splits: { split: Split; channel: number; sorterSplit: number }[] = []
  #needsEvery = false
  #anyMasks: Int32Array = new Int32Array(0)
  /** Whether every event exists for some pattern, and the needs of those for which not all do. */
  #allExist = false
  #filtered: readonly EventNeed[] = []
  readonly #errorsSeen: number[] = []
  /** The fields of the event that is being made; an event copies them. */
  readonly #fields: unknown[] = []
  #words = new Int32Array(0)
  #wordsPerRow = 0
  /** Room for events in the next run: of most rules few events of a batch are needed. */
  #runCapacity = 16
  /** Whether the batch at hand has brought events to the sorter. */
  #hasNewRun = false

  constructor(exchange: KeyedExchange, options: KeyedInputOptions, sideOutput: SideOutput) {
    this.#exchange = exchange
    this.#options = options
    this.#sideOutput = sideOutput
    this.readNeeds()
  }

  /** Adds predicates behind those that are there. */
  addPredicates(predicates: readonly Expression[]): void {
    this.#options.predicates.add(predicates)
  }

  /** Sees to it that needs that have changed count from the next batch on. */
  readNeeds(): void {
    const { needs, predicates } = this.#options
    const unfiltered = needs.filter((need) => need.filter === null)
    this.#filtered = needs.filter((need) => need.filter !== null)
    this.#allExist = unfiltered.length > 0
    this.#needsEvery = unfiltered.some((need) => need.anyOf === null)
    this.#anyMasks = masksOf(
      unfiltered.flatMap((need) => need.anyOf ?? []),
      predicates.wordsPerRow,
    )
  }

  addSplit(split: Split): number {
    return this.#splits.push({ split, ...this.#exchange.addSplit(split) }) - 1
  }

  advanceWatermark(split: number, watermark: number): void {
    const known = this.#splits[split]
    if (known !== undefined && watermark > -Infinity) {
      this.#exchange.advance(known.channel, watermark)
    }
    if (known !== undefined && this.#hasNewRun) {
      this.#hasNewRun = false
      this.#exchange.operator.sorter.keepText(known.sorterSplit)
    }
  }

  markIdle(split: number): void {
    const known = this.#splits[split]
    if (known !== undefined) this.#exchange.markIdle(known.channel)
  }

  processBatch(splitIndex: number, timed: TimedBatch): void {
    const known = this.#splits[splitIndex]
    if (known === undefined) return
    const { predicates, keyEncoder } = this.#options
    const { count } = timed.columns.batch
    this.#wordsPerRow = predicates.wordsPerRow
    const words = this.#clearWords(count * this.#wordsPerRow)
    predicates.evaluate(timed.columns, timed.timestamps, timed.selected, words)
    this.#reportErrors(timed, known.split)
    keyEncoder.bind(timed.columns)
    keyEncoder.reset()
    const run = new EventRun(timed.columns.batch.bytes, this.#runCapacity)
    this.#selectRows(timed, known.split, run)
    this.#runCapacity = run.events.length + (run.events.length >> 3) + 16
    run.arena = Buffer.from(keyEncoder.arena.subarray(0, keyEncoder.end))
    this.#exchange.operator.addRun(known.sorterSplit, run)
    this.#hasNewRun = true
  }

  #selectRows(timed: TimedBatch, split: Split, run: EventRun): void {
    const { keyEncoder } = this.#options
    const { selected, timestamps } = timed
    const { count } = timed.columns.batch
    const { watermark } = this.#exchange.operator.sorter
    for (let row = 0; row < count; row++) {
      if (selected[row] !== 1) continue
      const timestamp = timestamps[row] as number
      if (timestamp <= watermark) {
        this.#rejectLate(row, timed)
        continue
      }
      const need = this.#needOf(row)
      // A key is owed by every event that exists for a rule, also by those that no step asks for.
      if (need === 'filtered' || (need === 'none' && keyEncoder.hasKey(row))) continue
      if (!keyEncoder.encode(row)) {
        this.#rejectKeyless(row, timed)
        continue
      }
      const event = this.#eventOf(row, timestamp, timed, split, run.text)
      run.add(event, keyEncoder.start, keyEncoder.end, keyEncoder.hash | 0)
    }
  }

  /** Several operators may have gone on: it is counted and kept once. */
  #rejectLate(row: number, timed: TimedBatch): void {
    if (timed.lateRows.has(row)) return
    timed.lateRows.add(row)
    const reason = 'its split had been idle and time had gone on without it'
    this.#sideOutput(rejectedEvent('late_after_idle', timed.columns.batch, row, reason))
  }

  /** Whether some pattern needs the row; `filtered`: it exists for none. */
  #needOf(row: number): 'some' | 'none' | 'filtered' {
    if (this.#needsEvery) return 'some'
    const words = this.#words
    const wordsPerRow = this.#wordsPerRow
    const base = row * wordsPerRow
    const masks = this.#anyMasks
    for (let word = 0; word < wordsPerRow; word++) {
      if (((words[base + word] as number) & (masks[word] as number)) !== 0) return 'some'
    }
    let exists = this.#allExist
    const filtered = this.#filtered
    for (let index = 0; index < filtered.length; index++) {
      const { filter, anyOf } = filtered[index] as EventNeed
      if (!hasBit(words, base, filter as number)) continue
      exists = true
      if (anyOf === null || anyOf.some((predicate) => hasBit(words, base, predicate))) return 'some'
    }
    return exists ? 'none' : 'filtered'
  }

  #eventOf(
    row: number,
    timestamp: number,
    timed: TimedBatch,
    split: Split,
    text: EventBytes,
  ): ArrivedEvent {
    const { fieldColumns } = this.#options
    const wordsPerRow = this.#wordsPerRow
    const { batch, columns } = timed.columns
    const fields = this.#fields
    for (let slot = 0; slot < fieldColumns.length; slot++) {
      const index = fieldColumns[slot] as number
      fields[slot] = index < 0 ? undefined : (columns[index] as Column).value(row)
    }
    const base = row * wordsPerRow
    return new ArrivedEvent(
      timestamp,
      split,
      batch.offsets[row] as number,
      this.#words[base] ?? 0,
      wordsPerRow > 1 ? Array.from(this.#words.subarray(base + 1, base + wordsPerRow)) : noWords,
      fields,
      text,
      batch.starts[row] as number,
      batch.ends[row] as number,
    )
  }

  #rejectKeyless(row: number, timed: TimedBatch): void {
    // Several operators may miss a key in the same event: it is kept once.
    if (timed.rejectedRows.has(row)) return
    timed.rejectedRows.add(row)
    const { keyEncoder, keyNames } = this.#options
    const reason = `key '${keyNames[keyEncoder.failedPart]}' is ${keyEncoder.failure}`
    this.#sideOutput(rejectedEvent('dead_letter', timed.columns.batch, row, reason, 'key'))
  }

  #reportErrors(timed: TimedBatch, split: Split): void {
    const text = { bytes: timed.columns.batch.bytes }
    this.#options.predicates.forEachError((predicate, errors, row) => {
      const count = errors - (this.#errorsSeen[predicate] ?? 0)
      if (count === 0) return
      this.#errorsSeen[predicate] = errors
      const first = this.#eventOf(row, timed.timestamps[row] as number, timed, split, text)
      this.#options.onPredicateErrors(predicate, count, first)
    })
  }

  #clearWords(length: number): Int32Array {
    if (this.#words.length < length) this.#words = new Int32Array(length)
    else this.#words.fill(0, 0, length)
    return this.#words
  }
}

const noWords: readonly number[] = []

function masksOf(predicates: readonly number[], wordsPerRow: number): Int32Array {
  const masks = new Int32Array(wordsPerRow)
  for (const predicate of predicates) {
    masks[predicate >> 5] = (masks[predicate >> 5] as number) | (1 << (predicate & 31))
  }
  return masks
}

function hasBit(words: Int32Array, base: number, predicate: number): boolean {
  return ((words[base + (predicate >> 5)] as number) & (1 << (predicate & 31))) !== 0
}
