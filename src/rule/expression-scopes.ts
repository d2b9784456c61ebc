import type { ExpressionScope, StepName } from '../expression/expression-scope.ts'
import type { JsonObject } from '../expression/value.ts'
import { type Rule, stepItemsOf } from './rule.ts'

/** What expressions may speak of in each place of one rule. */
export class RuleScopes {
  readonly #rule: Rule
  readonly #schemas: ReadonlyMap<string, JsonObject>
  readonly #steps: readonly StepName[]

  constructor(rule: Rule, schemas: ReadonlyMap<string, JsonObject>) {
    this.#rule = rule
    this.#schemas = schemas
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
    return this.#scope({ schemas: this.#schemasOf(from), result: 'boolean' })
  }

  /** `where` and `until` of an item: all steps, its own among them. */
  ofStep(from: string | null): ExpressionScope {
    const schemas = this.#schemasOf(from)
    return this.#scope({ steps: this.#steps, schemas, key: true, result: 'boolean' })
  }

  /** `title`, `fields` and `dedupe`: the steps, the key, and the last event taken. */
  ofAlert(): ExpressionScope {
    return this.#scope({
      steps: this.#steps,
      schemas: this.#schemasOf(null),
      key: true,
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
      steps: [],
      bareFields: true,
      schemas: [],
      names: [],
      key: false,
      tables: null,
      result: 'any',
      ...parts,
    }
  }
}
