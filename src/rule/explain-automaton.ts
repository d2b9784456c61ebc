import { formatDuration } from '../expression/time-value.ts'
import { always, type Guard } from '../nfa/guard.ts'
import { type FlatEdge, flattenEdges, type State, waysToFinal } from '../nfa/state-graph.ts'
import { buildStateGraph } from '../nfa/state-graph-builder.ts'
import { type StepPattern, stepsOf } from '../pattern/pattern.ts'
import type { RulePattern } from './rule-pattern.ts'

/** A rule's automaton as it runs, as plain data: epsilon edges have been followed. */
export interface ExplainedAutomaton {
  /** Those that can be reached, the start first, those that end a partial match last. */
  readonly states: readonly ExplainedState[]
  readonly edges: readonly ExplainedEdge[]
}

export interface ExplainedState {
  /** The step that the state belongs to, numbered from 2 where it has several states. */
  readonly name: string
  readonly kind: 'start' | 'waiting' | 'absent' | 'match' | 'stop'
  /** Steps of which it may take the next event. */
  readonly waitsFor: readonly string[]
  /** Longest time since the event taken before, ms; `null`: none of its own. */
  readonly withinMs: number | null
}

export interface ExplainedEdge {
  readonly from: string
  readonly to: string
  /**
   * What becomes of the event: a step takes it, it is skipped, or it ends the partial match. `time`
   * is no event's: the time limit has run out, and nothing that must be absent has come.
   */
  readonly action: 'take' | 'skip' | 'stop' | 'time'
  /** The step that takes it; `null` where none does. */
  readonly step: string | null
  /** In the words of the rule; `true` for every event. */
  readonly condition: string
  /** Whether the match is complete at once too, though the partial match goes on. */
  readonly completes: boolean
}

/** The automaton of a pattern, and the name of each state by its index in the compiled NFA. */
export function explainAutomaton(rulePattern: RulePattern): {
  readonly automaton: ExplainedAutomaton
  readonly names: ReadonlyMap<number, string>
} {
  const { pattern, texts } = rulePattern
  const { start, states: all } = buildStateGraph(pattern)
  const steps = stepsOf(pattern.items)
  const reached = reachableFrom(start)
  const pending = [...reached.keys()].filter(({ kind }) => kind === 'pending')
  // No edge may lead to it: an absent item that stands last is complete by time alone.
  for (const state of all) if (state.kind === 'final') reached.set(state, [])
  const names = namesOf([...reached.keys()], steps)
  const nameOf = (state: State) => names.get(state.id) as string
  const textOf = (guard: Guard) => guardText(guard, texts)
  const edges = [...reached].flatMap(([state, flat]) =>
    flat.map((edge) => edgeOf(state, edge, steps, nameOf, textOf)),
  )
  edges.push(...pending.map((state) => timeEdge(state, pattern.withinMs, nameOf(state))))
  const waiting = [...reached].map(([state, flat]) => stateOf(state, flat, steps, nameOf))
  const states = [...waiting.filter((state) => !isEnd(state)), ...waiting.filter(isEnd)]
  return { automaton: { states, edges }, names }
}

/** States in order of distance from the start, each with the edges that an event may use. */
function reachableFrom(start: State): Map<State, FlatEdge[]> {
  const reached = new Map<State, FlatEdge[]>()
  const queue = [start]
  for (const state of queue) {
    if (reached.has(state)) continue
    const ends = state.kind === 'final' || state.kind === 'stop'
    const edges = ends ? [] : flattenEdges(state, always)
    const used = edges.filter(({ action }) => state.kind !== 'start' || action === 'take')
    reached.set(state, used)
    queue.push(...used.map(({ target }) => target))
  }
  return reached
}

function isEnd({ kind }: ExplainedState): boolean {
  return kind === 'match' || kind === 'stop'
}

function namesOf(states: readonly State[], steps: readonly StepPattern[]): Map<number, string> {
  const counts = new Map<string, number>()
  return new Map(
    states.map((state) => {
      const base = baseName(state, steps)
      const count = (counts.get(base) ?? 0) + 1
      counts.set(base, count)
      return [state.id, count === 1 ? base : `${base} ${count}`]
    }),
  )
}

function baseName(state: State, steps: readonly StepPattern[]): string {
  const step = steps[state.step]
  if (state.kind === 'final') return 'match'
  if (state.kind === 'stop') return `stopped by ${step?.name ?? 'absent'}`
  return step?.negated === true ? `no ${step.name}` : (step?.name ?? 'waiting')
}

function stateOf(
  state: State,
  edges: readonly FlatEdge[],
  steps: readonly StepPattern[],
  nameOf: (state: State) => string,
): ExplainedState {
  const takes = edges.flatMap((edge) => takingStep(edge, steps) ?? [])
  return {
    name: nameOf(state),
    kind: kindOf(state, steps),
    waitsFor: [...new Set(takes)],
    withinMs: state.withinMs > 0 ? state.withinMs : null,
  }
}

function kindOf(state: State, steps: readonly StepPattern[]): ExplainedState['kind'] {
  switch (state.kind) {
    case 'start':
      return 'start'
    case 'final':
      return 'match'
    case 'stop':
      return 'stop'
    case 'pending':
      return 'absent'
    case 'normal':
      return steps[state.step]?.negated === true ? 'absent' : 'waiting'
  }
}

/** A stop state loops to itself by `take`, which takes nothing for a match. */
function takingStep(edge: FlatEdge, steps: readonly StepPattern[]): string | null {
  if (edge.action !== 'take' || edge.target.kind === 'stop') return null
  return steps[edge.source.step]?.name ?? null
}

function edgeOf(
  from: State,
  edge: FlatEdge,
  steps: readonly StepPattern[],
  nameOf: (state: State) => string,
  textOf: (guard: Guard) => string,
): ExplainedEdge {
  const { target } = edge
  const step = takingStep(edge, steps)
  return {
    from: nameOf(from),
    to: nameOf(target),
    action: target.kind === 'stop' ? 'stop' : edge.action === 'take' ? 'take' : 'skip',
    step,
    condition: textOf(edge.guard),
    completes: step !== null && waysToFinal(target, always).length > 0,
  }
}

function timeEdge(state: State, withinMs: number | null, from: string): ExplainedEdge {
  const limits = [
    ...(state.withinMs > 0 ? [`${formatDuration(state.withinMs)} after the event before`] : []),
    ...(withinMs === null ? [] : [`${formatDuration(withinMs)} after the first event`]),
  ]
  const condition = limits.join(' or ')
  return { from, to: 'match', action: 'time', step: null, condition, completes: false }
}

function guardText(guard: Guard, texts: RulePattern['texts']): string {
  const parts = [...new Set(partsOf(guard, texts))]
  if (parts.length === 0) return 'true'
  return parts.length === 1 ? (parts[0] as string) : parts.map(guarded).join(' && ')
}

function partsOf(guard: Guard, texts: RulePattern['texts']): string[] {
  switch (guard.kind) {
    case 'always':
      return []
    case 'condition': {
      const text = texts.get(guard.condition) ?? 'true'
      return text === 'true' ? [] : [text]
    }
    case 'not':
      return [`!(${guardText(guard.operand, texts)})`]
    case 'and':
      return [...partsOf(guard.left, texts), ...partsOf(guard.right, texts)]
  }
}

/** A text that `&&` would tear apart goes into parentheses. */
function guarded(text: string): string {
  return /\|\||\?/.test(text) && !text.startsWith('!(') ? `(${text})` : text
}
