import type { JsonValue } from '../stream/alert.ts'
import { ArrivedEvent, type Split } from '../stream/event.ts'
import { deserializeFields, serializeFields } from '../stream/event-fields-form.ts'
import { hashKey } from '../stream/key-group.ts'
import { EventRun } from '../time/event-time-sorter.ts'
import type { AlertOperator } from './alert-operator.ts'
import type { CepOperator } from './cep-operator.ts'
import type { KeyedExchange } from './keyed-input.ts'

/** A keyed operator with what belongs to it. */
export interface OperatorState {
  readonly operator: CepOperator
  readonly exchange: KeyedExchange
  readonly alerts: AlertOperator
}

/** What an operator holds beside its keys and its sorter. */
export interface OperatorPart {
  readonly kind: 'operator'
  readonly ordinals: number
  readonly watermark: SavedTime
  readonly sorterWatermark: SavedTime
  readonly channels: readonly (readonly [string, number, SavedTime, isIdle: boolean])[]
  readonly alerts: JsonValue
  /** Patterns that were added while the job ran, with the event time up to which they see nothing. */
  readonly starts?: readonly (readonly [pattern: number, startsAfter: number])[]
  /** Patterns of which keys on disk have timers, as their time limits matter. */
  readonly timed?: readonly number[]
}

/** Events of one split that wait for the watermark, in order. */
export interface SorterPart {
  readonly kind: 'sorter'
  readonly stream: string
  readonly partition: number
  readonly events: readonly SavedEvent[]
}

/**
 * `[time, offset, predicates, more predicates, fields, text, key, patterns that must not see it]`; a
 * missing field is `[]`.
 */
export type SavedEvent = readonly [
  number,
  number,
  number,
  readonly number[],
  readonly JsonValue[][],
  string,
  string,
  (readonly number[])?,
]

/** Epoch ms; JSON has no infinities. */
export type SavedTime = number | 'never' | 'always'

/** So many events of a sorter make a part. */
const eventsOfPart = 1000

/** All else that the operator holds. */
export function operatorParts({ operator, exchange, alerts }: OperatorState): JsonValue[] {
  const { sorter } = operator
  const { valve, splits } = exchange
  const part: OperatorPart = {
    kind: 'operator',
    ordinals: operator.ordinals,
    watermark: savedTime(valve.current),
    sorterWatermark: savedTime(sorter.watermark),
    channels: splits.map(({ split: { stream, partition } }, channel) => [
      stream,
      partition,
      savedTime(valve.watermarkOf(channel)),
      valve.isIdle(channel),
    ]),
    alerts: alerts.snapshot(),
    timed: operator.timed,
    starts: operator.starts(),
  }
  const parts = splits.flatMap(({ split, sorterSplit }) =>
    sorterParts(operator, split, sorterSplit),
  )
  return [part, ...parts] as unknown as JsonValue[]
}

/** Puts back what `operatorParts` gave; all splits have been added. */
export function restoreParts(state: OperatorState, parts: readonly JsonValue[]): void {
  const { operator, exchange, alerts } = state
  const { splits, valve } = exchange
  const channelOf = (stream: string, partition: number) =>
    splits.findIndex(({ split }) => split.stream === stream && split.partition === partition)
  const runs: [number, EventRun][] = []
  let sorterWatermark = -Infinity
  for (const part of parts as unknown as readonly (OperatorPart | SorterPart)[]) {
    if (part.kind === 'sorter') {
      const { split, sorterSplit } = splits[channelOf(part.stream, part.partition)] ?? {}
      if (split !== undefined) {
        runs.push([sorterSplit as number, runOf(operator, split, part.events)])
      }
      continue
    }
    operator.continueOrdinals(part.ordinals)
    for (const [pattern, startsAfter] of part.starts ?? []) {
      operator.startAfter(startsAfter, pattern)
    }
    alerts.restore(part.alerts)
    operator.restoreTimed(part.timed)
    sorterWatermark = timeOf(part.sorterWatermark)
    const channels = part.channels.map(
      ([stream, partition, watermark, isIdle]) =>
        [channelOf(stream, partition), timeOf(watermark), isIdle] as const,
    )
    valve.restore(
      timeOf(part.watermark),
      channels.filter(([channel]) => channel >= 0),
    )
  }
  operator.sorter.restore(sorterWatermark, runs)
  operator.disk?.restoreWatermark(sorterWatermark)
}

export function savedTime(time: number): SavedTime {
  if (time === Infinity) return 'always'
  return time === -Infinity ? 'never' : time
}

export function timeOf(saved: SavedTime): number {
  if (saved === 'always') return Infinity
  return saved === 'never' ? -Infinity : saved
}

function sorterParts(operator: CepOperator, split: Split, sorterSplit: number): SorterPart[] {
  const { stream, partition } = split
  const events: SavedEvent[] = []
  for (const { run, index } of operator.sorter.heldBy(sorterSplit)) {
    const event = run.events[index] as ArrivedEvent
    const key = run.arena.toString('latin1', run.keys[3 * index], run.keys[3 * index + 1])
    const { timestamp, offset, predicates, morePredicates, raw } = event
    const fields = serializeFields(event)
    const hidden = operator.hidden.patternsOf(event)
    const saved = [timestamp, offset, predicates, morePredicates, fields, raw, key] as const
    events.push(hidden.length === 0 ? saved : [...saved, hidden])
  }
  const parts: SorterPart[] = []
  for (let from = 0; from < events.length; from += eventsOfPart) {
    const some = events.slice(from, from + eventsOfPart)
    parts.push({ kind: 'sorter', stream, partition, events: some })
  }
  return parts
}

/** A run whose events have one text and one arena of keys together. */
function runOf(operator: CepOperator, split: Split, events: readonly SavedEvent[]): EventRun {
  const run = new EventRun(Buffer.from(events.map(([, , , , , raw]) => raw).join(''), 'latin1'))
  run.arena = Buffer.from(events.map((event) => event[6]).join(''), 'latin1')
  let textAt = 0
  let keyAt = 0
  for (const saved of events) {
    const [timestamp, offset, predicates, morePredicates, fields, raw, key, hidden] = saved
    const values = deserializeFields(fields)
    const textEnd = textAt + raw.length
    const event = new ArrivedEvent(
      timestamp,
      split,
      offset,
      predicates,
      morePredicates,
      values,
      run.text,
      textAt,
      textEnd,
    )
    if (hidden !== undefined) operator.hidden.add(event, hidden)
    const keyEnd = keyAt + key.length
    run.add(event, keyAt, keyEnd, hashKey(run.arena, keyAt, keyEnd) | 0)
    textAt = textEnd
    keyAt = keyEnd
  }
  return run
}
