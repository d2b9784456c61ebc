/** A point in time as epoch milliseconds, or what is wrong with its text. */
export type ISOTime = { readonly ms: number } | { readonly problem: string }

/**
 * Reads `2027-01-01` (midnight UTC) and `2027-01-01T06:30:00Z`, with an offset in place of `Z`
 * or a fraction of up to three digits. `Date` is not used: it takes much that is not ISO 8601.
 */
export function parseISOTime(value: unknown): ISOTime {
  const parts = typeof value === 'string' ? pattern.exec(value) : null
  if (parts === null) return { problem: `expected ${isoTimeExpected}` }
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((index) =>
    Number(parts[index] ?? 0),
  ) as [number, number, number, number, number, number]
  const inRange = month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month)
  if (!inRange || hour > 23 || minute > 59 || second > 59) {
    return { problem: `\`${value}\` is not in the calendar` }
  }
  const fractionMs = Number((parts[7] ?? '').padEnd(3, '0'))
  const offset = parts[8] ?? 'Z'
  const sign = offset.startsWith('-') ? -1 : 1
  const offsetMinutes =
    offset === 'Z' ? 0 : sign * (Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6)))
  const minutes = daysSinceEpoch(year, month, day) * 1440 + hour * 60 + minute - offsetMinutes
  return { ms: minutes * 60_000 + second * 1000 + fractionMs }
}

export const isoTimeExpected =
  'a date such as `2027-01-01` or a time such as `2027-01-01T06:00:00Z`'

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,3}))?)?(Z|[+-]\d\d:\d\d))?$/

function daysOf(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

/** Howard Hinnant's days_from_civil: years begin in March, so that the leap day is the last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year
  const era = Math.floor(marchYear / 400)
  const yearOfEra = marchYear - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * 146_097 + dayOfEra - 719_468
}
