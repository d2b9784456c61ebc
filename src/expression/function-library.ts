import { aggregates } from './list-aggregate.ts'
import { cidrContains } from './network-address.ts'
import { type StaticType, Type } from './static-type.ts'
import { matchesDynamic } from './string-test.ts'
import { textFunctions } from './text-function.ts'
import {
  formatTimestamp,
  parseDuration,
  parseTimestamp,
  timeGetter,
  timeGetters,
} from './time-value.ts'
import { Duration, isObject, propertyOf, Timestamp } from './value.ts'

/** A function that expressions may call. */
export interface FunctionDefinition {
  /** How it is written: `f(x)`, `x.f()`, or both; a method's receiver is its first argument. */
  readonly style: 'global' | 'method' | 'both'
  /** What each argument may be. */
  readonly parameters: readonly StaticType[]
  /** How many of them must be there; by default all. */
  readonly required?: number
  /** Whether the last parameter may be repeated. */
  readonly variadic?: boolean
  readonly result: StaticType
  /** `undefined`, as an argument and as an answer, is CEL's error. */
  readonly evaluate: (...args: readonly unknown[]) => unknown
}

/** Names are also the keys of the tree's `call` nodes. */
export type FunctionName = string

/** The function of a name; `undefined` where there is none. */
export function functionNamed(name: string): FunctionDefinition | undefined {
  return functions.get(name)
}

export function functionNames(): Iterable<string> {
  return functions.keys()
}

/** The length of a string in code points, of a list or of an object. */
export function size(value: unknown): number | undefined {
  if (typeof value === 'string') {
    let length = 0
    for (const _ of value) length++
    return length
  }
  if (Array.isArray(value)) return value.length
  return isObject(value) ? Object.keys(value).length : undefined
}

const numeric = (evaluate: (value: number) => number): FunctionDefinition => ({
  style: 'global',
  parameters: [Type.number],
  result: Type.number,
  evaluate: (value) => (typeof value === 'number' ? evaluate(value) : undefined),
})

const ofDuration = (unitMs: number): FunctionDefinition => ({
  style: 'global',
  parameters: [Type.duration],
  result: Type.number,
  evaluate: (value) => (value instanceof Duration ? value.milliseconds / unitMs : undefined),
})

const aggregate = (name: keyof typeof aggregates, result: StaticType): FunctionDefinition => ({
  style: 'global',
  parameters: [Type.list],
  result,
  evaluate: (values) => aggregates[name](values),
})

/** `min` and `max` take a list, or the values themselves. */
const extreme = (name: 'min' | 'max'): FunctionDefinition => ({
  style: 'global',
  parameters: [Type.any, Type.any],
  required: 1,
  variadic: true,
  result: Type.any,
  evaluate: (...values) =>
    values.length === 1 ? aggregates[name](values[0]) : aggregates[name](values),
})

const getters = timeGetters.map((getter): [string, FunctionDefinition] => [
  getter,
  {
    style: 'method',
    parameters: [Type.timestamp | Type.duration, Type.string],
    required: 1,
    result: Type.number,
    evaluate: (...args) => timeGetter(getter, args[0], args.length < 2 ? 'UTC' : args[1]),
  },
])

const conversions: [string, FunctionDefinition][] = [
  ['int', convert(Type.number | Type.string | Type.timestamp, Type.number, toInteger)],
  ['double', convert(Type.number | Type.string, Type.number, toDouble)],
  ['bool', convert(Type.boolean | Type.string, Type.boolean, toBoolean)],
  ['string', convert(scalar(), Type.string, toText)],
  ['dyn', convert(Type.any, Type.any, (value) => value)],
  ['timestamp', convert(Type.string | Type.number | Type.timestamp, Type.timestamp, toTimestamp)],
  ['duration', convert(Type.string | Type.duration, Type.duration, toDuration)],
]

