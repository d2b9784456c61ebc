import { expect, test } from 'vitest'
import { parseDuration } from '../../src/connector/duration.ts'
import { parseISOTime } from '../../src/rule/iso-time.ts'

test.each([
  ['500ms', 500],
  ['5s', 5000],
  ['10m', 600_000],
  ['9m30s', 570_000],
  ['12h', 43_200_000],
  ['7d', 604_800_000],
  ['1d1h1m1s1ms', 90_061_001],
  ['0s', 0],
  ['0.1s', 100],
  ['1.5h', 5_400_000],
  ['1m5ms', 60_005],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ms })
})

test.each([
  [10, 'the bare number 10 has no unit: write `10s` or `10ms`'],
  ['10', 'the bare number 10 has no unit: write `10s` or `10ms`'],
  ['', '`` is not a duration: expected a duration such as `500ms`, `10m` or `9m30s`'],
  ['30s9m', '`30s9m` is not a duration: expected a duration such as `500ms`, `10m` or `9m30s`'],
  ['-5s', '`-5s` is not a duration: expected a duration such as `500ms`, `10m` or `9m30s`'],
  ['5 s', '`5 s` is not a duration: expected a duration such as `500ms`, `10m` or `9m30s`'],
  ['1w', '`1w` is not a duration: expected a duration such as `500ms`, `10m` or `9m30s`'],
  [null, 'expected a duration such as `500ms`, `10m` or `9m30s`'],
  ['0.5ms', '`0.5ms` has a part of a millisecond'],
  ['999999999999d', '`999999999999d` is too long'],
])('%j is no duration', (value, problem) => {
  expect(parseDuration(value)).toEqual({ problem })
})

test.each([
  '2027-01-01',
  '1969-12-31',
  '2000-02-29',
  '2026-03-01T06:30Z',
  '2026-12-31T23:59:59.5Z',
  '2026-01-01T00:00:00+05:30',
  '2026-01-01T00:00:00.123-08:00',
])('%s is the time that Date knows', (text) => {
  expect(parseISOTime(text)).toEqual({ ms: Date.parse(text) })
})

test.each(['2026-02-29', '2026-13-01', '2026-01-01T24:00Z', '2026-01-01T00:00', '1.1.2026', 5])(
  '%j is no time',
  (value) => {
    expect(Object.keys(parseISOTime(value))).toEqual(['problem'])
  },
)
