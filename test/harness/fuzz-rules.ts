import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { generateEvents } from '../../connectors/generator/source.ts'
import { type TrafficKind, trafficKinds } from '../../connectors/generator/traffic.ts'
import { createScannerDecoder } from '../../src/decode/json-scanner.ts'
import { MetricGroup } from '../../src/metrics.ts'
import type { CheckedRule } from '../../src/rule/expression-check.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { compileRules } from '../../src/rule/rule-pipeline.ts'
import { runRuleTests } from '../../src/rule/rule-test-runner.ts'
import { VirtualRun } from '../../src/runtime/virtual-run.ts'
import { ManualClock } from '../../src/time/clock.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
import { mutations } from './mutate-rules.ts'

/*
 * npm run fuzz:rules -- [--edits 10000] [--seed N]
 * Edits the shipped rules at random: none may crash the loader, and none that it accepts may throw
 * when it runs over generated events or runs its own tests. Exits 1 if one does, with its text.
 */
const { values } = parseArgs({
  options: {
    edits: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})
const seed = Number(values.seed)
const failuresMax = 10
console.log(`seed ${seed}`)
report(fuzz(seed, Number(values.edits)))

interface Outcome {
  edits: number
  accepted: number
  failures: number
}

function fuzz(from: number, edits: number): Outcome {
  const outcome: Outcome = { edits: 0, accepted: 0, failures: 0 }
  const texts = shippedRules()
  const events = sampleEvents()
  for (const { text, edit } of mutations(from, edits, texts)) {
    outcome.edits++
    try {
      const { rules, problems } = loadCheckedRules([{ path: 'edited.rule.yaml', text }])
      if (problems.length > 0) continue
      outcome.accepted++
      for (const checked of rules) run(checked, events)
      for (const checked of rules) runRuleTests(checked)
    } catch (error) {
      const { stack } = error as Error
      console.log(`\n${edit}\n${stack}\n---\n${text}\n---`)
      if (++outcome.failures === failuresMax) break
    }
  }
  return outcome
}

function report({ edits, accepted, failures }: Outcome): void {
  console.log(`${edits} edits, ${accepted} accepted and run, ${failures} failures`)
  if (failures > 0) process.exitCode = 1
}

function shippedRules(): string[] {
  // This file runs from dist/test/harness.
  const folder = new URL('../../../rules/', import.meta.url)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.rule.yaml'))
    .sort()
    .map((name) => readFileSync(fileURLToPath(new URL(name, folder)), 'utf8'))
}

interface SampleEvent {
  readonly stream: TrafficKind
  readonly event: Readonly<Record<string, unknown>>
  readonly timestamp: number
}

/** Some of each kind of traffic, from where the first stories begin. */
function sampleEvents(): SampleEvent[] {
  const samples = trafficKinds.flatMap((stream) => {
    const options = { kind: stream, seed: 1, count: 700, startMs: 0, eventsPerSecond: 5 }
    const made = [...generateEvents(options)].slice(600)
    return made.map((event) => ({ stream, event, timestamp: event.ts as number }))
  })
  return samples.sort((a, b) => a.timestamp - b.timestamp)
}

function run(checked: CheckedRule, events: readonly SampleEvent[]): void {
  const streams = checked.rule.from
  const time = { field: [], unit: 'ms', watermarks: defaultWatermarkStrategy } as const
  const { sources } = compileRules([checked], {
    streams: new Map(streams.map((stream) => [stream, time])),
    createDecoder: createScannerDecoder,
    environment: { tables: new Map() },
    clock: new ManualClock(),
    metrics: new MetricGroup(),
    sideOutput: () => {},
    onExpressionError: () => {},
    alerts: {
      // The document reads what is only made when it is asked for.
      alert: (_alert, document) => void document(),
      suppressed: () => {},
      droppedMatches: () => {},
      refusedEvent: () => {},
    },
  })
  const virtual = new VirtualRun(sources)
  for (const [offset, { stream, event, timestamp }] of events.entries()) {
    virtual.advance(timestamp - 1)
    virtual.offer(stream, event, offset, timestamp)
  }
  virtual.advance(Number.POSITIVE_INFINITY)
}
