import { Duration, Timestamp } from './value.ts'

/**
 * A duration's milliseconds from text such as `9m30s`, `1.5h`, `-250ms`, `7d`; `undefined` where
 * it is none. CEL's units, and days.
 */
export function parseDuration(text: string): number | undefined {
  const match = /^([+-]?)((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h|d))+|0)$/.exec(text)
  if (match === null) return undefined
  let milliseconds = 0
  for (const [, amount, unit] of (match[2] ?? '').matchAll(/(\d+(?:\.\d+)?)([a-zµ]+)/g)) {
    milliseconds += Number(amount) * (unitMs.get(unit ?? '') ?? 0)
  }
  return match[1] === '-' ? -milliseconds : milliseconds
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
])

/** Epoch milliseconds of an RFC 3339 text; `undefined` where it is none. */
export function parseTimestamp(text: string): number | undefined {
  const match =
    /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:[Zz]|([+-])(\d\d):(\d\d))$/.exec(
      text,
    )
  if (match === null) return undefined
  const part = (index: number) => Number(match[index] ?? 0)
  const [year, month, day] = [part(1), part(2), part(3)]
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  if (part(4) > 23 || part(5) > 59 || part(6) > 59 || part(9) > 23 || part(10) > 59) {
    return undefined
  }
  const offsetMinutes = (match[8] === '-' ? -1 : 1) * (part(9) * 60 + part(10))
  const seconds = part(4) * 3600 + part(5) * 60 + part(6) - offsetMinutes * 60
  return daysFromCivil(year, month, day) * dayMs + seconds * 1000 + Math.trunc(part(7) * 1e6) / 1e3
}

/** RFC 3339 in UTC, with milliseconds only where there are some. */
export function formatTimestamp(epochMs: number): string {
  if (!Number.isFinite(epochMs) || Math.abs(epochMs) > 8.64e15) return String(epochMs)
  const time = civilTime(Math.floor(epochMs))
  const date = `${pad(time.year, 4)}-${pad(time.month, 2)}-${pad(time.day, 2)}`
  const clock = `${pad(time.hours, 2)}:${pad(time.minutes, 2)}:${pad(time.seconds, 2)}`
  const fraction = time.milliseconds === 0 ? '' : `.${pad(time.milliseconds, 3)}`
  return `${date}T${clock}${fraction}Z`
}

/** As rules write it: `2h`, `1m30s`, `7d`, `250ms`, `0s`. */
export function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return String(milliseconds)
  let rest = Math.abs(milliseconds)
  let text = ''
  for (const [unit, unitLength] of formatUnits) {
    const count = unit === 'ms' ? rest : Math.floor(rest / unitLength)
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitLength
  }
  if (text === '') return '0s'
  return milliseconds < 0 ? `-${text}` : text
}

const dayMs = 86_400_000
const formatUnits = [
  ['d', dayMs],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

interface CivilTime {
  readonly year: number
  /** 1 to 12. */
  readonly month: number
  /** 1 to 31. */
  readonly day: number
  readonly dayOfYear: number
  /** 0 is Sunday. */
  readonly dayOfWeek: number
  readonly hours: number
  readonly minutes: number
  readonly seconds: number
  readonly milliseconds: number
}

/** CEL's getters of a timestamp (in UTC, or in the zone given) and of a duration. */
export function timeGetter(getter: TimeGetter, value: unknown, zone: unknown): number | undefined {
  if (value instanceof Duration) {
    return zone === 'UTC' ? durationPart(getter, value.milliseconds) : undefined
  }
  if (!(value instanceof Timestamp) || typeof zone !== 'string') return undefined
  const offsetMs = zoneOffsetMs(zone, value.epochMs)
  if (offsetMs === undefined || !Number.isFinite(value.epochMs)) return undefined
  const time = civilTime(Math.floor(value.epochMs) + offsetMs)
  switch (getter) {
    case 'getFullYear':
      return time.year
    case 'getMonth':
      return time.month - 1
    case 'getDate':
      return time.day
    case 'getDayOfMonth':
      return time.day - 1
    case 'getDayOfWeek':
      return time.dayOfWeek
    case 'getDayOfYear':
      return time.dayOfYear
    case 'getHours':
      return time.hours
    case 'getMinutes':
      return time.minutes
    case 'getSeconds':
      return time.seconds
    case 'getMilliseconds':
      return time.milliseconds
  }
}

export const timeGetters = [
  'getFullYear',
  'getMonth',
  'getDate',
  'getDayOfMonth',
  'getDayOfWeek',
  'getDayOfYear',
  'getHours',
  'getMinutes',
  'getSeconds',
  'getMilliseconds',
] as const
export type TimeGetter = (typeof timeGetters)[number]

/** Whole hours, minutes and seconds of all of it, and the milliseconds beside the seconds. */
function durationPart(getter: TimeGetter, milliseconds: number): number | undefined {
  switch (getter) {
    case 'getHours':
      return Math.trunc(milliseconds / 3_600_000)
    case 'getMinutes':
      return Math.trunc(milliseconds / 60_000)
    case 'getSeconds':
      return Math.trunc(milliseconds / 1000)
    case 'getMilliseconds':
      return Math.trunc(milliseconds % 1000)
    default:
      return undefined
  }
}

function civilTime(localMs: number): CivilTime {
  const days = Math.floor(localMs / dayMs)
  const inDay = localMs - days * dayMs
  const [year, month, day] = civilFromDays(days)
  return {
    year,
    month,
    day,
    dayOfYear: days - daysFromCivil(year, 1, 1),
    dayOfWeek: (((days + 4) % 7) + 7) % 7,
    hours: Math.floor(inDay / 3_600_000),
    minutes: Math.floor(inDay / 60_000) % 60,
    seconds: Math.floor(inDay / 1000) % 60,
    milliseconds: inDay % 1000,
  }
}

/** Days since 1970-01-01 of a date (Howard Hinnant's `days_from_civil`). */
function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const leapDays = Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  return era * 146_097 + yearOfEra * 365 + leapDays + dayOfYear - 719_468
}

