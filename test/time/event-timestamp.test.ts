import { describe, expect, it } from 'vitest'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { type TimeUnit, timestampReader } from '../../src/time/event-timestamp.ts'
import { recordBatch } from '../harness/decoder-difference.ts'

/** The time of a record whose field `ts` is this JSON text, or is not there. */
function timeOf(unit: TimeUnit, json: string | null): number | string {
  const decoder = createScannerDecoder({ fields: [['ts']] })
  const { columns } = decoder.decode(recordBatch([json === null ? '{}' : `{"ts":${json}}`]))
  return timestampReader(unit, 'ts')(columns[0]!, 0)
}

describe('an event time', () => {
  it.each([
    ['ms', '0', 0],
    ['ms', '-0', -0],
    ['ms', '-1', -1],
    ['ms', '1700000000123', 1_700_000_000_123],
    ['ms', '1.7e12', 1_700_000_000_000],
    ['ms', '17E11', 1_700_000_000_000],
    ['ms', '1700000000123.999', 1_700_000_000_123],
    ['ms', '-0.5', -1],
    ['ms', '"1700000000123"', 1_700_000_000_123],
    ['ms', '"1.7e12"', 1_700_000_000_000],
    ['ms', '8640000000000000', 8.64e15],
    ['ms', '-8640000000000000', -8.64e15],
    ['s', '0', 0],
    ['s', '1700000000', 1_700_000_000_000],
    ['s', '1700000000.123', 1_700_000_000_123],
    ['s', '1700000000.1239', 1_700_000_000_123],
    ['s', '1.001', 1001],
    ['s', '4.35', 4350],
    ['s', '-1.001', -1001],
    ['s', '-1.0001', -1001],
    ['s', '253402300799.999', 253_402_300_799_999],
    ['s', '"1.001"', 1001],
    ['us', '1700000000123456', 1_700_000_000_123],
    ['us', '1700000000123999.5', 1_700_000_000_123],
    ['us', '57000', 57],
    ['us', '-1', -1],
    ['iso', '"2023-11-14T22:13:20Z"', 1_700_000_000_000],
    ['iso', '"2023-11-14T22:13:20.123456789Z"', 1_700_000_000_123],
    ['iso', '"2023-11-14T22:13:20"', 1_700_000_000_000],
    ['iso', '"2023-11-14 22:13:20"', 1_700_000_000_000],
    ['iso', '"2023-11-14t22:13:20z"', 1_700_000_000_000],
    ['iso', '"2023-11-15T03:43:20+05:30"', 1_700_000_000_000],
    ['iso', '"2023-11-14T17:13:20-0500"', 1_700_000_000_000],
    ['iso', '"2023-11-14T22:13Z"', 1_699_999_980_000],
    ['iso', '"2023-11-14"', 1_699_920_000_000],
    ['iso', '"2024-02-29"', 1_709_164_800_000],
    ['iso', '"2000-02-29"', 951_782_400_000],
    ['iso', '"1969-12-31T23:59:59.999Z"', -1],
    ['iso', '"9999-12-31T23:59:59.999Z"', 253_402_300_799_999],
    ['iso', '"2023-11-14\\u005422:13:20Z"', 1_700_000_000_000],
  ] as const)('in %s may be %s', (unit, json, expected) => {
    expect(timeOf(unit, json)).toBe(expected)
  })

  it.each([
    ['ms', null, "time field 'ts' is missing"],
    ['ms', 'null', "time field 'ts' is null"],
    ['ms', 'true', "time field 'ts' is of a wrong type"],
    ['ms', '{"at":1}', "time field 'ts' is of a wrong type"],
    ['ms', '[1]', "time field 'ts' is of a wrong type"],
    ['ms', '8640000000000001', "time field 'ts' is out of range"],
    ['ms', '-9e15', "time field 'ts' is out of range"],
    ['ms', '1e400', "time field 'ts' is out of range"],
    ['ms', '"NaN"', 'time field \'ts\' is no number of ms: "NaN"'],
    ['ms', '""', 'time field \'ts\' is no number of ms: ""'],
    ['ms', '"0x10"', 'time field \'ts\' is no number of ms: "0x10"'],
    ['ms', '" 1"', 'time field \'ts\' is no number of ms: " 1"'],
    ['ms', '"1e99"', 'time field \'ts\' is out of range: "1e99"'],
    ['ms', '"2023-11-14"', 'time field \'ts\' is no number of ms: "2023-11-14"'],
    ['s', '8640000000001', "time field 'ts' is out of range"],
    ['s', '"soon"', 'time field \'ts\' is no number of s: "soon"'],
    ['us', '"soon"', 'time field \'ts\' is no number of us: "soon"'],
    ['iso', '1700000000000', "time field 'ts' is of a wrong type"],
    ['iso', '"2023-02-29"', 'time field \'ts\' is no ISO 8601 date-time: "2023-02-29"'],
    ['iso', '"1900-02-29"', 'time field \'ts\' is no ISO 8601 date-time: "1900-02-29"'],
    [
      'iso',
      '"2023-04-31T00:00Z"',
      'time field \'ts\' is no ISO 8601 date-time: "2023-04-31T00:00Z"',
    ],
    ['iso', '"2023-13-01"', 'time field \'ts\' is no ISO 8601 date-time: "2023-13-01"'],
    [
      'iso',
      '"2023-01-01T25:00Z"',
      'time field \'ts\' is no ISO 8601 date-time: "2023-01-01T25:00Z"',
    ],
    [
      'iso',
      '"2023-01-01T00:00+99:00"',
      'time field \'ts\' is no ISO 8601 date-time: "2023-01-01T00:00+99:00"',
    ],
    ['iso', '"yesterday"', 'time field \'ts\' is no ISO 8601 date-time: "yesterday"'],
    [
      'iso',
      `"${'x'.repeat(50)}"`,
      `time field 'ts' is no ISO 8601 date-time: "${'x'.repeat(40)}…"`,
    ],
  ] as const)('in %s is not %s', (unit, json, expected) => {
    expect(timeOf(unit, json)).toBe(expected)
  })

  it('in seconds keeps every millisecond', () => {
    const wrong: number[] = []
    for (const base of [0, -2_000_000, 1_700_000_000_000, 253_402_300_000_000]) {
      for (let ms = base; ms < base + 2000; ms++) {
        if (timeOf('s', String(ms / 1000)) !== ms) wrong.push(ms)
      }
    }
    expect(wrong).toEqual([])
  })
})
