import { valueAt } from '../expression/value.ts'
import { mapEventFields } from '../nfa/nfa-state-form.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { inlineFields, textOf } from '../stream/event.ts'
import { translateAlertState } from './alert-operator.ts'
import type { OperatorPart, SavedEvent, SorterPart } from './operator-checkpoint.ts'

/** How the state of an operator is read by one with other rules. */
export interface StateMapping {
  /** By saved pattern: its index now, undefined where its state is dropped. */
  readonly patterns: readonly {
    readonly pattern: number | undefined
    /** Whether what keeps its alerts back still means the same. */
    readonly keepsSilences: boolean
  }[]
  readonly patternCount: number
  /** Patterns that begin anew: they do not see events that waited before. */
  readonly added: readonly number[]
  /** By predicate: its saved index, -1 where it is new. */
  readonly predicates: readonly number[]
  /** By field slot: its saved slot, or the path where it was not carried. */
  readonly fields: readonly (number | FieldPath)[]
}

/** What a key has open, for the operator as it is now; undefined: nothing is left. */
export function mapEntry(form: JsonValue, mapping: StateMapping): JsonValue | undefined {
  const mapped: [number, JsonValue][] = []
  for (const [saved, state] of form as [number, JsonValue][]) {
    const pattern = mapping.patterns[saved]?.pattern
    if (pattern === undefined) continue
    mapped.push([pattern, mapEventFields(state, (fields, raw) => mapFields(fields, raw, mapping))])
  }
  return mapped.length === 0 ? undefined : mapped.sort(([a], [b]) => a - b)
}

/** The same of what an operator holds beside its keys. */
export function mapParts(parts: readonly JsonValue[], mapping: StateMapping): JsonValue[] {
  const mapped = (parts as unknown as readonly (OperatorPart | SorterPart)[]).map((part) => {
    if (part.kind === 'operator') {
      const starts = (part.starts ?? []).flatMap(([saved, startsAfter]) => {
        const pattern = mapping.patterns[saved]?.pattern
        return pattern === undefined ? [] : [[pattern, startsAfter] as const]
      })
      return { ...part, starts, alerts: translateAlertState(part.alerts, mapping) }
    }
    return { ...part, events: part.events.map((event) => mapEvent(event, mapping)) }
  })
  return mapped as unknown as JsonValue[]
}

function mapEvent(event: SavedEvent, mapping: StateMapping): SavedEvent {
  const [time, offset, first, more, fields, raw, key, hidden = []] = event
  const words = [first, ...more]
  const mapped = new Int32Array(Math.max(1, Math.ceil(mapping.predicates.length / 32)))
  for (const [predicate, saved] of mapping.predicates.entries()) {
    if (saved === -1 || (((words[saved >> 5] ?? 0) >>> (saved & 31)) & 1) === 0) continue
    mapped[predicate >> 5] = (mapped[predicate >> 5] as number) | (1 << (predicate & 31))
  }
  const [predicates = 0, ...morePredicates] = mapped
  const hiddenFrom = [...mapping.added]
  for (const saved of hidden) {
    const pattern = mapping.patterns[saved]?.pattern
    if (pattern !== undefined) hiddenFrom.push(pattern)
  }
  const carried = mapFields(fields, raw, mapping)
  return [time, offset, predicates, morePredicates, carried, raw, key, hiddenFrom]
}

/** Fields that were not carried are read from the event's text: alerts may show them. */
function mapFields(
  saved: readonly JsonValue[][],
  raw: string,
  { fields }: StateMapping,
): JsonValue[][] {
  let parsed: unknown
  const mapped: JsonValue[][] = fields.map((source) => {
    if (typeof source === 'number') return saved[source] ?? []
    parsed ??= JSON.parse(textOf(raw))
    const value = valueAt(parsed, source)
    return value === undefined ? [] : [value as JsonValue]
  })
  while (mapped.length < inlineFields) mapped.push([])
  return mapped
}
