import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { connectors } from '../connectors/registry.ts'
import {
  type ConnectorOptions,
  compileEventCheck,
  defaultWatermarkStrategy,
  isWithin,
  joinPath,
  parseByteSize,
  parseDuration,
  type RuleProblem,
  type TimeUnit,
  TocsinError,
  type YAMLDocument,
} from '../src/index.ts'
import type {
  CheckpointConfig,
  Config,
  EventSchema,
  SideOutputConfig,
  SinkConfig,
  StreamConfig,
} from './config.ts'
import { sinkNames, sourceNames } from './config-schema.ts'
import type { ConfigSources } from './config-sources.ts'
import { defaultListenAddress, type ListenAddress, parseListenAddress } from './listen-address.ts'

/** A map of a configuration. */
export type Section = Readonly<Record<string, unknown>>

/** Where a configuration stands, and what is known of it. */
export interface ConfigSurroundings {
  /** Where paths start. */
  readonly directory: string
  readonly sources: ConfigSources
  /** What the schema has said: what is wrong there is not looked at again. */
  readonly known: readonly RuleProblem[]
}

/**
 * Makes the configuration of a document, and finds what a schema cannot say. Where there are
 * problems, its own or known ones, what it makes is not to be used.
 */
export class ConfigBuilder {
  readonly problems: RuleProblem[] = []
  readonly #document: YAMLDocument
  readonly #surroundings: ConfigSurroundings

  constructor(document: YAMLDocument, surroundings: ConfigSurroundings) {
    this.#document = document
    this.#surroundings = surroundings
  }

  build(): Omit<Config, 'conceal'> {
    const root = sectionOf(this.#document.value)
    const streams = Object.entries(sectionOf(root.streams))
    const sinks = Object.entries(sectionOf(root.sinks))
    const state = sectionOf(root.state)
    return {
      streams: streams.flatMap(([name, value]) => this.#stream(name, sectionOf(value))),
      sinks: sinks.flatMap(([name, value]) => this.#sink(name, sectionOf(value))),
      rulesPath: this.#path(root.rules, 'rules/'),
      stateDirectory: this.#path(state.dir, 'state/'),
      sorterCapBytes: this.#byteSize('state', state, 'sorter_cap'),
      sideOutput: this.#sideOutput('state.side_output', sectionOf(state.side_output)),
      checkpoints: state.backend === 'rocksdb' ? this.#checkpoints(state) : null,
      api: root.api === undefined ? null : this.#api(sectionOf(root.api)),
    }
  }

  #api({ listen }: Section): ListenAddress {
    if (typeof listen !== 'string' || !this.#isSound('api.listen')) return defaultListenAddress
    const parsed = parseListenAddress(listen)
    if (!('problem' in parsed)) return parsed
    this.#report('api.listen', parsed.problem)
    return defaultListenAddress
  }

  #stream(name: string, value: Section): StreamConfig[] {
    const path = joinPath('streams', name)
    const schema = this.#schema(joinPath(path, 'schema'), value.schema)
    const sourcePath = joinPath(path, 'source')
    const source = this.#connector(sourcePath, sectionOf(value.source), sourceNames.built)
    const context = { directory: this.#surroundings.directory, job: this.#job }
    const made = this.#attempt(source?.path, () =>
      connectors.get(source?.name ?? '')?.source?.create(source?.options ?? {}, context),
    )
    const time = this.#time(joinPath(path, 'time'), sectionOf(value.time))
    if (source === undefined || made === undefined) return []
    const idleAfterMs = time.idleAfterMs ?? (made.bounded ? null : endlessIdleAfterMs)
    return [
      {
        name,
        connector: source.name,
        source: made,
        time: { ...time, idleAfterMs },
        schema,
        partitionedBy: (value.partitioned_by as string | undefined) ?? null,
        redact: (value.redact as readonly string[] | undefined) ?? [],
      },
    ]
  }

  #time(path: string, time: Section): StreamConfig['time'] {
    const { maxDriftMs, maxFutureSkewMs } = defaultWatermarkStrategy
    return {
      field: time.field as string,
      unit: (time.unit as TimeUnit | undefined) ?? 'ms',
      outOfOrdernessMs: this.#duration(path, time, 'out_of_orderness') ?? 0,
      idleAfterMs: this.#duration(path, time, 'idle_after'),
      maxDriftMs: this.#duration(path, time, 'max_drift') ?? maxDriftMs,
      maxFutureSkewMs: this.#duration(path, time, 'max_future_skew') ?? maxFutureSkewMs,
    }
  }

  #schema(path: string, value: unknown): EventSchema | null {
    if (typeof value !== 'string' || !this.#isSound(path)) return null
    try {
      const document: unknown = JSON.parse(this.#surroundings.sources.readFile(value))
      return { document: document as EventSchema['document'], check: compileEventCheck(document) }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#report(path, `no schema of events can be taken from ${value}: ${reason}`)
      return null
    }
  }

  #sink(name: string, value: Section): SinkConfig[] {
    const sink = this.#withSystem(this.#connector(joinPath('sinks', name), value, sinkNames.built))
    const { directory } = this.#surroundings
    const made = this.#attempt(sink?.path, () =>
      connectors.get(sink?.name ?? '')?.sink?.create(sink?.options ?? {}, { directory }),
    )
    if (sink === undefined || made === undefined) return []
    const { createTwoPhaseCommit } = connectors.get(sink.name)?.sink ?? {}
    const { options } = sink
    const isImmediate = value.delivery === 'immediate'
    this.#checkDelivery(joinPath('sinks', name), value.delivery, sink.name)
    return [
      {
        name,
        connector: sink.name,
        sink: made,
        createTwoPhaseCommit:
          createTwoPhaseCommit === undefined || isImmediate
            ? null
            : (job) => createTwoPhaseCommit(options, { directory, job, sink: name }),
        isImmediate,
        isDefault: value.default === true,
      },
    ]
  }

