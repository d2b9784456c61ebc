import { and, type Guard } from './guard.ts'

export type StateKind = 'start' | 'normal' | 'pending' | 'final' | 'stop'
export type TransitionAction = 'take' | 'ignore' | 'proceed'

/** An edge as the compiler lays it. `take` keeps the event, `ignore` skips it, `proceed` is epsilon. */
export interface Transition {
  readonly action: TransitionAction
  readonly target: State
  /** Narrowed by a greedy loop before it, hence not readonly. */
  guard: Guard
}

/** A state while the automaton is being built: transitions are added from the end backwards. */
export class State {
  readonly id: number
  /** The step whose events this state waits for; -1 for states of no step. */
  readonly step: number
  kind: StateKind
  readonly transitions: Transition[] = []
  /** Longest time since the event taken before, while waiting here; 0 is none. */
  withinMs = 0

  constructor(id: number, step: number, kind: StateKind) {
    this.id = id
    this.step = step
    this.kind = kind
  }

  add(action: TransitionAction, target: State, guard: Guard): void {
    this.transitions.push({ action, target, guard })
  }
}

/** An edge after epsilon edges have been followed: its guard covers the whole way. */
export interface FlatEdge {
  readonly action: 'take' | 'ignore'
  /** The state that the edge leaves: the step that takes. */
  readonly source: State
  readonly target: State
  readonly guard: Guard
}

/**
 * The edges that an event may use in `state`, epsilon edges followed, in the order in which
 * Flink's NFA#createDecisionGraph finds them: a state's own edges first, then what is behind its
 * last epsilon edge. A state is not entered twice on one way, so that groups whose every step is
 * optional end.
 */
export function flattenEdges(state: State, guard: Guard, way: readonly State[] = []): FlatEdge[] {
  const edges: FlatEdge[] = []
  const behind: FlatEdge[][] = []
  const path = [...way, state]
  for (const transition of state.transitions) {
    const whole = and(guard, transition.guard)
    if (transition.action !== 'proceed') {
      edges.push({
        action: transition.action,
        source: state,
        target: transition.target,
        guard: whole,
      })
    } else if (!path.includes(transition.target)) {
      behind.push(flattenEdges(transition.target, whole, path))
    }
  }
  return [...edges, ...behind.reverse().flat()]
}

/** The guards of the epsilon ways from `state` to the final state; empty: there is none. */
export function waysToFinal(state: State, guard: Guard, way: readonly State[] = []): Guard[] {
  const path = [...way, state]
  return state.transitions.flatMap((transition) => {
    if (transition.action !== 'proceed' || path.includes(transition.target)) return []
    const whole = and(guard, transition.guard)
    return transition.target.kind === 'final'
      ? [whole]
      : waysToFinal(transition.target, whole, path)
  })
}
