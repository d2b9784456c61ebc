import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openCheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { DiskKeyedStateBackend } from '../../src/checkpoint/disk-keyed-state-backend.ts'
import { StateCache } from '../../src/checkpoint/state-cache.ts'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import type { CheckedRule } from '../../src/index.ts'
import { MetricGroup } from '../../src/metrics.ts'
import { compileRules } from '../../src/rule/rule-pipeline.ts'
import { VirtualRun } from '../../src/runtime/virtual-run.ts'
import type { KeyedStateBackend } from '../../src/state/keyed-state-backend.ts'
import type { Alert } from '../../src/stream/alert.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
import { checked } from '../harness/split-run.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'

const outOfOrdernessMs = 2000

interface CardEvent {
  readonly ts: number
  readonly k: string
  readonly n: number
}

/** What happens before an event. */
interface Change {
  readonly at: number
  readonly rules?: readonly CheckedRule[]
  readonly checkpoint: boolean
}

const told = 'on_timeout: { title: ran out }\n'
const rising = (more = '', within = '9s') =>
  ruleOf(
    'rising',
    within,
    '[{ step: a, where: n > 2 }, { step: b, where: n > a.n }, { step: c, where: n < 2 }]',
    more,
  )
const loop = (more = '') =>
  ruleOf(
    'loop',
    '7s',
    '[{ step: a, where: n > 3 }, { step: b, times: { min: 1 }, where: "n > a.n" }, { step: c, where: n < 2 }]',
    `  after_match: skip_past_last\n  emit_order: start\n${more}`,
  )
const silent = ruleOf('silent', '5s', '[{ step: a, where: n == 3 }, { absent: b, where: n == 4 }]')
const byBoth = ruleOf(
  'both',
  '30s',
  '[{ step: a, where: n > 4 }, { step: b, where: n > 4 }]',
  '',
  '[k, n]',
)

const sets: readonly (readonly CheckedRule[])[] = [
  [rising(), loop(), silent],
  [rising(told), loop()],
  [loop(told), silent, byBoth],
  [rising('', '3s'), byBoth],
]

const events = fc
  .array(
    fc.record({
      late: fc.nat(outOfOrdernessMs),
      k: fc.constantFrom('x', 'y', 'z'),
      n: fc.nat(8),
      gap: fc.constantFrom(1, 400, 900, 6000),
    }),
    { minLength: 5, maxLength: 60, size: 'max' },
  )
  .map((drawn) => {
    let ts = 10_000
    return drawn.map(({ late, k, n, gap }): CardEvent => {
      ts += gap
      return { ts: ts - late, k, n }
    })
  })

const changes = fc.array(
  fc.record({
    at: fc.nat(59),
    rules: fc.option(fc.constantFrom(...sets), { nil: undefined }),
    checkpoint: fc.boolean(),
  }),
  { maxLength: 12 },
) as fc.Arbitrary<Change[]>

describe('keys on disk', () => {
  it('give the alerts that keys on the heap give, whatever rules and checkpoints come', async () => {
    let alerts = 0
    await fc.assert(
      fc.asyncProperty(
        events,
        changes,
        fc.constantFrom(0, 2000, 1 << 20),
        async (given, changed, cacheBytes) => {
          const onHeap = await run(given, changed, null)
          const onDisk = await run(given, changed, cacheBytes)
          expect(onDisk).toEqual(onHeap)
          alerts += onHeap.alerts.length
        },
      ),
      { numRuns: 400, seed: 20260101 },
    )
    expect(alerts).toBeGreaterThan(1000)
  }, 120_000)
})

async function run(
  given: readonly CardEvent[],
  changed: readonly Change[],
  cacheBytes: number | null,
) {
  const alerts: Alert[] = []
  let changedAt = -Infinity
  const cache = new StateCache(cacheBytes ?? 0)
  const createBackend = (): KeyedStateBackend => new DiskKeyedStateBackend(cache)
  const pipeline = compileRules(sets[0] as readonly CheckedRule[], {
    ...optionsOf((alert) => alerts.push(alert)),
    ...(cacheBytes === null ? {} : { createBackend }),
  })
  const { files, openStateStore } = await machineWithFolder()
  const scheduler = { sleep: async () => undefined }
  const store = await openCheckpointStore({
    files,
    openStateStore,
    directory: '/data/s',
    scheduler,
  })
  let number = 0
  const openOperators = () => {
    for (const { id, operator } of pipeline.operators) {
      if (operator.disk?.isOpen === false) operator.disk.open(store, id)
    }
  }
  const takeCheckpoint = async () => {
    const disks = pipeline.operators.flatMap(({ id, operator: { disk } }) =>
      disk === null ? [] : [{ operator: id, disk }],
    )
    if (disks.length === 0) return
    const operators = disks.map(({ operator, disk }) => ({
      operator,
      entries: disk.freeze(),
      parts: [],
    }))
    const checkpoint = { number: ++number, job: null, operators, outboxes: new Map() }
    await store.write(await store.prepare(checkpoint, async () => undefined))
    for (const { disk } of disks) disk.notifyCheckpointComplete()
  }
  openOperators()
  const virtual = new VirtualRun(pipeline.sources)
  for (const [offset, event] of given.entries()) {
    for (const { at, rules, checkpoint } of changed) {
      if (at !== offset) continue
      if (checkpoint) await takeCheckpoint()
      if (rules !== undefined) {
        pipeline.replaceRules(rules)
        changedAt = virtual.greatestTimestamp - outOfOrdernessMs - 1
      }
      openOperators()
    }
    virtual.offer('s', event, offset)
    await pipeline.settle()
  }
  virtual.advance(Infinity)
  await pipeline.settle()
  const openKeys = pipeline.openKeys()
  for (const { operator } of pipeline.operators) await operator.disk?.close()
  await store.close()
  // On the heap what ran out before somebody wanted to know may still lie there, or not.
  const known = alerts.filter(
    ({ title, eventTime }) => title !== 'ran out' || eventTime > changedAt,
  )
  return { alerts: known.map(identity).sort(), openKeys }
}

function optionsOf(alert: (alert: Alert) => void) {
  const watermarks = { ...defaultWatermarkStrategy, outOfOrdernessMs }
  return {
    streams: new Map([['s', { field: ['ts'], unit: 'ms' as const, watermarks }]]),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    alerts: {
      alert,
      suppressed: () => undefined,
      droppedMatches: () => undefined,
      refusedEvent: () => undefined,
    },
    sideOutput: () => undefined,
    metrics: new MetricGroup(),
    onExpressionError: () => undefined,
  }
}

function identity({ id, eventTime, rule, title, steps }: Alert): string {
  const counts = [...steps].map(([step, { length }]) => [step, length])
  return JSON.stringify([eventTime, rule, id, title, counts])
}

function ruleOf(id: string, within: string, sequence: string, more = '', by = 'k'): CheckedRule {
  const isDetect = more.startsWith('  ')
  const text = `id: ${id}\nfrom: s\nby: ${by}\ndetect:\n  within: ${within}\n  sequence: ${sequence}\n${isDetect ? more : ''}\n${isDetect ? '' : more}`
  return checked(text)[0] as CheckedRule
}
