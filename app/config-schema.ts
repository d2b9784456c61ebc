import { connectors } from '../connectors/registry.ts'
import {
  byteSize,
  type Connector,
  count,
  described,
  duration,
  flag,
  keywords,
  listOf,
  mapOf,
  name,
  notYet,
  oneOfWords,
  type SchemaNode,
  text,
} from '../src/index.ts'

/** Connectors that configurations may name already, but that are not built. */
const laterSources: string[] = []
const laterSinks: string[] = []
const anything: SchemaNode = {}

/** Names that a `source` is chosen by: exactly one stands in each. */
export const sourceNames = {
  built: namesOf(({ source }) => source !== undefined),
  later: laterSources,
}
/** The same for sinks. */
export const sinkNames = { built: namesOf(({ sink }) => sink !== undefined), later: laterSinks }

const time = keywords(
  {
    field: described(text, 'The field with the event time; dots go down: `meta.ts`.', 'ts'),
    unit: described(oneOfWords('ms', 's', 'us', 'iso'), 'How it is written; default `ms`.', 'ms'),
    out_of_orderness: described(
      duration,
      'By how much an event may come after a later one and still count; default `0s`.',
      '5s',
    ),
    idle_after: described(
      duration,
      'A source that is silent for so long no longer holds time back; default: it always does.',
      '30s',
    ),
    max_drift: described(
      duration,
      'A partition that is so far ahead of the slowest of all streams is paused; default `1m`.',
      '1m',
    ),
    max_future_skew: described(
      duration,
      'An event of a live source that is so far ahead of its arrival is a dead letter; default `5m`.',
      '5m',
    ),
  },
  ['field'],
)

const stream = keywords(
  {
    source: described(
      connectorChoice(({ source }) => source?.options, laterSources),
      'Where the events come from: one connector, with its options.',
      { file: { path: 'payments.ndjson' } },
    ),
    time: described(time, 'Event time.', { field: 'ts', out_of_orderness: '5s' }),
    schema: described(
      text,
      'A JSON Schema of the events: a path. Events that break it are dead letters.',
      'schemas/payment.json',
    ),
    partitioned_by: described(
      text,
      'The key that the producer partitions by; it changes nothing yet.',
      'card',
    ),
    redact: described(
      listOf(text),
      'Fields that are never shown: names, wherever they stand, or paths with dots.',
      ['pan'],
    ),
  },
  ['source', 'time'],
)

const sink = connectorChoice(({ sink: side }) => side?.options, laterSinks, {
  default: described(flag, 'Whether alerts of rules without `to` go here; default false.', true),
  delivery: described(
    oneOfWords('exactly_once', 'immediate'),
    'With `backend: rocksdb`: `exactly_once` shows alerts with their checkpoint, each once; it is the default where the sink can. `immediate` sends them before it: sooner, and those since the last checkpoint once more after a crash.',
    'immediate',
  ),
})

const state = keywords({
  dir: described(text, 'The folder of the state; default `state/`.', 'state/'),
  backend: described(
    oneOfWords('memory', 'rocksdb'),
    'Where state lives; default `memory`. With `rocksdb` a run takes checkpoints, and goes on from the newest one when it is started again.',
    'rocksdb',
  ),
  job: described(
    name,
    "Name of the job, with `backend: rocksdb`: what sinks have committed for one job is no other's; default `tocsin`.",
    'tocsin',
  ),
  sorter_cap: described(
    byteSize,
    'What waits to be put in order of time may take so much; then partitions are paused; default `256MiB`.',
    '256MiB',
  ),
  outbox_cap: described(
    byteSize,
    'With `backend: rocksdb`: what waits for a sink that is away may take so much; then nothing more is read. Default `64MiB`.',
    '64MiB',
  ),
  side_output: described(
    keywords({
      retention: described(duration, 'How long it is kept; default `7d`.', '7d'),
      cap: described(
        byteSize,
        'Bytes of it; beyond them it is counted and not kept. Default `1GiB`.',
        '1GiB',
      ),
    }),
    'How late events, dead letters, suppressed and undelivered alerts are kept.',
    { retention: '7d' },
  ),
  cache: described(notYet(byteSize), 'Bytes of state in memory.', '256MiB'),
  checkpoint_interval: described(
    duration,
    'Time between checkpoints, with `backend: rocksdb`; default `1s`.',
    '1s',
  ),
  retained: described(
    count,
    'Checkpoints that are kept, the newest one included, with `backend: rocksdb`; default 1.',
    1,
  ),
})

const api = keywords({
  listen: described(
    text,
    'Address and port; default `127.0.0.1:7474`. Others than this machine reach only what is said here.',
    '127.0.0.1:7474',
  ),
})

/** The JSON Schema (draft 2020-12) of `tocsin.yaml`, with the options of every connector. */
export const configSchema: SchemaNode = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Configuration of Tocsin',
  ...keywords(
    {
      $schema: described(text, 'This schema, for editors.', './config.schema.json'),
      streams: described(mapOf(stream, name), 'Streams of events, by name.', {
        payments: { source: { file: { path: 'payments.ndjson' } }, time: { field: 'ts' } },
      }),
      sinks: described(mapOf(sink, name), 'Where alerts go, by name.', {
        alerts: { stdout: {}, default: true },
      }),
      rules: described(text, 'The folder or file of the rules; default `rules/`.', 'rules/'),
      state: described(state, 'How state is kept.', { backend: 'memory' }),
      parallelism: described(count, 'Slots of this process; only 1 is built yet.', 1),
      tables: described(notYet(anything), 'Tables that rules look rows up in.', {}),
      api: described(api, 'The HTTP interface of a run: health and metrics.', {
        listen: '127.0.0.1:7474',
      }),
    },
    ['streams'],
  ),
}

function namesOf(fits: (connector: Connector) => boolean): string[] {
  return [...connectors.values()].filter(fits).map((each) => each.name)
}

/** An object that names a connector; "exactly one" is checked in code, where users type. */
function connectorChoice(
  optionsOf: (connector: Connector) => SchemaNode | undefined,
  later: readonly string[],
  more: Readonly<Record<string, SchemaNode>> = {},
): SchemaNode {
  const choices: Record<string, SchemaNode> = {}
  for (const connector of connectors.values()) {
    const options = optionsOf(connector)
    if (options !== undefined) choices[connector.name] = options
  }
  for (const each of later) {
    choices[each] = described(notYet(anything), 'Known, but not built yet.', {})
  }
  return keywords({ ...choices, ...more })
}
