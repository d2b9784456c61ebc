import { type Pattern, type StepPattern, stepsOf } from '../pattern/pattern.ts'
import {
  always,
  GuardCompiler,
  type GuardTest,
  isIterative,
  outcomeWithoutPredicates,
  type PartedGuard,
} from './guard.ts'
import { checkPattern } from './pattern-check.ts'
import { type FlatEdge, flattenEdges, type State, waysToFinal } from './state-graph.ts'
import { buildStateGraph } from './state-graph-builder.ts'

/** An edge that an event may use: what it does is decided by `test` alone. */
export interface CompiledEdge {
  readonly action: 'take' | 'ignore'
  /** Index of the state it leads to. */
  readonly target: number
  readonly targetKind: State['kind']
  /** The step that takes the event; -1 where no step does. */
  readonly step: number
  readonly test: GuardTest
  /** The same as `test`: for every event. */
  readonly guard: PartedGuard
  /** After taking: whether the final state is reached as well, without another event. */
  readonly completes: GuardTest | null
  /** Whether all that it does is to lead on: it neither ends nor completes anything. */
  readonly isPlain: boolean
  /** Whether its condition reads what the partial match has taken. */
  readonly readsTaken: boolean
}

export interface CompiledState {
  readonly index: number
  readonly kind: State['kind']
  readonly step: number
  /** Longest time since the event taken before, ms; 0 is none. */
  readonly withinMs: number
  readonly edges: readonly CompiledEdge[]
  /** Whether an event that fits no unary predicate changes nothing in this state. */
  readonly inert: boolean
  /** Whether some edge's condition reads what the partial match has taken. */
  readonly readsTaken: boolean
}

/** A pattern as an automaton: immutable, shared by all keys. */
export interface CompiledPattern {
  readonly pattern: Pattern
  readonly steps: readonly StepPattern[]
  readonly states: readonly CompiledState[]
  readonly start: number
  /** Time limit from first to last event, ms; 0 is none. */
  readonly withinMs: number
  readonly hasStepLimits: boolean
}

/**
 * Compiles a pattern to an automaton.
 * @throws {TocsinError} RULE_PATTERN, saying what is malformed.
 */
export function compileNFA(pattern: Pattern): CompiledPattern {
  checkPattern(pattern)
  const graph = buildStateGraph(pattern)
  const guards = new GuardCompiler()
  const states = graph.states.map((state) => compileState(state, guards))
  return {
    pattern,
    steps: stepsOf(pattern.items),
    states,
    start: graph.start.id,
    withinMs: pattern.withinMs ?? 0,
    hasStepLimits: states.some((state) => state.withinMs > 0),
  }
}

function compileState(state: State, guards: GuardCompiler): CompiledState {
  const flat = flattenEdges(state, always).filter(
    // The partial match that has not started stays where it is whatever it skips.
    (edge) => state.kind !== 'start' || edge.action === 'take',
  )
  const edges = flat.map((edge) => compileEdge(edge, guards))
  return {
    index: state.id,
    kind: state.kind,
    step: state.step,
    withinMs: state.withinMs,
    edges,
    inert: isInert(state, flat),
    readsTaken: edges.some((edge) => edge.readsTaken),
  }
}

function compileEdge(edge: FlatEdge, guards: GuardCompiler): CompiledEdge {
  const ways = edge.action === 'take' ? waysToFinal(edge.target, always) : []
  const tests = ways.map((way) => guards.compile(way))
  return {
    action: edge.action,
    target: edge.target.id,
    targetKind: edge.target.kind,
    step: edge.source.step,
    test: guards.compile(edge.guard),
    guard: guards.part(edge.guard),
    isPlain: edge.target.kind !== 'stop' && edge.target.kind !== 'final' && tests.length === 0,
    completes:
      tests.length === 0 ? null : (event, taken) => tests.some((test) => test(event, taken)),
    readsTaken: [edge.guard, ...ways].some(isIterative),
  }
}

function isInert(state: State, edges: readonly FlatEdge[]): boolean {
  let ignores = 0
  for (const edge of edges) {
    const outcome = outcomeWithoutPredicates(edge.guard)
    if (outcome === undefined) return false
    if (outcome && (edge.action === 'take' || edge.target !== state)) return false
    if (outcome) ignores++
  }
  return state.kind === 'start' ? ignores === 0 : ignores === 1
}
