import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { MetricGroup } from '../../src/metrics.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { compileRules, type RulePipeline } from '../../src/rule/rule-pipeline.ts'
import { type Alert, alertDocument, plainEventText } from '../../src/stream/alert.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'

interface Reading {
  readonly id: number
  readonly key: string
  readonly ts: number
  readonly value: number
}

/** Readings of one split that arrive together. */
interface Arrival {
  readonly partition: number
  readonly readings: readonly Reading[]
}

const outOfOrdernessMs = 20

const rules = loadCheckedRules([
  {
    path: 'rules.yaml',
    text: `
id: jump
title: "\${{ key }} jumped"
severity: high
from: readings
by: key
detect:
  within: 40ms
  sequence:
    - { step: low, where: value < 3 }
    - { step: high, where: value > low.value + 3 }
on_timeout: { title: no jump, severity: info }
---
id: climb
title: "\${{ key }} climbs"
severity: high
from: readings
by: key
detect:
  within: 60ms
  sequence:
    - { step: first, where: value > 1 }
    - { step: more, where: value > first.value, times: { min: 2 }, until: value == 0 }
    - { step: last, where: value < 2, contiguity: any }
  after_match: no_skip
---
id: silent
title: "\${{ key }} was not confirmed"
severity: high
from: readings
by: key
detect:
  within: 25ms
  sequence:
    - { step: peak, where: value >= 5 }
    - { absent: confirmed, where: value == 4 }
  emit_order: start
`,
  },
])

