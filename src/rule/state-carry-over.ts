import type { CheckpointStore } from '../checkpoint/checkpoint-store.ts'
import { createScannerDecoder } from '../decode/json-scanner.ts'
import { MetricGroup } from '../metrics.ts'
import { mapEntry, mapParts, type StateMapping } from '../operator/state-mapping.ts'
import type { JsonValue } from '../stream/alert.ts'
import { hashKey, keyGroupOf } from '../stream/key-group.ts'
import type { CheckedRule } from './expression-check.ts'
import {
  isSameLayout,
  mappingOf,
  type OperatorLayout,
  type RuleLayout,
  stateNameOf,
} from './operator-layout.ts'
import { compileRules, type RulePipeline, type StreamTime } from './rule-pipeline.ts'
import type { SavedJob, SavedOperator } from './saved-job.ts'

/** What becomes of a rule's state when a job goes on with other rules. */
export interface CarriedRule {
  readonly id: string
  readonly outcome: 'kept' | 'changed' | 'removed' | 'added'
  /** Its id before, where that was another one. */
  readonly formerId?: string
  /** Keys with something open: that go on, or that are dropped; not counted in a plan. */
  readonly keys?: number
}

/** What becomes of a job's state when it goes on with other rules or streams. */
export interface CarryOver {
  /** In order of ids. */
  readonly rules: readonly CarriedRule[]
  /** Streams whose position is dropped, as they are read no more. */
  readonly removedStreams: readonly string[]
  /** Streams that are read from their beginning. */
  readonly addedStreams: readonly string[]
}

/** What an operator and its state have to do with each other. */
interface CarriedOperator {
  readonly id: string
  readonly saved: SavedOperator | undefined
  /** `null`: its state is read as it is, or there is none. */
  readonly mapping: StateMapping | null
  readonly name: string
  readonly layout: OperatorLayout
}

/** How the state of a job goes over to its rules as they are now. */
export interface CarryOverPlan {
  readonly operators: readonly CarriedOperator[]
  /** Operators whose rules are all gone. */
  readonly gone: readonly SavedOperator[]
  /** `null`: rules and streams are those of the state. */
  readonly carryOver: CarryOver | null
}

/**
 * Holds the state of a job against its rules. State belongs to the fingerprint of its rule: it is
 * kept where that is there still, wherever the rule stands.
 * @throws {TocsinError} STATE_MISMATCH where the state cannot be read by other rules
 */
export function planCarryOver(job: SavedJob, pipeline: RulePipeline): CarryOverPlan {
  const operators = pipeline.operators.map(({ id, layout, patternPredicates }): CarriedOperator => {
    const saved = Object.hasOwn(job.operators, id) ? job.operators[id] : undefined
    if (saved !== undefined && isSameLayout(saved.layout, layout)) {
      return { id, saved, mapping: null, name: saved.name, layout }
    }
    const fresh = stateNameOf(id, layout)
    // State that has changed its layout while its job ran still has its first name.
    const name = fresh === saved?.name ? `${fresh} again` : fresh
    const mapping = saved === undefined ? null : mappingOf(saved.layout, layout, patternPredicates)
    return { id, saved, mapping, name, layout }
  })
  const now = new Set(operators.map(({ id }) => id))
  const gone = Object.entries(job.operators).flatMap(([id, saved]) => (now.has(id) ? [] : [saved]))
  const before = new Set(job.splits.map(({ stream }) => stream))
  const removedStreams = [...before].filter((stream) => !pipeline.sources.has(stream)).sort()
  const addedStreams = [...pipeline.sources.keys()].filter((stream) => !before.has(stream)).sort()
  const isSame =
    operators.every(({ saved, mapping }) => saved !== undefined && mapping === null) &&
    gone.length + removedStreams.length + addedStreams.length === 0
  if (isSame) return { operators, gone, carryOver: null }
  const rules = carriedRules(operators, gone, () => undefined)
  return { operators, gone, carryOver: { rules, removedStreams, addedStreams } }
}

/**
 * What would become of the state of a job under other rules, without counts of keys; `null`: rules
 * and streams are the same.
 * @throws {TocsinError} STATE_MISMATCH; what `compileRules` throws
 */
