import { isObject, type JsonObject } from './value.ts'

/** What is known at load of a value's type: a set of TypeBits; `Type.any` knows nothing. */
export type StaticType = number

export const Type = {
  null: 1,
  boolean: 2,
  number: 4,
  string: 8,
  list: 16,
  map: 32,
  timestamp: 64,
  duration: 128,
  any: 255,
} as const

/** A type in words, for messages. */
export function describeType(type: StaticType): string {
  const names = Object.entries(Type).filter(([name, bit]) => name !== 'any' && (type & bit) !== 0)
  return names.map(([name]) => name).join(' or ')
}

/** What the schemas of an event say of a path. */
export type FieldType =
  | { readonly known: true; readonly type: StaticType }
  /** `depth`: index in the path of the name that no schema knows; `names`: those that exist. */
  | { readonly known: false; readonly depth: number; readonly names: readonly string[] }

/** The type of a field by the schemas of the streams it may come from; `null` knows nothing. */
export function fieldTypeOf(
  schemas: readonly (JsonObject | null)[],
  path: readonly string[],
): FieldType {
  if (schemas.length === 0) return { known: true, type: Type.any }
  let type = 0
  let unknown: FieldType | undefined
  for (const schema of schemas) {
    const found = schema === null ? { known: true as const, type: Type.any } : walk(schema, path)
    if (found.known) type |= found.type
    else unknown ??= found
  }
  return type === 0 && unknown !== undefined ? unknown : { known: true, type }
}

function walk(schema: JsonObject, path: readonly string[]): FieldType {
  let current: unknown = schema
  for (const [depth, name] of path.entries()) {
    if (!isObject(current)) return { known: true, type: Type.any }
    const properties = isObject(current.properties) ? current.properties : {}
    if (Object.hasOwn(properties, name)) {
      current = properties[name]
    } else if (isOpen(current)) {
      return { known: true, type: Type.any }
    } else {
      return { known: false, depth, names: Object.keys(properties) }
    }
  }
  return { known: true, type: typeOfSchema(current) }
}

/** Whether the schema lets names through that its `properties` do not list. */
function isOpen(schema: JsonObject): boolean {
  if (Object.hasOwn(schema, 'additionalProperties')) {
    return schema.additionalProperties !== false
  }
  if (composing.some((keyword) => Object.hasOwn(schema, keyword))) return true
  if (Object.hasOwn(schema, 'properties')) return false
  // A list of names is not demanded of what the schema does not describe at all; a number or a
  // text has no fields, though.
  return (typeOfSchema(schema) & Type.map) !== 0
}

const composing = ['allOf', 'anyOf', 'oneOf', '$ref', '$dynamicRef', 'if', 'patternProperties']

function typeOfSchema(schema: unknown): StaticType {
  if (!isObject(schema)) return Type.any
  const declared = schema.type
  if (typeof declared === 'string') return typeOfName(declared)
  if (Array.isArray(declared)) {
    return declared.reduce<number>((type, name) => type | typeOfName(name), 0)
  }
  if (Object.hasOwn(schema, 'const')) return typeOfValue(schema.const)
  const values = schema.enum
  if (Array.isArray(values)) {
    return values.reduce<number>((type, value) => type | typeOfValue(value), 0)
  }
  return Type.any
}

function typeOfName(name: unknown): StaticType {
  switch (name) {
    case 'null':
      return Type.null
    case 'boolean':
      return Type.boolean
    case 'number':
    case 'integer':
      return Type.number
    case 'string':
      return Type.string
    case 'array':
      return Type.list
    case 'object':
      return Type.map
    default:
      return Type.any
  }
}

function typeOfValue(value: unknown): StaticType {
  if (value === null) return Type.null
  if (Array.isArray(value)) return Type.list
  switch (typeof value) {
    case 'boolean':
      return Type.boolean
    case 'number':
      return Type.number
    case 'string':
      return Type.string
    default:
      return Type.map
  }
}