/** The date of days since 1970-01-01 (Howard Hinnant's `civil_from_days`). */
function civilFromDays(days: number): [year: number, month: number, day: number] {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const leapDays =
    Math.floor(dayOfEra / 1460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leapDays) / 365)
  const firstDay = 365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  const dayOfYear = dayOfEra - firstDay
  const monthIndex = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * monthIndex + 2) / 5) + 1
  const month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day]
}

function daysInMonth(year: number, month: number): number {
  const [nextYear, nextMonth] = month === 12 ? [year + 1, 1] : [year, month + 1]
  return daysFromCivil(nextYear, nextMonth, 1) - daysFromCivil(year, month, 1)
}

/** A zone's offset from UTC at a time: `UTC`, `+02:00`, or an IANA name. */
function zoneOffsetMs(zone: string, epochMs: number): number | undefined {
  if (zone === 'UTC' || zone === 'Z') return 0
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone)
  if (fixed !== null) {
    return (fixed[1] === '-' ? -1 : 1) * (Number(fixed[2]) * 60 + Number(fixed[3])) * 60_000
  }
  const offsets = offsetsOf(zone)
  if (offsets === undefined) return undefined
  // Zones change their offset at full quarter hours only: one look-up serves each of them.
  const quarter = Math.floor(epochMs / 900_000)
  let offsetMs = offsets.byQuarter.get(quarter)
  if (offsetMs === undefined) {
    offsetMs = offsets.format(quarter * 900_000)
    if (offsets.byQuarter.size >= quartersMax) offsets.byQuarter.clear()
    offsets.byQuarter.set(quarter, offsetMs)
  }
  return offsetMs
}

interface ZoneOffsets {
  readonly byQuarter: Map<number, number>
  readonly format: (epochMs: number) => number
}

const quartersMax = 4096
const zonesMax = 700
/** Caches of a pure function: what is in them changes no answer. `null`: no such zone. */
const zones = new Map<string, ZoneOffsets | null>()

function offsetsOf(zone: string): ZoneOffsets | undefined {
  let offsets = zones.get(zone)
  if (offsets === undefined) {
    offsets = openZone(zone)
    if (zones.size >= zonesMax) zones.clear()
    zones.set(zone, offsets)
  }
  return offsets ?? undefined
}

function openZone(zone: string): ZoneOffsets | null {
  try {
    const formatter = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      timeZoneName: 'longOffset',
      year: 'numeric',
    })
    return { byQuarter: new Map(), format: (epochMs) => offsetAt(formatter, epochMs) }
  } catch {
    return null
  }
}

/** `GMT`, `GMT+02:00` or `GMT-00:44:30` as milliseconds. */
function offsetAt(formatter: Intl.DateTimeFormat, epochMs: number): number {
  const name = formatter.formatToParts(epochMs).find((part) => part.type === 'timeZoneName')
  const match = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(name?.value ?? 'GMT')
  const seconds =
    Number(match?.[2] ?? 0) * 3600 + Number(match?.[3] ?? 0) * 60 + Number(match?.[4] ?? 0)
  return (match?.[1] === '-' ? -1000 : 1000) * seconds
}

/** Whether a zone name can be used. */
export function isTimeZone(zone: string): boolean {
  return zoneOffsetMs(zone, 0) !== undefined
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0')
}
