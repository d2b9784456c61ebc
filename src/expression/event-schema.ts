import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { TocsinError } from '../errors.ts'
import { linearRegExp } from './linear-reg-exp.ts'
import { isObject } from './value.ts'

/** Says what is wrong with an event: the field, and what was expected. `null`: it is as it should. */
export type EventCheck = (event: unknown) => string | null

/**
 * Compiles the JSON Schema of a stream's events: draft 2020-12, or the one that `$schema` names.
 * `format` is an annotation, and so are keywords that the draft does not know; patterns match in
 * linear time. What it says of an event holds no value of it: fields may be secret.
 * @throws {TocsinError} CONFIG_INVALID for what is no such schema
 */
export function compileEventCheck(schema: unknown): EventCheck {
  const validate = compile(schema)
  return (event) => (validate(event) ? null : faultOf(validate.errors ?? []))
}

const options: Options = {
  strict: false,
  validateFormats: false,
  ownProperties: true,
  verbose: true,
  logger: false,
  code: { regExp: linearRegExp },
}

function compile(schema: unknown): ValidateFunction {
  if (!isObject(schema) && typeof schema !== 'boolean') {
    throw new TocsinError('CONFIG_INVALID', 'a JSON Schema is an object')
  }
  try {
    return ajvFor(isObject(schema) ? schema.$schema : undefined).compile(schema)
  } catch (error) {
    if (error instanceof TocsinError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new TocsinError('CONFIG_INVALID', `it is no JSON Schema: ${reason}`, { cause: error })
  }
}

function ajvFor(draft: unknown): Ajv | Ajv2019 | Ajv2020 {
  switch (typeof draft === 'string' ? draft.replace(/#$/, '') : draft) {
    case undefined:
    case 'https://json-schema.org/draft/2020-12/schema':
      return new Ajv2020(options)
    case 'https://json-schema.org/draft/2019-09/schema':
      return new Ajv2019(options)
    case 'http://json-schema.org/draft-07/schema':
      return new Ajv(options)
    default:
      throw new TocsinError(
        'CONFIG_INVALID',
        `its draft is not known: ${String(draft)}; expected 2020-12, 2019-09 or draft-07`,
      )
  }
}

/** Of a combined schema the last error says that it failed, those before say how its parts did. */
function faultOf(errors: readonly ErrorObject[]): string {
  const error = errors.findLast(({ keyword }) => keyword !== 'if') as ErrorObject
  const { keyword, params, instancePath, data } = error
  const place = instancePath.split('/').slice(1).map(unescapePointer)
  switch (keyword) {
    case 'required':
      return `${fieldAt([...place, String(params.missingProperty)])} is missing`
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const name = params.additionalProperty ?? params.unevaluatedProperty
      return `${fieldAt([...place, String(name)])} is not in the schema`
    }
    case 'false schema':
      return `${fieldAt(place)} is not in the schema`
    case 'type':
      return `${fieldAt(place)} must be ${[params.type].flat().join(' or ')}, but is ${typeOf(data)}`
    case 'enum':
    case 'const': {
      const allowed = keyword === 'enum' ? params.allowedValues : [params.allowedValue]
      return `${fieldAt(place)} must be ${listed(allowed as unknown[])}`
    }
    default:
      return `${fieldAt(place)} ${error.message ?? `fails ${keyword}`}`
  }
}

function fieldAt(place: readonly string[]): string {
  return place.length === 0 ? 'the event' : `field '${place.join('.')}'`
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function listed(values: readonly unknown[]): string {
  const text = values.map((value) => JSON.stringify(value)).join(', ')
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text
  return values.length === 1 ? shown : `one of ${shown}`
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}
