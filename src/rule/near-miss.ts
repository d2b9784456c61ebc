import { compileEventExpression } from '../expression/event-expression.ts'
import type { Expression } from '../expression/expression.ts'
import { readsOf } from '../expression/expression-analysis.ts'
import { jsonOf } from '../expression/template.ts'
import { valueAt } from '../expression/value.ts'
import { type EventText, type JsonValue, plainEventText } from '../stream/alert.ts'
import { type Event, eventOf, type TakenEvent } from '../stream/event.ts'
import { FieldSlots } from './field-slots.ts'
import type { RuleCondition } from './rule-condition.ts'

/** A part of a condition that did not hold, with what it read. */
export interface FailedConjunct {
  readonly text: string
  /** `error` is CEL's: a field is missing or of a wrong type. */
  readonly value: 'false' | 'error'
  /** Value by name: `merchant`, `probe.merchant`; what is missing is not in it. */
  readonly reads: Readonly<Record<string, JsonValue>>
  /** Names that had no value. */
  readonly missing: readonly string[]
}

/** Tells which parts of a condition an event does not meet; empty: it meets all. */
export type ConditionJudge = (event: Event, taken: TakenEvent | null) => FailedConjunct[]

/**
 * Judges events by the parts of conditions, one at a time, outside of the engine: fields are read
 * from the events' own text, as the engine carries only those that it needs.
 */
export class NearMissJudge {
  readonly #slots = new FieldSlots()
  readonly #stepNames: readonly string[]
  readonly #eventText: EventText
  readonly #whole: WholeEvents = new Map()
  /** As they may be shown: what is told of a condition is read from these. */
  readonly #shown: WholeEvents = new Map()

  /**
   * @param stepNames names of the pattern's steps by index
   * @param eventText gives events as they may be shown
   */
  constructor(stepNames: readonly string[], eventText: EventText) {
    this.#stepNames = stepNames
    this.#eventText = eventText
  }

  /** All judges must be made before the first is used. */
  judgeOf(condition: RuleCondition | null): ConditionJudge {
    const tests = (condition?.conjuncts ?? []).map(({ text, expression }) => ({
      text,
      holds: this.#compile(expression),
      reads: this.#readsOf(expression),
    }))
    return (event, taken) => {
      const whole = this.#wholeOf(event, this.#whole)
      const wholeTaken = this.#wholeTaken(taken, this.#whole)
      const failing = tests.flatMap(({ text, holds, reads }) => {
        const value = holds(whole, wholeTaken)
        return value === true ? [] : [{ text, value, reads }]
      })
      if (failing.length === 0) return []
      const shown = this.#wholeOf(event, this.#shown)
      const shownTaken = this.#wholeTaken(taken, this.#shown)
      return failing.map(({ text, value, reads }) => failed(text, value, reads, shown, shownTaken))
    }
  }

  #compile(expression: Expression): Evaluation {
    const { evaluate } = compileEventExpression(expression, this.#slots.indexOf, noTables)
    return (event, taken) => evaluate(event, taken)
  }

  #readsOf(expression: Expression): NamedRead[] {
    const { fields, taken } = readsOf(expression)
    return [
      ...fields.map((path): NamedRead => {
        const name = path.length === 0 ? 'event' : path.join('.')
        return { name, value: this.#compile({ kind: 'field', path }) }
      }),
      ...taken.map(({ step, path }): NamedRead => {
        const name = [this.#stepNames[step] as string, ...path].join('.')
        const event = { kind: 'last', step } as const
        return { name, value: this.#compile({ kind: 'taken_field', event, path }) }
      }),
    ]
  }

  /** The event with all fields that some judge reads. */
  #wholeOf(event: Event, known: WholeEvents): Event {
    let whole = known.get(event)
    if (whole === undefined) {
      const text = known === this.#shown ? this.#eventText(event) : plainEventText(event)
      const value: unknown = JSON.parse(text)
      const fields = this.#slots.paths.map((path) => valueAt(value, path))
      const { timestamp, split, offset, predicates, morePredicates, raw } = event
      whole = eventOf(timestamp, split, offset, predicates, morePredicates, fields, raw)
      known.set(event, whole)
    }
    return whole
  }

  #wholeTaken(taken: TakenEvent | null, known: WholeEvents): TakenEvent | null {
    const links: TakenEvent[] = []
    for (let link = taken; link !== null; link = link.previous) links.push(link)
    let whole: TakenEvent | null = null
    for (const { event, step, ordinal } of links.reverse()) {
      whole = { event: this.#wholeOf(event, known), step, ordinal, previous: whole }
    }
    return whole
  }
}

type WholeEvents = Map<Event, Event>
type Evaluation = (event: Event, taken: TakenEvent | null) => unknown

interface NamedRead {
  readonly name: string
  readonly value: Evaluation
}

const noTables = { tables: new Map() }

function failed(
  text: string,
  value: unknown,
  reads: readonly NamedRead[],
  event: Event,
  taken: TakenEvent | null,
): FailedConjunct {
  const values = reads.map(({ name, value: read }) => ({ name, value: read(event, taken) }))
  return {
    text,
    value: value === undefined ? 'error' : 'false',
    reads: Object.fromEntries(
      values
        .filter((one) => one.value !== undefined)
        .map((one) => [one.name, jsonOf(one.value) as JsonValue]),
    ),
    missing: values.filter((one) => one.value === undefined).map(({ name }) => name),
  }
}
