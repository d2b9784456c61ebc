import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { JobMetrics } from '../src/index.ts'
import type { RuleSet } from './rule-set.ts'
import type { RunMonitor } from './run-monitor.ts'

/**
 * The metrics of a run, as Prometheus reads them: read from the run when they are asked for.
 * docs/metrics.md has them all.
 */
export function runMetrics(monitor: RunMonitor, rules: RuleSet, now: () => number): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const metric of jobMetricTable) {
    add(metric, registry, () => {
      const job = monitor.jobMetrics()
      return job === null ? [] : metric.samples(job, now())
    })
  }
  for (const metric of runMetricTable) add(metric, registry, () => metric.samples(monitor))
  for (const metric of ruleMetricTable) add(metric, registry, () => metric.samples(rules))
  const duration = new Histogram({
    name: 'tocsin_checkpoint_duration_seconds',
    help: 'From the barrier of a checkpoint until it is durable.',
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  })
  const bytes = new Counter({
    name: 'tocsin_checkpoint_bytes_total',
    help: 'Bytes that checkpoints have written.',
    registers: [registry],
  })
  monitor.onCheckpoint((completed) => {
    duration.observe(completed.durationMs / 1000)
    bytes.inc(completed.bytes)
  })
  return registry
}

/** Values with their labels. */
type Samples = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]