/** No two readings of a key at one time: the order of such is that of their positions. */
const readingsArbitrary: fc.Arbitrary<Reading[]> = fc
  .array(
    fc.record({
      key: fc.constantFrom('k', 'm'),
      value: fc.nat(6),
      afterMs: fc.constantFrom(1, 3, 9),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((drafts) => {
    let ts = 1000
    return drafts.map(({ key, value, afterMs }, id) => {
      ts += afterMs
      return { id, key, ts, value }
    })
  })

/** Often as late as may be: a reading at the very bound is still in time. */
const delayArbitrary = fc.oneof(fc.constantFrom(0, outOfOrdernessMs), fc.nat(outOfOrdernessMs))

/** The readings in order of time, each as late as it may be, dealt to splits and cut to batches. */
const arrivalsArbitrary: fc.Arbitrary<{ readings: Reading[]; arrivals: Arrival[] }> = fc
  .tuple(
    readingsArbitrary,
    fc.array(delayArbitrary, { minLength: 40, maxLength: 40 }),
    fc.integer({ min: 1, max: 4 }),
    fc.array(fc.nat(100), { minLength: 40, maxLength: 40 }),
    fc.integer({ min: 1, max: 9 }),
  )
  .map(([readings, delays, splits, deals, batchSize]) => {
    const due = (reading: Reading) => reading.ts + (delays[reading.id] as number)
    const arrived = [...readings].sort((a, b) => due(a) - due(b) || b.ts - a.ts)
    const waiting = new Map<number, Reading[]>()
    const arrivals: Arrival[] = []
    for (const reading of arrived) {
      const partition = (deals[reading.id] as number) % splits
      const batch = [...(waiting.get(partition) ?? []), reading]
      waiting.set(partition, batch.length < batchSize ? batch : [])
      if (batch.length === batchSize) arrivals.push({ partition, readings: batch })
    }
    for (const [partition, left] of waiting) {
      if (left.length > 0) arrivals.push({ partition, readings: left })
    }
    return { readings, arrivals }
  })

describe('the answers of rules', () => {
  it('do not depend on the order of arrival within the bound, on batches or on splits', () => {
    let alerts = 0
    fc.assert(
      fc.property(arrivalsArbitrary, ({ readings, arrivals }) => {
        const expected = run([{ partition: 0, readings }])
          .map(answerOf)
          .sort()
        alerts += expected.length
        expect(run(arrivals).map(answerOf).sort()).toEqual(expected)
      }),
      { numRuns: 500, seed: 7 },
    )
    expect(alerts).toBeGreaterThan(1000)
  })

  it('are the same documents in the same order whatever the size of batches', () => {
    fc.assert(
      fc.property(readingsArbitrary, fc.integer({ min: 1, max: 9 }), (readings, size) => {
        const batches: Arrival[] = []
        for (let from = 0; from < readings.length; from += size) {
          batches.push({ partition: 0, readings: readings.slice(from, from + size) })
        }
        const expected = run([{ partition: 0, readings }]).map(documentOf)
        expect(run(batches).map(documentOf)).toEqual(expected)
      }),
      { numRuns: 200, seed: 7 },
    )
  })

  it('do depend on it beyond the bound: a late reading is left out', () => {
    const readings = [
      { id: 0, key: 'k', ts: 1000, value: 1 },
      { id: 1, key: 'k', ts: 1030, value: 6 },
    ]
    const inOrder = run([{ partition: 0, readings }]).map(({ rule }) => rule)
    const tooLate = run([{ partition: 0, readings: readings.toReversed() }]).map(({ rule }) => rule)
    expect([inOrder.sort(), tooLate]).toEqual([['jump', 'silent'], ['silent']])
  })
})

/** Runs the rules until the end of all splits; the alerts as they came. */
function run(arrivals: readonly Arrival[]): Alert[] {
  const alerts: Alert[] = []
  const source = compile(alerts).sources.get('readings')
  if (source === undefined) throw new Error('the rules read the stream')
  const partitions = Math.max(...arrivals.map(({ partition }) => partition)) + 1
  const offsets: number[] = []
  for (let partition = 0; partition < partitions; partition++) {
    source.addSplit({ stream: 'readings', partition })
    offsets.push(0)
  }
  for (const { partition, readings } of arrivals) {
    const offset = offsets[partition] as number
    const batch = batchOf(partition, readings, offset)
    source.processBatch(partition, batch)
    // A source reads the next batch into the same buffer.
    batch.bytes.fill('x')
    offsets[partition] = offset + readings.length
  }
  for (let partition = 0; partition < partitions; partition++) source.endSplit(partition)
  return alerts
}

function compile(alerts: Alert[]): RulePipeline {
  const watermarks = { ...defaultWatermarkStrategy, outOfOrdernessMs }
  expect(rules.problems).toEqual([])
  return compileRules(rules.rules, {
    streams: new Map([['readings', { field: ['ts'], unit: 'ms', watermarks }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    metrics: new MetricGroup(),
    onExpressionError: () => {},
    sideOutput: () => {},
    alerts: {
      alert: (alert) => alerts.push(alert),
      suppressed: () => {},
      droppedMatches: () => {},
      refusedEvent: () => {},
    },
  })
}

function batchOf(partition: number, readings: readonly Reading[], offset: number): RecordBatch {
  const starts: number[] = []
  const ends: number[] = []
  let text = ''
  for (const reading of readings) {
    starts.push(text.length)
    text += JSON.stringify(reading)
    ends.push(text.length)
    text += '\n'
  }
  return {
    split: { stream: 'readings', partition },
    // The scanner looks a little ahead.
    bytes: Buffer.from(`${text}${'\n'.repeat(8)}`),
    count: readings.length,
    starts: Int32Array.from(starts),
    ends: Int32Array.from(ends),
    offsets: Float64Array.from(readings, (_, index) => offset + index),
  }
}

function documentOf(alert: Alert): string {
  return alertDocument(alert, plainEventText)
}

/** What an alert says, without the positions of its events, which are those of the run. */
function answerOf({ rule, severity, eventTime, by, steps }: Alert): string {
  const events = [...steps].map(([name, taken]) => [
    name,
    ...taken.map(({ raw }) => (JSON.parse(raw) as Reading).id),
  ])
  return JSON.stringify({ rule, severity, eventTime, by: [...by], events })
}
