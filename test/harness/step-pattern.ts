import type { Condition, StepPattern } from '../../src/pattern/pattern.ts'
import { single } from '../../src/pattern/quantifier.ts'

/** A step that takes one event, whatever lies between it and the one before. */
export function stepPattern(index: number, condition: Condition): StepPattern {
  return {
    kind: 'step',
    index,
    name: `s${index}`,
    negated: false,
    contiguity: 'relaxed',
    condition,
    quantifier: single,
    until: null,
    withinMs: null,
  }
}
