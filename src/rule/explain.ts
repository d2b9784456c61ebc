import { readsOf } from '../expression/expression-analysis.ts'
import { formatDuration } from '../expression/time-value.ts'
import { type ExplainedAutomaton, explainAutomaton } from './explain-automaton.ts'
import type { CheckedRule } from './expression-check.ts'
import type { AfterMatch, Rule, SequenceDetect, SequenceItem } from './rule.ts'
import { type RulePattern, type RulePlace, rulePatternOf } from './rule-pattern.ts'

/** What a rule does, as plain data: for people by way of `explanationText` and its siblings. */
export interface RuleExplanation {
  readonly rule: string
  readonly version: number
  readonly detects: 'event' | 'sequence'
  readonly streams: readonly string[]
  /** Parts of the key; `paths` by stream. */
  readonly key: readonly {
    readonly name: string
    readonly paths: Readonly<Record<string, string>>
  }[]
  /** Longest time from first to last event, ms; `null` is none. */
  readonly withinMs: number | null
  readonly afterMatch: string
  readonly conditions: readonly ExplainedCondition[]
  readonly automaton: ExplainedAutomaton
  readonly state: StateBound
}

/** What one place of the rule asks of an event. */
export interface ExplainedCondition {
  readonly place: RulePlace['kind']
  /** Of the step or group; empty for the whole rule's. */
  readonly name: string
  /** All of it; `true` where every event fits. */
  readonly text: string
  /**
   * Number of the predicate that covers the parts which read the event only, the filter among
   * them: evaluated once an event over the batch. Places with the same number share it. `null`:
   * there are no such parts.
   */
  readonly predicate: number | null
  /** The parts that read the event only. */
  readonly unary: readonly string[]
  /** The parts that read what was taken: evaluated for each partial match. */
  readonly iterative: readonly string[]
  /** Fields of the event that are read. */
  readonly fields: readonly string[]
}

/** What a key may keep in state. */
export interface StateBound {
  /** First events that may be open, and so the greatest number of starts; 0: nothing is kept. */
  readonly limit: number
  /** Longest time that a partial match is kept, ms; `null`: until it matches. */
  readonly keptMs: number | null
  /**
   * How the partial matches of one first event grow with the number n of events that fit: `1` (a
   * number that the pattern bounds), `n`, `n^2`, ..., `2^n`.
   */
  readonly perFirst: string
  /** Sentences. */
  readonly reasons: readonly string[]
}

/** Explains how a rule works. */
export function explainRule(checked: CheckedRule): RuleExplanation {
  const { rule } = checked
  const { detect } = rule
  const pattern = rulePatternOf(checked)
  return {
    rule: rule.id,
    version: rule.version,
    detects: detect.kind,
    streams: rule.from,
    key: keyOf(rule),
    withinMs: detect.kind === 'sequence' ? detect.withinMs : null,
    afterMatch: detect.kind === 'sequence' ? afterMatchText(detect.afterMatch) : 'no_skip',
    conditions: pattern.places.map(explainCondition),
    automaton: explainAutomaton(pattern).automaton,
    state: detect.kind === 'sequence' ? stateBoundOf(detect, pattern) : nothingKept,
  }
}

function keyOf({ by }: Rule): RuleExplanation['key'] {
  return by.map(({ name, paths }) => ({
    name,
    paths: Object.fromEntries([...paths].map(([stream, path]) => [stream, path.join('.')])),
  }))
}

function explainCondition({ kind, name, condition, predicate }: RulePlace): ExplainedCondition {
  const conjuncts = condition?.conjuncts ?? []
  const fields = conjuncts.flatMap(({ expression }) =>
    readsOf(expression).fields.map((path) => (path.length === 0 ? 'event' : path.join('.'))),
  )
  return {
    place: kind,
    name,
    text: condition?.text ?? 'true',
    predicate,
    unary: conjuncts.filter(({ unary }) => unary).map(({ text }) => text),
    iterative: conjuncts.filter(({ unary }) => !unary).map(({ text }) => text),
    fields: [...new Set(fields)],
  }
}

function afterMatchText(afterMatch: AfterMatch): string {
  return 'step' in afterMatch ? `${afterMatch.kind}: ${afterMatch.step}` : afterMatch.kind
}

const nothingKept: StateBound = {
  limit: 0,
  keptMs: 0,
  perFirst: '1',
  reasons: ['each event is judged alone: nothing is kept'],
}

function stateBoundOf(detect: SequenceDetect, { pattern }: RulePattern): StateBound {
  const { limit, withinMs, items } = detect
  const reasons = [
    `at most ${limit} first events are open for a key (\`limit\`); one more is refused and counted`,
    withinMs === null
      ? 'without `within` a partial match is kept until it matches or is cancelled'
      : `a partial match is kept for at most ${formatDuration(withinMs)} (\`within\`)`,
  ]
  let exponent = 0
  let exponential = false
  for (const { kind, name, contiguity, quantifier } of everyItem(items)) {
    const what = `${kind} \`${name}\``
    if (contiguity === 'any') {
      exponent++
      reasons.push(`${what}: \`contiguity: any\` branches at every event that fits`)
    }
    if (quantifier.kind !== 'times') continue
    if (quantifier.inner === 'any') {
      exponential = true
      reasons.push(`${what}: \`inner: any\` keeps every choice of the events that fit`)
    } else if (quantifier.max === null) {
      exponent++
      reasons.push(`${what}: an open loop keeps every event that fits`)
    }
  }
  if (pattern.items.length === 1 && items[0]?.kind === 'step' && !loops(items[0])) {
    return nothingKept
  }
  return { limit, keptMs: withinMs, perFirst: growth(exponent, exponential), reasons }
}

function growth(exponent: number, exponential: boolean): string {
  if (exponential) return '2^n'
  if (exponent === 0) return '1'
  return exponent === 1 ? 'n' : `n^${exponent}`
}

function loops({ quantifier }: SequenceItem): boolean {
  return quantifier.kind === 'times'
}

function* everyItem(items: readonly SequenceItem[]): Generator<SequenceItem> {
  for (const item of items) {
    yield item
    if (item.kind === 'group') yield* everyItem(item.items)
  }
}
