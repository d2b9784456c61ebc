import type { Expression } from '../expression/expression.ts'
import { type ExpressionScope, openScope, type StepName } from '../expression/expression-scope.ts'
import { nearName } from '../expression/near-name.ts'
import { fieldTypeOf } from '../expression/static-type.ts'
import type { JsonObject } from '../expression/value.ts'
import { alertTimeName } from '../operator/alert-operator.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { type KeyPart, type Rule, type SequenceItem, stepItemsOf } from './rule.ts'

/** What expressions may speak of in each place of one rule. */
export class RuleScopes {
  readonly #rule: Rule
  readonly #schemas: ReadonlyMap<string, JsonObject>
  readonly #steps: readonly StepName[]
  /** The last step that each item of the sequence may speak of, by index. */
  readonly #reach: ReadonlyMap<SequenceItem, number>

  constructor(rule: Rule, schemas: ReadonlyMap<string, JsonObject>) {
    this.#rule = rule
    this.#schemas = schemas
    this.#reach = rule.detect.kind === 'event' ? new Map() : reachOf(rule.detect.items)
    // An absent item takes no event, so its name stands for nothing.
    this.#steps =
      rule.detect.kind === 'event'
        ? []
        : stepItemsOf(rule.detect.items).flatMap((step, index) =>
            step.negated
              ? []
              : [{ name: step.name, index, schemas: this.#schemasOf(step.test.from) }],
          )
  }

  /** `filter`, `event` and `cancelled_by`: the event alone. */
  ofEvent(from: string | null): ExpressionScope {
    const key = keyOfEvent(this.#rule, from)
    const stepsOutOfReach = this.#steps.map(({ name }) => name)
    return this.#scope({
      schemas: this.#schemasOf(from),
      stepsOutOfReach,
      key,
      result: 'boolean',
    })
  }

  /** `where` and `until` of an item: all steps, its own among them. */
  ofStep(from: string | null): ExpressionScope {
    return { ...this.ofEvent(from), steps: this.#steps, stepsOutOfReach: [] }
  }

  /** The same for an item of the sequence: only steps that may have taken an event by then. */
  ofItem(item: SequenceItem, from: string | null): ExpressionScope {
    const reach = this.#reach.get(item) ?? this.#steps.length
    const later = this.#steps.filter(({ index }) => index > reach)
    const steps = this.#steps.filter(({ index }) => index <= reach)
    return { ...this.ofStep(from), steps, laterSteps: later.map(({ name }) => name) }
  }

  /** `title`, `fields` and `dedupe`: the steps, the key, and the last event taken. */
  ofAlert(): ExpressionScope {
    return this.#scope({
      steps: this.#steps,
      // Of a time-out it is the deadline, which no event has.
      eventTime: { kind: 'name', name: alertTimeName },
      schemas: this.#schemasOf(null),
      key: keyOfAlert(this.#rule),
      names: this.#rule.by.map(({ name }) => name).filter((name) => /^[A-Za-z_]\w*$/.test(name)),
    })
  }

  /** As an alert's, for a condition. */
  ofException(): ExpressionScope {
    return { ...this.ofAlert(), result: 'boolean' }
  }

  /** A test's `generate`: the index `i` and nothing else. */
  ofGenerate(): ExpressionScope {
    return this.#scope({ bareFields: false, names: ['i'] })
  }

  /** The part of a key's path that a stream's schema excludes; `null` where it may be there. */
  missingFieldOf(stream: string, path: FieldPath): { name: string; near?: string } | null {
    const found = fieldTypeOf([this.#schemas.get(stream) ?? null], path)
    if (found.known) return null
    const name = path[found.depth] ?? ''
    const near = nearName(name, found.names)
    return near === undefined ? { name } : { name, near }
  }

  /** The stream of the rule whose schema has this field; `null` where none has. */
  streamWithField(name: string): string | null {
    const has = (stream: string): boolean => {
      const properties = this.#schemas.get(stream)?.properties
      return (
        typeof properties === 'object' && properties !== null && Object.hasOwn(properties, name)
      )
    }
    return this.#rule.from.find(has) ?? null
  }

  #schemasOf(from: string | null): (JsonObject | null)[] {
    const streams = from === null ? this.#rule.from : [from]
    return streams.map((stream) => this.#schemas.get(stream) ?? null)
  }

  #scope(parts: Partial<ExpressionScope>): ExpressionScope {
    return {
      ...openScope,
      ...parts,
    }
  }
}

/** A step sees those before it, and all of a group that is gone through several times. */
function reachOf(items: readonly SequenceItem[]): Map<SequenceItem, number> {
  const reach = new Map<SequenceItem, number>()
  let steps = 0
  const walk = (of: readonly SequenceItem[], loopEnd: number | null): void => {
    for (const item of of) {
      const last = steps + stepItemsOf([item]).length - 1
      const { quantifier } = item
      const isLoop = quantifier.kind === 'times' && quantifier.max !== 1
      reach.set(item, loopEnd ?? last)
      if (item.kind === 'group') walk(item.items, loopEnd ?? (isLoop ? last : null))
      else steps++
    }
  }
  walk(items, null)
  return reach
}

/** `key` of the current event: the value at its stream's own path; of several parts their list. */
function keyOfEvent({ by, from }: Rule, stream: string | null): Expression {
  return keyOfParts(by.map((part) => partOfEvent(part, stream === null ? from : [stream])))
}

/** `key` in an alert: as `by` shows it. */
function keyOfAlert({ by }: Rule): Expression {
  return keyOfParts(by.map(({ name }) => ({ kind: 'name', name })))
}

function keyOfParts(parts: readonly Expression[]): Expression {
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : { kind: 'list', elements: parts }
}

/** Where streams have different paths, the event's stream decides. */
function partOfEvent({ paths }: KeyPart, streams: readonly string[]): Expression {
  const [first = '', ...others] = streams
  const own: Expression = { kind: 'field', path: paths.get(first) ?? [] }
  const otherwise = others.filter((stream) => !samePath(paths.get(stream), paths.get(first)))
  if (otherwise.length === 0) return own
  const same = streams.filter((stream) => !otherwise.includes(stream))
  const isOfSame = same.map((stream): Expression => {
    const right: Expression = { kind: 'literal', value: stream }
    return { kind: 'compare', operator: '==', left: { kind: 'stream' }, right }
  })
  const condition: Expression = { kind: 'or', operands: isOfSame }
  const whenFalse = partOfEvent({ name: '', paths }, otherwise)
  return { kind: 'conditional', condition, whenTrue: own, whenFalse }
}

function samePath(a: FieldPath | undefined, b: FieldPath | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
