import type { ArrivedEvent } from '../stream/event.ts'
import { passes } from './guard.ts'
import type { CompiledEdge } from './nfa-compiler.ts'
import type { TakenView } from './taken-view.ts'

/** Puts the edges that the event may use into `fired`, from 0 on; gives their number. */
export function fire(
  edges: readonly CompiledEdge[],
  event: ArrivedEvent,
  before: TakenView | null,
  fired: CompiledEdge[],
): number {
  let count = 0
  for (let index = 0; index < edges.length; index++) {
    const edge = edges[index] as CompiledEdge
    if (passes(edge.guard, event, before)) fired[count++] = edge
  }
  return count
}

/** Whether what happens is at most one edge that only leads on. */
export function isPlain(fired: readonly CompiledEdge[], count: number): boolean {
  return count === 0 || (count === 1 && (fired[0] as CompiledEdge).isPlain)
}