const functions: ReadonlyMap<string, FunctionDefinition> = new Map<string, FunctionDefinition>([
  ...conversions,
  ...getters,
  ...textFunctions,
  [
    'size',
    {
      style: 'both',
      parameters: [Type.string | Type.list | Type.map],
      result: Type.number,
      evaluate: size,
    },
  ],
  [
    'matches',
    {
      style: 'both',
      parameters: [Type.string, Type.string],
      result: Type.boolean,
      evaluate: matchesDynamic,
    },
  ],
  ['sum', aggregate('sum', Type.number)],
  ['avg', aggregate('avg', Type.number)],
  ['stddev', aggregate('stddev', Type.number)],
  ['count', aggregate('count', Type.number)],
  ['distinct', aggregate('distinct', Type.number)],
  ['first', aggregate('first', Type.any)],
  ['last', aggregate('last', Type.any)],
  ['min', extreme('min')],
  ['max', extreme('max')],
  ['abs', numeric(Math.abs)],
  ['floor', numeric(Math.floor)],
  ['ceil', numeric(Math.ceil)],
  ['round', numeric((value) => Math.sign(value) * Math.round(Math.abs(value)))],
  ['sqrt', numeric(Math.sqrt)],
  ['days', ofDuration(86_400_000)],
  ['hours', ofDuration(3_600_000)],
  ['minutes', ofDuration(60_000)],
  ['seconds', ofDuration(1000)],
  [
    'elapsed',
    {
      style: 'global',
      parameters: [Type.timestamp, Type.timestamp],
      result: Type.duration,
      evaluate: elapsed,
    },
  ],
  [
    'distance_km',
    {
      style: 'global',
      parameters: [Type.map, Type.map],
      result: Type.number,
      evaluate: distanceKm,
    },
  ],
  [
    'cidr_contains',
    {
      style: 'global',
      parameters: [Type.string, Type.string],
      result: Type.boolean,
      evaluate: cidrContains,
    },
  ],
])

function convert(
  parameter: StaticType,
  result: StaticType,
  evaluate: (value: unknown) => unknown,
): FunctionDefinition {
  return { style: 'global', parameters: [parameter], result, evaluate }
}

function scalar(): StaticType {
  return Type.string | Type.number | Type.boolean | Type.timestamp | Type.duration
}

function toInteger(value: unknown): number | undefined {
  if (typeof value === 'number') {
    return Math.abs(value) < 2 ** 63 ? Math.trunc(value) + 0 : undefined
  }
  if (typeof value === 'string') return /^[+-]?\d{1,19}$/.test(value) ? Number(value) : undefined
  return value instanceof Timestamp ? Math.floor(value.epochMs / 1000) : undefined
}

function toDouble(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const isNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value)
  return isNumber ? Number(value) : undefined
}

function toBoolean(value: unknown): boolean | undefined {
  if (typeof value === 'boolean') return value
  return value === 'true' ? true : value === 'false' ? false : undefined
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Timestamp) return formatTimestamp(value.epochMs)
  return value instanceof Duration ? `${value.milliseconds / 1000}s` : undefined
}

/** Text in RFC 3339, or epoch seconds, as in standard CEL. */
function toTimestamp(value: unknown): Timestamp | undefined {
  if (value instanceof Timestamp) return value
  if (typeof value === 'number') return new Timestamp(value * 1000)
  const epochMs = typeof value === 'string' ? parseTimestamp(value) : undefined
  return epochMs === undefined ? undefined : new Timestamp(epochMs)
}

function toDuration(value: unknown): Duration | undefined {
  if (value instanceof Duration) return value
  const milliseconds = typeof value === 'string' ? parseDuration(value) : undefined
  return milliseconds === undefined ? undefined : new Duration(milliseconds)
}

/** The time from the first to the second; negative where the second is earlier. */
function elapsed(from: unknown, to: unknown): Duration | undefined {
  if (!(from instanceof Timestamp && to instanceof Timestamp)) return undefined
  return new Duration(to.epochMs - from.epochMs)
}

/** The great-circle distance of two `{lat, lon}` in degrees (haversine, mean Earth radius). */
function distanceKm(from: unknown, to: unknown): number | undefined {
  const [latFrom, lonFrom] = [propertyOf(from, 'lat'), propertyOf(from, 'lon')]
  const [latTo, lonTo] = [propertyOf(to, 'lat'), propertyOf(to, 'lon')]
  if (typeof latFrom !== 'number' || typeof lonFrom !== 'number') return undefined
  if (typeof latTo !== 'number' || typeof lonTo !== 'number') return undefined
  const radians = Math.PI / 180
  const halfLat = Math.sin(((latTo - latFrom) * radians) / 2)
  const halfLon = Math.sin(((lonTo - lonFrom) * radians) / 2)
  const chord =
    halfLat ** 2 + Math.cos(latFrom * radians) * Math.cos(latTo * radians) * halfLon ** 2
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(chord)))
}

const earthRadiusKm = 6371.0088
