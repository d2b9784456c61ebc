import { Ajv2020, type ErrorObject, type Options } from 'ajv/dist/2020.js'
import type { FieldPath } from '../stream/column-batch.ts'
import type { Constraint, Expression, SchemaTypeName } from './expression.ts'
import { conjunction } from './expression-analysis.ts'
import { linearRegExp } from './linear-reg-exp.ts'
import { nearName } from './near-name.ts'
import { fieldTypeOf } from './static-type.ts'
import { parsePattern } from './string-test.ts'
import { isObject, type JsonObject } from './value.ts'

/** One mistake in a `match:` schema. */
export interface SchemaProblem {
  readonly message: string
  /** Keywords and names from the schema's root to the mistake. */
  readonly path: readonly string[]
  readonly suggestion?: string
}

/**
 * Turns a JSON Schema (draft 2020-12) of one event into a predicate over the current event, which
 * is never CEL's error. Common keywords become nodes of the tree, so that only the fields they
 * name are read; a sub-schema with any other keyword is checked by Ajv. `format` is an annotation,
 * as the draft has it. `streamSchemas` are those of the event's streams, for unknown field names;
 * `null`: unknown.
 */
export function parseSchemaPredicate(
  schema: unknown,
  streamSchemas: readonly (JsonObject | null)[],
): { readonly expression: Expression } | { readonly problems: readonly SchemaProblem[] } {
  const malformed = malformedParts(schema)
  if (malformed.length > 0) return { problems: malformed }
  const folder = new SchemaFolder(streamSchemas)
  const conjuncts = hasReferences(schema)
    ? folder.compiled(schema as JsonObject, { field: [], schema: [], whenMissing: true })
    : folder.fold(schema, { field: [], schema: [], whenMissing: true })
  if (folder.problems.length > 0) return { problems: folder.problems }
  return { expression: conjunction(conjuncts) }
}

/** Where a sub-schema stands: the field it is about, and its place in the schema. */
interface Place {
  readonly field: FieldPath
  readonly schema: readonly string[]
  /** The outcome of its constraints for a missing field: false where the field is required. */
  readonly whenMissing: boolean
}

class SchemaFolder {
  readonly problems: SchemaProblem[] = []
  readonly #streamSchemas: readonly (JsonObject | null)[]

  constructor(streamSchemas: readonly (JsonObject | null)[]) {
    this.#streamSchemas = streamSchemas
  }

  /** The conditions that a sub-schema sets, all of which must hold. */
  fold(schema: unknown, place: Place): Expression[] {
    if (schema === true) return []
    if (schema === false) return [place.field.length === 0 ? never : absent(place.field)]
    if (!isObject(schema)) return []
    for (const keyword of Object.keys(schema)) this.#checkKeyword(keyword, place)
    if (Object.keys(schema).some((keyword) => !folded.has(keyword) && !annotations.has(keyword))) {
      return this.compiled(schema, place)
    }
    const required = Array.isArray(schema.required) ? schema.required.map(String) : []
    return [
      ...this.#constraints(schema, place),
      ...this.#properties(schema, place, required),
      ...this.#combined(schema, place),
    ]
  }

  /** The whole sub-schema by Ajv. */
  compiled(schema: JsonObject, place: Place): Expression[] {
    try {
      const validate = newAjv().compile(schema)
      return [
        constraintOn(place, {
          kind: 'schema',
          schema,
          validate: (value) => validate(value) === true,
        }),
      ]
    } catch (error) {
      // Ajv refuses for a mistake that has been reported where it stands.
      const within = ({ path }: SchemaProblem) => place.schema.every((name, i) => path[i] === name)
      if (this.problems.some(within)) return []
      const message = error instanceof Error ? error.message : String(error)
      this.problems.push({ message, path: place.schema })
      return []
    }
  }

