import type { FieldPath } from '../stream/column-batch.ts'
import { type Event, inlineFields, type TakenEvent } from '../stream/event.ts'
import { ClosureCompiler, type EvaluationPlace } from './closure-compiler.ts'
import { CodeCompiler } from './code-compiler.ts'
import type { Expression } from './expression.ts'
import type { ExpressionEnvironment } from './expression-environment.ts'
import { Timestamp } from './value.ts'

/** An expression compiled over events: for iterative conditions and for what an alert carries. */
export interface CompiledExpression {
  /**
   * Its value: a JSON value, a Timestamp or a Duration; `undefined` is CEL's error. Without a
   * current event, bare fields are those of the last event taken. `names` holds the values of the
   * scope's names; by default none.
   */
  evaluate(
    event: Event | null,
    taken: TakenEvent | null,
    names?: ReadonlyMap<string, unknown> | null,
  ): unknown
}

/** Compiles an expression; `fieldSlotOf` gives the slot of a path in `Event`. */
export function compileEventExpression(
  expression: Expression,
  fieldSlotOf: (path: FieldPath) => number,
  environment: ExpressionEnvironment,
): CompiledExpression {
  const closures = new ClosureCompiler<EventContext>(eventPlace(fieldSlotOf), environment)
  const generated =
    environment.codegen === false ? undefined : generate(expression, fieldSlotOf, closures)
  return { evaluate: generated ?? evaluateByClosure(expression, closures) }
}

interface EventContext {
  readonly event: Event | null
  readonly taken: TakenEvent | null
  readonly names: ReadonlyMap<string, unknown> | null
  readonly variables: unknown[]
}

function evaluateByClosure(
  expression: Expression,
  closures: ClosureCompiler<EventContext>,
): CompiledExpression['evaluate'] {
  const evaluate = closures.compile(expression)
  return (event, taken, names = null) =>
    evaluate({ event: event ?? taken?.event ?? null, taken, names, variables: [] })
}

function eventPlace(fieldSlotOf: (path: FieldPath) => number): EvaluationPlace<EventContext> {
  return {
    field: (path) => {
      const slot = fieldSlotOf(path)
      return ({ event }) => event?.field(slot)
    },
    eventTime: ({ event }) => (event === null ? undefined : new Timestamp(event.timestamp)),
    stream: ({ event }) => event?.split.stream,
    name:
      (name) =>
      ({ names }) =>
        names?.get(name),
    last:
      (step) =>
      ({ taken }) =>
        lastOf(taken, step),
    events:
      (step) =>
      ({ taken }) =>
        eventsOf(taken, step),
    takenField: (path) => {
      const slot = fieldSlotOf(path)
      return (event) => event.field(slot)
    },
    takenTime: (event) => new Timestamp(event.timestamp),
  }
}

function lastOf(taken: TakenEvent | null, step: number): Event | undefined {
  if (taken?.lastOf !== undefined) return taken.lastOf(step)
  let link = taken
  while (link !== null && link.step !== step) link = link.previous
  return link?.event
}

function lastFieldOf(taken: TakenEvent | null, step: number, slot: number): unknown {
  if (taken?.lastFieldOf !== undefined) return taken.lastFieldOf(step, slot)
  return lastOf(taken, step)?.field(slot)
}

function countOf(taken: TakenEvent | null, step: number): number {
  if (taken?.countOf !== undefined) return taken.countOf(step)
  let count = 0
  for (let link = taken; link !== null; link = link.previous) if (link.step === step) count++
  return count
}

function eventsOf(taken: TakenEvent | null, step: number): Event[] {
  const events: Event[] = []
  for (let link = taken; link !== null; link = link.previous) {
    if (link.step === step) events.push(link.event)
  }
  return events.reverse()
}

function generate(
  expression: Expression,
  fieldSlotOf: (path: FieldPath) => number,
  closures: ClosureCompiler<EventContext>,
): CompiledExpression['evaluate'] | undefined {
  const code = new CodeCompiler<EventContext>(
    {
      field: (path) => ({
        value: `(e === null ? undefined : ${slotCode('e', fieldSlotOf(path))})`,
        column: null,
      }),
      lastField: (step, path) => `lastField(taken, ${step}, ${fieldSlotOf(path)})`,
      stepCount: (step) => `count(taken, ${step})`,
      stream: '(e === null ? undefined : e.split.stream)',
      context: 'x',
    },
    closures,
  )
  const value = code.write(expression)
  const context = 'const x = { event: e, taken, names: names ?? null, variables: [] }'
  const source = `return (event, taken, names) => {
    const e = event !== null ? event : taken === null ? null : taken.event
    ${code.usesContext ? context : ''}
    ${code.takeLines()}
    return ${value}
  }`
  return code.build(source, { lastField: lastFieldOf, count: countOf }) as
    | CompiledExpression['evaluate']
    | undefined
}

/** Reads a slot of an event, without a call where the event holds it itself. */
function slotCode(event: string, slot: number): string {
  const isInline = slot >= 0 && slot < inlineFields
  return isInline ? `${event}.f${slot}` : `${event}.field(${slot})`
}
