import { type Column, ValueKind } from '../stream/column-batch.ts'

/** How a stream writes its event time. */
export type TimeUnit = 'ms' | 's' | 'us' | 'iso'

/** Reads a row's event time: epoch ms, whole, or what is wrong with it. */
export type TimestampReader = (column: Column, row: number) => number | string

/**
 * Reads event times of a unit. Numbers may come as text; fractions of a millisecond are cut off,
 * towards the past; an ISO 8601 date-time without a zone is UTC.
 */
export function timestampReader(unit: TimeUnit, field: string): TimestampReader {
  return (column, row) => {
    const kind = column.kinds[row]
    if (kind === ValueKind.number && unit !== 'iso') {
      const timestamp = millisecondsOf(column.numbers[row] as number, unit)
      return isTimestamp(timestamp) ? timestamp : `time field '${field}' is out of range`
    }
    if (kind === ValueKind.missing) return `time field '${field}' is missing`
    if (kind !== ValueKind.string && kind !== ValueKind.escapedString) {
      return `time field '${field}' is ${kind === ValueKind.null ? 'null' : 'of a wrong type'}`
    }
    const text = column.value(row) as string
    const timestamp = unit === 'iso' ? parseISO(text) : millisecondsOf(parseDecimal(text), unit)
    if (isTimestamp(timestamp)) return timestamp
    const range = Number.isNaN(timestamp) ? `no ${nameOf(unit)}` : 'out of range'
    return `time field '${field}' is ${range}: ${quote(text)}`
  }
}

/** The range of a JavaScript date: years -271821 to 275760. */
const timestampMax = 8.64e15

/** Whether a number is an event time: whole epoch ms of a year that dates can show. */
export function isTimestamp(timestamp: number): boolean {
  return Number.isInteger(timestamp) && timestamp >= -timestampMax && timestamp <= timestampMax
}

function millisecondsOf(value: number, unit: TimeUnit): number {
  switch (unit) {
    case 's':
      return wholeMilliseconds(value * 1000)
    case 'us':
      // Without its fraction the quotient cannot round up to the next millisecond.
      return Math.floor(Math.floor(value) / 1000)
    default:
      return Math.floor(value)
  }
}

/**
 * Seconds have no exact double: 1.001 s times 1000 is a hair below 1001 ms, which are meant. The
 * hair is at most two units in the last place.
 */
function wholeMilliseconds(scaled: number): number {
  const nearest = Math.round(scaled)
  return Math.abs(scaled - nearest) <= Math.abs(scaled) * 2 * Number.EPSILON
    ? nearest
    : Math.floor(scaled)
}

const isoPattern =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(Z|z|[+-]\d{2}:?\d{2})?)?$/

function parseISO(text: string): number {
  const match = isoPattern.exec(text)
  if (match === null) return Number.NaN
  const [, year, month, day, zone] = match
  if (Number(day) > daysIn(Number(year), Number(month))) return Number.NaN
  const dateOnly = text.length === 10
  const zoned = dateOnly || zone !== undefined ? text : `${text}Z`
  // biome-ignore lint/style/noRestrictedGlobals: parsing a given text reads no clock.
  return Math.floor(Date.parse(zoned.replace(' ', 'T')))
}

/** `Date.parse` takes a 30th of February for the 2nd of March. */
function daysIn(year: number, month: number): number {
  if (month !== 2) return [4, 6, 9, 11].includes(month) ? 30 : 31
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  return isLeap ? 29 : 28
}

function parseDecimal(text: string): number {
  return /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : Number.NaN
}

function nameOf(unit: TimeUnit): string {
  return unit === 'iso' ? 'ISO 8601 date-time' : `number of ${unit}`
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