  #checkKeyword(keyword: string, place: Place): void {
    if (known.has(keyword)) return
    const suggestion = nearName(keyword, known)
    this.problems.push({
      message: `JSON Schema has no keyword \`${keyword}\``,
      path: [...place.schema, keyword],
      ...(suggestion === undefined ? {} : { suggestion }),
    })
  }

  #constraints(schema: JsonObject, place: Place): Expression[] {
    const found: Expression[] = []
    for (const [keyword, value] of Object.entries(schema)) {
      const constraint = constraintOf(keyword, value)
      if (constraint === undefined) continue
      if ('problem' in constraint) {
        this.problems.push({ message: constraint.problem, path: [...place.schema, keyword] })
      } else if (place.field.length > 0 || constraint.kind === 'one_of') {
        found.push(constraintOn(place, constraint))
      } else if (constraint.kind === 'types' && !constraint.types.includes('object')) {
        // An event is an object; of the other keywords none speaks of objects.
        found.push(never)
      }
    }
    return found
  }

  #properties(schema: JsonObject, place: Place, required: readonly string[]): Expression[] {
    const properties = isObject(schema.properties) ? schema.properties : {}
    const conjuncts: Expression[] = []
    for (const [name, property] of Object.entries(properties)) {
      const isRequired = required.includes(name) && place.field.length === 0
      const field = [...place.field, name]
      const at = [...place.schema, 'properties', name]
      this.#checkName(field, at)
      conjuncts.push(...this.fold(property, { field, schema: at, whenMissing: !isRequired }))
    }
    for (const [index, name] of required.entries()) {
      const field = [...place.field, name]
      if (!Object.hasOwn(properties, name)) {
        this.#checkName(field, [...place.schema, 'required', String(index)])
      }
      if (conjuncts.some((conjunct) => demands(conjunct, field))) continue
      const present: Expression = { kind: 'has', operand: { kind: 'field', path: field } }
      if (place.field.length === 0) conjuncts.push(present)
      else {
        const exempt = constraintOn({ ...place, whenMissing: true }, { kind: 'not_object' })
        conjuncts.push({ kind: 'or', operands: [exempt, present] })
      }
    }
    return conjuncts
  }

  #combined(schema: JsonObject, place: Place): Expression[] {
    const conjuncts: Expression[] = []
    const inner = (keyword: string, index?: number): Place => ({
      ...place,
      schema: [...place.schema, keyword, ...(index === undefined ? [] : [String(index)])],
    })
    if (Array.isArray(schema.allOf)) {
      for (const [index, part] of schema.allOf.entries()) {
        conjuncts.push(...this.fold(part, inner('allOf', index)))
      }
    }
    if (Array.isArray(schema.anyOf)) {
      const operands = schema.anyOf.map((part, index) =>
        conjunction(this.fold(part, inner('anyOf', index))),
      )
      conjuncts.push({ kind: 'or', operands })
    }
    if (Object.hasOwn(schema, 'not')) {
      const at = { ...inner('not'), whenMissing: true }
      const operand = conjunction(this.fold(schema.not, at))
      const outcome: Expression = { kind: 'not', operand }
      const exempt = place.field.length > 0 && place.whenMissing
      // A missing field satisfies what is said of it, `not` included.
      conjuncts.push(exempt ? { kind: 'or', operands: [absent(place.field), outcome] } : outcome)
    }
    return conjuncts
  }

  #checkName(field: FieldPath, path: readonly string[]): void {
    const found = fieldTypeOf(this.#streamSchemas, field)
    if (found.known) return
    const suggestion = nearName(field[found.depth] ?? '', found.names)
    this.problems.push({
      message: `the stream's schema has no field \`${field.join('.')}\``,
      path,
      ...(suggestion === undefined ? {} : { suggestion }),
    })
  }
}

function constraintOf(
  keyword: string,
  value: unknown,
): Constraint | { readonly problem: string } | undefined {
  if (numeric.has(keyword) && typeof value !== 'number') return { problem: 'must be number' }
  if (keyword === 'enum' && !Array.isArray(value)) return { problem: 'must be array' }
  switch (keyword) {
    case 'type':
      return { kind: 'types', types: (Array.isArray(value) ? value : [value]) as SchemaTypeName[] }
    case 'const':
      return { kind: 'one_of', values: [value] }
    case 'enum':
      return { kind: 'one_of', values: value as readonly unknown[] }
    case 'minimum':
    case 'exclusiveMinimum':
      return { kind: 'minimum', limit: Number(value), exclusive: keyword !== 'minimum' }
    case 'maximum':
    case 'exclusiveMaximum':
      return { kind: 'maximum', limit: Number(value), exclusive: keyword !== 'maximum' }
    case 'multipleOf':
      return { kind: 'multiple_of', divisor: Number(value) }
    case 'minLength':
      return { kind: 'min_length', length: Number(value) }
    case 'maxLength':
      return { kind: 'max_length', length: Number(value) }
    case 'pattern': {
      const pattern = parsePattern(String(value))
      return 'test' in pattern ? { kind: 'pattern', test: pattern.test } : pattern
    }
    default:
      return undefined
  }
}