  #checkDelivery(path: string, delivery: unknown, connector: string): void {
    const at = joinPath(path, 'delivery')
    const { createTwoPhaseCommit, showsAtEnd } = connectors.get(connector)?.sink ?? {}
    if (delivery === 'immediate' && showsAtEnd === true) {
      this.#report(at, `\`${connector}\` has no immediate delivery; leave \`delivery\` out`)
    }
    if (delivery !== 'exactly_once') return
    const { backend } = sectionOf(sectionOf(this.#document.value).state)
    if (createTwoPhaseCommit === undefined) {
      const message = `\`${connector}\` takes alerts at least once; leave \`delivery\` out`
      this.#report(at, message)
    } else if (backend !== 'rocksdb') {
      this.#report(at, '`exactly_once` needs checkpoints: `state: { backend: rocksdb }`')
    }
  }

  #sideOutput(path: string, section: Section): SideOutputConfig {
    return {
      retentionMs: this.#duration(path, section, 'retention') ?? 7 * 86_400_000,
      capBytes: this.#byteSize(path, section, 'cap') ?? 2 ** 30,
    }
  }

  #checkpoints(state: Section): CheckpointConfig {
    return {
      job: this.#job,
      intervalMs: this.#duration('state', state, 'checkpoint_interval') ?? 1000,
      cacheBytes: this.#byteSize('state', state, 'cache'),
      outboxCapBytes: this.#byteSize('state', state, 'outbox_cap'),
      retained: typeof state.retained === 'number' ? state.retained : 1,
    }
  }

  get #job(): string {
    const { job } = sectionOf(sectionOf(this.#document.value).state)
    return typeof job === 'string' ? job : 'tocsin'
  }

  #connector(path: string, choice: Section, names: readonly string[]): ConnectorChoice | undefined {
    const name = Object.keys(choice).find((key) => names.includes(key))
    if (name === undefined) return undefined
    return { name, path: joinPath(path, name), options: choice[name] as ConnectorOptions }
  }

  /** A sink that does not say which system it writes to means the one that is read from. */
  #withSystem(sink: ConnectorChoice | undefined): ConnectorChoice | undefined {
    const names = connectors.get(sink?.name ?? '')?.sink?.systemOptions ?? []
    const [first] = names
    if (sink === undefined || first === undefined || sink.options[first] !== undefined) return sink
    const streams = Object.values(sectionOf(sectionOf(this.#document.value).streams))
    const read = streams.flatMap((stream) => sectionOf(sectionOf(stream).source)[sink.name] ?? [])
    const systems = read.map((options) => pick(sectionOf(options), names))
    const [system] = systems
    // A source that lacks it too has its own problem.
    if (system !== undefined && system[first] === undefined) return undefined
    if (system !== undefined && systems.every((other) => isDeepStrictEqual(other, system))) {
      return { ...sink, options: { ...system, ...sink.options } }
    }
    const why =
      system === undefined
        ? `no stream reads from ${sink.name} that it could be taken from`
        : `streams read from several, or in several ways`
    this.#report(sink.path, `\`${first}\` is missing, and ${why}`)
    return undefined
  }

  #path(value: unknown, otherwise: string): string {
    return resolve(this.#surroundings.directory, typeof value === 'string' ? value : otherwise)
  }

  /** Milliseconds of a duration in a section; `null` where there is none. */
  #duration(path: string, section: Section, keyword: string): number | null {
    const at = joinPath(path, keyword)
    if (section[keyword] === undefined || !this.#isSound(at)) return null
    const parsed = parseDuration(section[keyword])
    if ('ms' in parsed) return parsed.ms
    this.#report(at, parsed.problem)
    return null
  }

  /** Bytes in a section; `null` where there is none. */
  #byteSize(path: string, section: Section, keyword: string): number | null {
    const at = joinPath(path, keyword)
    if (section[keyword] === undefined || !this.#isSound(at)) return null
    const parsed = parseByteSize(section[keyword])
    if ('bytes' in parsed) return parsed.bytes
    this.#report(at, parsed.problem)
    return null
  }

  /** What only the connector itself can refuse becomes a problem with a place. */
  #attempt<Made>(path: string | undefined, make: () => Made): Made | undefined {
    if (path === undefined || !this.#isSound(path)) return undefined
    try {
      return make()
    } catch (error) {
      if (!(error instanceof TocsinError) || error.code !== 'CONFIG_INVALID') throw error
      this.#report(path, error.message)
      return undefined
    }
  }

  #isSound(path: string): boolean {
    return !this.#surroundings.known.some(
      (problem) => isWithin(problem.path, path) || isWithin(path, problem.path),
    )
  }

  #report(path: string, message: string): void {
    this.problems.push({
      code: 'CONFIG_INVALID',
      ...this.#document.locate(path),
      path,
      message,
    })
  }
}

/** Which connector a stream or a sink has, and what it is told. */
interface ConnectorChoice {
  readonly name: string
  readonly path: string
  readonly options: ConnectorOptions
}

function pick(section: Section, names: readonly string[]): Section {
  const there = names.filter((name) => section[name] !== undefined)
  return Object.fromEntries(there.map((name) => [name, section[name]]))
}

/** Of streams that never end: a partition to which nothing is written must not hold time for ever. */
const endlessIdleAfterMs = 60_000

export function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as a map; an empty one where it is none. */
export function sectionOf(value: unknown): Section {
  return isSection(value) ? value : {}
}
