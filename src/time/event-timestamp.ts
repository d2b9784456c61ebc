import { type Column, ValueKind } from '../stream/column-batch.ts'

/** How a stream writes its event time. */
export type TimeUnit = 'ms' | 's' | 'us' | 'iso'

/** Reads a row's event time: epoch ms, whole, or what is wrong with it. */
export type TimestampReader = (column: Column, row: number) => number | string

/**
 * Reads event times of a unit. Numbers may come as text; fractions of a millisecond are cut off;
 * an ISO 8601 date-time without a zone is UTC.
 */
export function timestampReader(unit: TimeUnit, field: string): TimestampReader {
  const scale = unit === 'us' ? 1 / 1000 : unit === 's' ? 1000 : 1
  return (column, row) => {
    const kind = column.kinds[row]
    if (kind === ValueKind.number && unit !== 'iso') {
      const timestamp = Math.floor((column.numbers[row] as number) * scale)
      return inRange(timestamp) ? timestamp : `time field '${field}' is out of range`
    }
    if (kind === ValueKind.missing) return `time field '${field}' is missing`
    if (kind !== ValueKind.string && kind !== ValueKind.escapedString) {
      return `time field '${field}' is ${kind === ValueKind.null ? 'null' : 'of a wrong type'}`
    }
    const text = column.value(row) as string
    const timestamp = unit === 'iso' ? parseISO(text) : Math.floor(parseDecimal(text) * scale)
    return inRange(timestamp)
      ? timestamp
      : `time field '${field}' is no ${nameOf(unit)}: ${quote(text)}`
  }
}

/** The range of a JavaScript date: years -271821 to 275760. */
const timestampMax = 8.64e15

function inRange(timestamp: number): boolean {
  return timestamp >= -timestampMax && timestamp <= timestampMax
}

const isoPattern =
  /^\d{4}-\d{2}-\d{2}(?:[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(Z|z|[+-]\d{2}:?\d{2})?)?$/

function parseISO(text: string): number {
  const match = isoPattern.exec(text)
  if (match === null) return Number.NaN
  const dateOnly = text.length === 10
  const zoned = dateOnly || match[1] !== undefined ? text : `${text}Z`
  // biome-ignore lint/style/noRestrictedGlobals: parsing a given text reads no clock.
  return Math.floor(Date.parse(zoned.replace(' ', 'T')))
}

function parseDecimal(text: string): number {
  return /^-?\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN
}

function nameOf(unit: TimeUnit): string {
  return unit === 'iso' ? 'ISO 8601 date-time' : `number of ${unit}`
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