function constraintOn(place: Place, constraint: Constraint): Expression {
  const operand: Expression = { kind: 'field', path: place.field }
  return { kind: 'constraint', operand, constraint, whenMissing: place.whenMissing }
}

function absent(path: FieldPath): Expression {
  return { kind: 'not', operand: { kind: 'has', operand: { kind: 'field', path } } }
}

/** Whether a condition fails by itself where the field is missing. */
function demands(conjunct: Expression, field: FieldPath): boolean {
  if (conjunct.kind !== 'constraint' || conjunct.whenMissing) return false
  const { operand } = conjunct
  return operand.kind === 'field' && JSON.stringify(operand.path) === JSON.stringify(field)
}

const never: Expression = { kind: 'literal', value: false }

const numeric: ReadonlySet<string> = new Set([
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  ...['multipleOf', 'minLength', 'maxLength'],
])
const folded: ReadonlySet<string> = new Set([
  ...['type', 'const', 'enum', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  ...['multipleOf', 'minLength', 'maxLength', 'pattern', 'required', 'properties'],
  ...['not', 'allOf', 'anyOf'],
])
const annotations: ReadonlySet<string> = new Set([
  ...['title', 'description', '$comment', '$schema', 'default', 'examples', 'deprecated'],
  ...['readOnly', 'writeOnly', 'format'],
])
const known: ReadonlySet<string> = new Set([
  ...folded,
  ...annotations,
  ...['$id', '$anchor', '$ref', '$dynamicRef', '$dynamicAnchor', '$defs', 'definitions'],
  ...['items', 'prefixItems', 'contains', 'minContains', 'maxContains', 'minItems', 'maxItems'],
  ...['uniqueItems', 'minProperties', 'maxProperties', 'patternProperties', 'propertyNames'],
  ...['additionalProperties', 'dependentRequired', 'dependentSchemas', 'oneOf', 'if', 'then'],
  ...['else', 'unevaluatedItems', 'unevaluatedProperties', 'contentEncoding'],
  ...['contentMediaType', 'contentSchema'],
])

/** References need the whole schema around them. */
function hasReferences(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.some(hasReferences)
  if (!isObject(schema)) return false
  const refers = ['$ref', '$dynamicRef'].some((name) => typeof schema[name] === 'string')
  return refers || Object.values(schema).some(hasReferences)
}

function malformedParts(schema: unknown): SchemaProblem[] {
  if (typeof schema === 'boolean') return []
  if (!isObject(schema)) return [{ message: 'must be a JSON Schema', path: [] }]
  const errors = metaSchemaErrors(schema)
  const problems = new Map<string, SchemaProblem>()
  for (const error of errors) {
    // The draft's parts are combined, and each repeats what the first has said of a place.
    const path = error.instancePath.split('/').slice(1).map(unescapePointer)
    if (!problems.has(error.instancePath)) {
      problems.set(error.instancePath, { ...meaningOf(error), path })
    }
  }
  return [...problems.values()]
}

function meaningOf({ keyword, params, data, message }: ErrorObject): Omit<SchemaProblem, 'path'> {
  if (keyword !== 'enum') return { message: message ?? 'is malformed' }
  const words = (params.allowedValues as readonly unknown[]).map(String)
  const expected = `expected one of ${words.map((word) => `\`${word}\``).join(', ')}`
  const suggestion = typeof data === 'string' ? nearName(data, words) : undefined
  return suggestion === undefined ? { message: expected } : { message: expected, suggestion }
}

/** Ajv generates code: where that is forbidden, only what is folded is checked, keyword by keyword. */
function metaSchemaErrors(schema: JsonObject): readonly ErrorObject[] {
  checker ??= newAjv({ allErrors: true, verbose: true })
  try {
    return checker.validateSchema({ ...schema, $schema: metaSchema }) === true
      ? []
      : (checker.errors ?? [])
  } catch (error) {
    if (!(error instanceof EvalError)) throw error
    checker = undefined
    return []
  }
}

/** Made once: its own set-up, the compiled meta-schema, costs more than a check. */
let checker: Ajv2020 | undefined
const metaSchema = 'https://json-schema.org/draft/2020-12/schema'

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}

function newAjv(options: Options = {}): Ajv2020 {
  return new Ajv2020({
    ...options,
    strict: true,
    validateSchema: false,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    validateFormats: false,
    logger: false,
    ownProperties: true,
    code: { regExp: linearRegExp },
  })
}
