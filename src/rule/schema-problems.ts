import type { ErrorObject, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ErrorCode } from '../errors.ts'
import { nearName } from '../expression/near-name.ts'
import { formatPath, joinPath, segmentsOfPointer } from './document-path.ts'
import { didYouMean, type RuleProblem } from './rule-problem.ts'
import type { YAMLDocument } from './yaml-document.ts'

/** Checks one document: a problem for each mistake, in order of writing. */
export type SchemaCheck = (document: YAMLDocument) => RuleProblem[]

/**
 * Compiles a schema (draft 2020-12) into a check whose problems carry `code`. It knows three
 * keywords of ours: `x-not-yet: true` refuses what it stands on with RULE_NOT_YET, `x-instead`
 * says what there is in its place, and `x-expected` is the end of "expected …" in messages. Rule
 * files and configuration share it.
 */
export function createSchemaCheck(
  schema: Readonly<Record<string, unknown>>,
  code: ErrorCode,
): SchemaCheck {
  const ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    allowUnionTypes: true,
    strictTypes: false,
    validateFormats: false,
  })
  ajv.addKeyword({ keyword: 'x-expected', schemaType: 'string' })
  ajv.addKeyword({ keyword: 'x-instead', schemaType: 'string' })
  ajv.addKeyword({ keyword: 'x-not-yet', schemaType: 'boolean', validate: (on: boolean) => !on })
  const validate: ValidateFunction = ajv.compile(schema)
  return (document) => {
    if (validate(document.value)) return []
    return onePerMistake((validate.errors ?? []).map((error) => mistakeOf(error, document)))
      .map((mistake) => problemOf(mistake, document, code))
      .sort((a, b) => a.line - b.line || a.column - b.column)
  }
}

interface Mistake {
  readonly kind: 'unknown' | 'missing' | 'not-yet' | 'value'
  /** For an unknown or a missing keyword the object's path with the keyword's name. */
  readonly path: string
  /** Path of the object that has the keyword. */
  readonly parent: string
  readonly message: string
  readonly suggestion?: string
}

function mistakeOf(found: ErrorObject, document: YAMLDocument): Mistake {
  const segments = segmentsOfPointer(found.instancePath, document.value)
  const path = formatPath(segments)
  const written = document.writtenAs?.(path) ?? null
  const error = written === null ? found : { ...found, data: written }
  const { params, keyword } = error
  if (keyword === 'additionalProperties') return unknownKeyword(error, path)
  if (keyword === 'required') {
    const missing = String(params.missingProperty)
    const message = `\`${missing}\` is missing${hintOf(error, missing)}`
    return { kind: 'missing', path: joinPath(path, missing), parent: path, message }
  }
  const parent = formatPath(segments.slice(0, -1))
  if (keyword === 'x-not-yet') {
    const instead = error.parentSchema?.['x-instead']
    const message = `not yet: \`${path}\` is known, but not built`
    return {
      kind: 'not-yet',
      path,
      parent,
      message: instead === undefined ? message : `${message}: ${instead}`,
    }
  }
  if (keyword === 'enum') return notAmong(error, path, parent)
  return { kind: 'value', path, parent, message: valueMessage(error) }
}