export function previewCarryOver(
  job: SavedJob,
  rules: readonly CheckedRule[],
  streams: ReadonlyMap<string, StreamTime>,
): CarryOver | null {
  const nothing = () => undefined
  const pipeline = compileRules(rules, {
    streams,
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: { now: () => 0 },
    metrics: new MetricGroup(),
    sideOutput: nothing,
    onExpressionError: nothing,
    alerts: {
      alert: nothing,
      suppressed: nothing,
      droppedMatches: nothing,
      refusedEvent: nothing,
    },
  })
  return planCarryOver(job, pipeline).carryOver
}

/**
 * Writes the state anew for the rules as they are now: beside what is there, which counts until one
 * last step makes the new one count. Says how many keys each rule has.
 */
export async function carryOver(
  store: CheckpointStore,
  job: SavedJob,
  { operators, gone, carryOver: planned }: CarryOverPlan,
): Promise<CarryOver | null> {
  if (planned === null) return null
  const keys = new Map<RuleLayout, number>()
  const parts = new Map<string, readonly JsonValue[]>()
  const dropped: string[] = []
  for (const saved of gone) {
    await countKeys(store, saved, keys)
    dropped.push(saved.name)
  }
  for (const { saved, mapping, name } of operators) {
    // What a crash has left of an earlier try must not be taken for state.
    if (saved === undefined || mapping !== null) await store.removeEntries(name)
    if (saved === undefined) continue
    await countKeys(store, saved, keys)
    if (mapping === null) continue
    for await (const entries of store.entriesOf(saved.name)) {
      const open = entries.map(([key, form]) => {
        const keyGroup = keyGroupOf(hashKey(key))
        return { keyGroup, key: key.toString('latin1'), form: mapEntry(form, mapping) }
      })
      await store.putEntries(name, open)
    }
    parts.set(name, mapParts(await store.partsOf(saved.name), mapping))
    dropped.push(saved.name)
  }
  const now = operators.flatMap(({ id, saved, name, layout }): [string, SavedOperator][] =>
    saved === undefined ? [] : [[id, { name, layout }]],
  )
  const changed: SavedJob = { ...job, operators: Object.fromEntries(now) }
  await store.replaceJob(changed as unknown as JsonValue, parts, dropped)
  return { ...planned, rules: carriedRules(operators, gone, (rule) => keys.get(rule) ?? 0) }
}

async function countKeys(
  store: CheckpointStore,
  { name, layout }: SavedOperator,
  keys: Map<RuleLayout, number>,
): Promise<void> {
  for await (const entries of store.entriesOf(name)) {
    for (const [, form] of entries) {
      for (const [pattern] of form as [number, JsonValue][]) {
        const rule = layout.rules[pattern] as RuleLayout
        keys.set(rule, (keys.get(rule) ?? 0) + 1)
      }
    }
  }
}

function carriedRules(
  operators: readonly CarriedOperator[],
  gone: readonly SavedOperator[],
  keysOf: (rule: RuleLayout) => number | undefined,
): CarriedRule[] {
  const kept: CarriedRule[] = []
  const dropped: RuleLayout[] = gone.flatMap(({ layout }) => layout.rules)
  const fresh: string[] = []
  for (const { saved, mapping, layout } of operators) {
    const { rules } = layout
    const taken = new Set<number>()
    for (const [index, was] of saved?.layout.rules.entries() ?? []) {
      const pattern = mapping === null ? index : mapping.patterns[index]?.pattern
      if (pattern === undefined) dropped.push(was)
      else {
        taken.add(pattern)
        const { id } = rules[pattern] as RuleLayout
        const former = was.id === id || was.id === '' ? {} : { formerId: was.id }
        kept.push({ id, outcome: 'kept', ...former, ...counted(keysOf(was)) })
      }
    }
    fresh.push(...rules.flatMap(({ id }, pattern) => (taken.has(pattern) ? [] : [id])))
  }
  const before = new Map(dropped.map((rule) => [rule.id, rule]))
  const added = fresh.map((id): CarriedRule => {
    const was = before.get(id)
    before.delete(id)
    return was === undefined
      ? { id, outcome: 'added' }
      : { id, outcome: 'changed', ...counted(keysOf(was)) }
  })
  const removed = [...before.values()].map((rule): CarriedRule => {
    return { id: rule.id, outcome: 'removed', ...counted(keysOf(rule)) }
  })
  return [...kept, ...added, ...removed].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function counted(keys: number | undefined): { keys?: number } {
  return keys === undefined ? {} : { keys }
}