interface MetricDeclaration {
  readonly kind: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

type JobMetric = MetricDeclaration & {
  readonly samples: (job: JobMetrics, now: number) => Samples
}
type RuleMetric = MetricDeclaration & { readonly samples: (rules: RuleSet) => Samples }
type RunMetric = MetricDeclaration & { readonly samples: (monitor: RunMonitor) => Samples }

function add(metric: MetricDeclaration, registry: Registry, samples: () => Samples): void {
  const { kind, name, help, labels } = metric
  const options = { name, help, labelNames: [...labels], registers: [registry] }
  switch (kind) {
    case 'counter': {
      const counter: Counter = new Counter({
        ...options,
        collect() {
          counter.reset()
          for (const [names, value] of samples()) counter.inc(names, value)
        },
      })
      break
    }
    case 'gauge': {
      const gauge: Gauge = new Gauge({
        ...options,
        collect() {
          gauge.reset()
          for (const [names, value] of samples()) gauge.set(names, value)
        },
      })
    }
  }
}

const jobMetricTable: readonly JobMetric[] = [
  {
    kind: 'counter',
    name: 'tocsin_events_total',
    help: 'Events that were offered to rules.',
    labels: ['stream'],
    samples: ({ countsByStream }) => byStream(countsByStream, ({ events }) => events),
  },
  {
    kind: 'counter',
    name: 'tocsin_late_events_total',
    help: 'Events at or below the watermark of their partition; they are kept.',
    labels: ['stream'],
    samples: ({ countsByStream }) => byStream(countsByStream, ({ late }) => late),
  },
  {
    kind: 'counter',
    name: 'tocsin_late_after_idle_events_total',
    help: 'Events that came after time had gone on without their idle partition; they are kept.',
    labels: ['stream'],
    samples: ({ countsByStream }) => byStream(countsByStream, ({ lateAfterIdle }) => lateAfterIdle),
  },
  {
    kind: 'counter',
    name: 'tocsin_dead_letters_total',
    help: 'Records that are no events, or have no key; they are kept.',
    labels: ['cause'],
    samples: ({ deadLettersByCause }) => labelled('cause', deadLettersByCause),
  },
  {
    kind: 'counter',
    name: 'tocsin_left_out_records_total',
    help: 'Records that sources took and left out on purpose, as those that came again.',
    labels: ['reason'],
    samples: ({ metrics }) => byName('reason', metrics, 'left_out.'),
  },
  {
    kind: 'counter',
    name: 'tocsin_alerts_total',
    help: 'Alerts, those of shadow rules too.',
    labels: ['rule'],
    samples: ({ alertsByRule }) => labelled('rule', alertsByRule),
  },
  {
    kind: 'counter',
    name: 'tocsin_suppressed_alerts_total',
    help: 'Alerts that dedupe or an exception kept back; they are kept.',
    labels: ['rule'],
    samples: ({ suppressedByRule }) => labelled('rule', suppressedByRule),
  },
  {
    kind: 'counter',
    name: 'tocsin_dropped_matches_total',
    help: 'Matches beyond max_matches.',
    labels: ['rule'],
    samples: ({ metrics }) => byName('rule', metrics, 'dropped_matches.'),
  },
  {
    kind: 'counter',
    name: 'tocsin_refused_events_total',
    help: 'First events beyond limit.',
    labels: ['rule'],
    samples: ({ metrics }) => byName('rule', metrics, 'refused_events.'),
  },
  {
    kind: 'counter',
    name: 'tocsin_expression_errors_total',
    help: 'Conditions that had no value for an event.',
    labels: ['rule'],
    samples: ({ metrics }) => byName('rule', metrics, 'expression_errors.'),
  },
  {
    kind: 'gauge',
    name: 'tocsin_watermark_lag_seconds',
    help: 'By how much event time is behind the clock; of partitions that hold time.',
    labels: ['stream', 'partition'],
    samples: ({ splits }, now) =>
      splits
        .filter(({ ended, idle, watermark }) => !ended && !idle && Number.isFinite(watermark))
        .map((split) => [splitLabels(split), (now - split.watermark) / 1000]),
  },
  {
    kind: 'gauge',
    name: 'tocsin_partition_idle',
    help: '1: the partition is idle, and holds time no longer.',
    labels: ['stream', 'partition'],
    samples: ({ splits }) => splits.map((split) => [splitLabels(split), Number(split.idle)]),
  },
  {
    kind: 'gauge',
    name: 'tocsin_partition_problem',
    help: '1: something keeps records of the partition from coming.',
    labels: ['stream', 'partition'],
    samples: ({ splits }) =>
      splits.map((split) => [splitLabels(split), Number(split.problem !== undefined)]),
  },
  {
    kind: 'gauge',
    name: 'tocsin_partition_backlog',
    help: 'What is not yet read, in units of the source, where it knows its end.',
    labels: ['stream', 'partition'],
    samples: ({ splits }) =>
      splits.flatMap((split) =>
        split.backlog === undefined ? [] : [[splitLabels(split), split.backlog] as const],
      ),
  },
  {
    kind: 'gauge',
    name: 'tocsin_sorter_bytes',
    help: 'What waits to be put in order of time, roughly.',
    labels: [],
    samples: ({ sorterBytes }) => [[{}, sorterBytes]],
  },
  {
    kind: 'gauge',
    name: 'tocsin_state_keys',
    help: 'Keys with something open.',
    labels: [],
    samples: ({ openKeys }) => [[{}, openKeys]],
  },
]

const runMetricTable: readonly RunMetric[] = [
  {
    kind: 'gauge',
    name: 'tocsin_healthy',
    help: '1: /healthz says ok.',
    labels: [],
    samples: (monitor) => [[{}, Number(monitor.health().status === 'ok')]],
  },
  {
    kind: 'counter',
    name: 'tocsin_restarts_total',
    help: 'Restarts from the last checkpoint after a fault of our own.',
    labels: [],
    samples: ({ restarts }) => [[{}, restarts]],
  },
  {
    kind: 'gauge',
    name: 'tocsin_checkpoint_number',
    help: 'The newest durable checkpoint.',
    labels: [],
    samples: ({ checkpoint }) => [[{}, checkpoint]],
  },
  {
    kind: 'gauge',
    name: 'tocsin_checkpoint_age_seconds',
    help: 'Since the newest checkpoint became durable, or since the start.',
    labels: [],
    samples: ({ checkpointAgeMs }) => [[{}, checkpointAgeMs / 1000]],
  },
  {
    kind: 'gauge',
    name: 'tocsin_outbox_alerts',
    help: 'Alerts that a sink has not yet taken.',
    labels: ['sink'],
    samples: ({ sinks }) => [...sinks].map(([sink, { outbox }]) => [{ sink }, outbox.alerts]),
  },
  {
    kind: 'gauge',
    name: 'tocsin_outbox_bytes',
    help: 'Bytes of them.',
    labels: ['sink'],
    samples: ({ sinks }) => [...sinks].map(([sink, { outbox }]) => [{ sink }, outbox.bytes]),
  },
  {
    kind: 'counter',
    name: 'tocsin_sink_retries_total',
    help: 'Attempts of a sink that failed and were tried again.',
    labels: ['sink'],
    samples: ({ sinks }) => [...sinks].map(([sink, { retries }]) => [{ sink }, retries]),
  },
]

const ruleMetricTable: readonly RuleMetric[] = [
  {
    kind: 'gauge',
    name: 'tocsin_rules',
    help: 'Rules that run.',
    labels: ['mode'],
    samples: ({ current }) =>
      ['live', 'shadow', 'disabled'].map((mode) => [
        { mode },
        current.filter(({ rule }) => rule.mode === mode).length,
      ]),
  },
  {
    kind: 'counter',
    name: 'tocsin_rule_reloads_total',
    help: 'Looks at the rules on disk, by what became of them.',
    labels: ['outcome'],
    samples: ({ reloads }) =>
      Object.entries(reloads).map(([outcome, value]) => [{ outcome }, value] as const),
  },
  {
    kind: 'gauge',
    name: 'tocsin_rules_rejected',
    help: '1: the rules on disk are not good, and those from before run.',
    labels: [],
    samples: ({ lastReload }) => [[{}, Number(lastReload?.outcome === 'rejected')]],
  },
]

function byStream(
  counts: JobMetrics['countsByStream'],
  count: (counts: StreamCounts) => number,
): Samples {
  return [...counts].map(([stream, each]) => [{ stream }, count(each)])
}

type StreamCounts = JobMetrics['countsByStream'] extends ReadonlyMap<string, infer C> ? C : never

function labelled(label: string, counts: ReadonlyMap<string, number>): Samples {
  return [...counts].map(([name, value]) => [{ [label]: name }, value])
}

/** Counters whose names begin so; the rest of the name is the label. */
function byName(label: string, metrics: ReadonlyMap<string, number>, prefix: string): Samples {
  return [...metrics]
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [{ [label]: name.slice(prefix.length) }, value])
}

function splitLabels({ stream, partition }: JobMetrics['splits'][number]) {
  return { stream, partition: String(partition) }
}