function unknownKeyword(error: ErrorObject, path: string): Mistake {
  const unknown = String(error.params.additionalProperty)
  const known = Object.keys(error.parentSchema?.properties ?? {})
  const present = new Set(Object.keys((error.data ?? {}) as object))
  const free = known.filter((keyword) => !present.has(keyword))
  const suggestion = nearName(unknown, free) ?? nearName(unknown, known)
  const message =
    suggestion === undefined
      ? `\`${unknown}\` is not known here${free.length === 0 ? '' : `: expected one of ${listed(free)}`}`
      : `\`${unknown}\` is not known here${didYouMean(suggestion)}`
  return {
    kind: 'unknown',
    path: joinPath(path, unknown),
    parent: path,
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}

function notAmong(error: ErrorObject, path: string, parent: string): Mistake {
  const words = error.params.allowedValues as string[]
  const suggestion = nearName(String(error.data), words)
  const message = `expected one of ${listed(words)}, got ${shown(error.data)}${didYouMean(suggestion)}`
  return {
    kind: 'value',
    path,
    parent,
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}

/** What the missing keyword holds. */
function hintOf(error: ErrorObject, missing: string): string {
  const properties = error.parentSchema?.properties as Record<string, { description?: string }>
  const description = properties?.[missing]?.description
  return description === undefined ? '' : `: ${description}`
}

function valueMessage(error: ErrorObject): string {
  const { keyword, params, data, parentSchema } = error
  // What is write-only is a secret.
  if (parentSchema?.writeOnly === true) return 'expected a text; what is there is not shown'
  const expected = parentSchema?.['x-expected'] ?? typeNames(parentSchema?.type)
  const lacksUnit = typeof data === 'number' && /^a duration/.test(String(expected))
  if (lacksUnit) return `expected ${expected}: the bare number ${data} has no unit`
  switch (keyword) {
    case 'minItems':
      return `expected at least ${params.limit} in the list, got ${(data as unknown[]).length}`
    case 'minProperties':
      return `expected at least ${params.limit} in the map`
    case 'uniqueItems':
      return `items ${params.j} and ${params.i} of the list are equal`
    case 'propertyNames':
      return `\`${params.propertyName}\` is not a name of letters, digits and \`_\``
    case 'maximum':
      return `expected at most ${params.limit}, got ${shown(data)}`
    case 'maxLength':
      return `expected at most ${params.limit} characters`
    default:
      return `expected ${expected}, got ${shown(data)}`
  }
}

function typeNames(type: unknown): string {
  const names: Record<string, string> = {
    string: 'a text',
    integer: 'a whole number',
    number: 'a number',
    boolean: '`true` or `false`',
    array: 'a list',
    object: 'a map',
    null: 'nothing',
  }
  const types = Array.isArray(type) ? type : [type]
  return types.map((one) => names[String(one)] ?? 'another value').join(' or ')
}

function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  if (typeof value === 'string') return value === '' ? 'an empty text' : `\`${cut(value)}\``
  return `the ${typeof value === 'number' ? 'number' : 'boolean'} ${value}`
}

function cut(value: string): string {
  return value.length > 60 ? `${value.slice(0, 57)}…` : value
}

function listed(words: readonly string[]): string {
  return words
    .filter((word) => word !== '$schema')
    .map((word) => `\`${word}\``)
    .join(', ')
}

/**
 * 1. The first mistake of a value stands for the rest of them.
 * 2. A missing keyword that a misspelt one beside it most likely is, is not a second mistake.
 */
function onePerMistake(mistakes: readonly Mistake[]): Mistake[] {
  const byPlace = new Map<string, Mistake>()
  for (const mistake of mistakes) {
    const place = `${mistake.kind === 'not-yet'} ${mistake.path}`
    if (!byPlace.has(place)) byPlace.set(place, mistake)
  }
  const all = [...byPlace.values()]
  const meant = new Set(
    all.flatMap(({ kind, parent, suggestion }) =>
      kind === 'unknown' && suggestion !== undefined ? [joinPath(parent, suggestion)] : [],
    ),
  )
  return all.filter(({ kind, path }) => kind !== 'missing' || !meant.has(path))
}

function problemOf(mistake: Mistake, document: YAMLDocument, code: ErrorCode): RuleProblem {
  const { kind, path, parent, message, suggestion } = mistake
  const atKey = kind === 'unknown' || kind === 'not-yet'
  const atParent = kind === 'missing'
  const location = atKey ? document.locateKey(path) : document.locate(atParent ? parent : path)
  return {
    code: kind === 'not-yet' ? 'RULE_NOT_YET' : code,
    ...location,
    path,
    message,
    ...(suggestion === undefined ? {} : { suggestion }),
  }
}
