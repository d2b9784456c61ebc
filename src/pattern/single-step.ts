import type { Condition, StepPattern } from './pattern.ts'
import { single } from './quantifier.ts'

/** A step that takes one event, whatever lies between it and the one before. */
export function singleStep(index: number, name: string, condition: Condition | null): StepPattern {
  return {
    kind: 'step',
    index,
    name,
    negated: false,
    contiguity: 'relaxed',
    condition,
    quantifier: single,
    until: null,
    withinMs: null,
  }
}
