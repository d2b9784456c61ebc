import { dirname, resolve } from 'node:path'
import { connectors } from '../connectors/registry.ts'
import {
  type ConnectorOptions,
  createSchemaCheck,
  joinPath,
  parseDuration,
  parseYAMLDocuments,
  type RuleProblem,
  type Sink,
  type Source,
  sortProblems,
  type TimeUnit,
  TocsinError,
  type YAMLDocument,
} from '../src/index.ts'
import { configSchema, sinkNames, sourceNames } from './config-schema.ts'

/** A stream as configured; relative paths are resolved. */
export interface StreamConfig {
  readonly name: string
  readonly connector: string
  readonly source: Source
  readonly time: {
    /** Dots go down. */
    readonly field: string
    readonly unit: TimeUnit
    readonly outOfOrdernessMs: number
    /** `null`: a silent source always holds time back. */
    readonly idleAfterMs: number | null
  }
  /** Path of the events' JSON Schema. */
  readonly schemaPath: string | null
  readonly partitionedBy: string | null
  readonly redact: readonly string[]
}

/** A sink as configured. */
export interface SinkConfig {
  readonly name: string
  readonly connector: string
  readonly sink: Sink
  /** Whether alerts of rules that name no sink go here. */
  readonly isDefault: boolean
}

/** What `tocsin.yaml` says, checked; nothing is opened yet. */
export interface Config {
  readonly streams: readonly StreamConfig[]
  readonly sinks: readonly SinkConfig[]
  /** Path of the rules' folder or file. */
  readonly rulesPath: string
  readonly stateDirectory: string
}

/** A configuration, or everything that is wrong with it; never both. */
export type ConfigResult =
  | {
      readonly kind: 'valid'
      readonly config: Config
      readonly warnings: readonly RuleProblem[]
    }
  | { readonly kind: 'invalid'; readonly problems: readonly RuleProblem[] }

const checkSchema = createSchemaCheck(configSchema, 'CONFIG_INVALID')

/** Reads a configuration; `file` names it in problems, and its folder is where paths start. */
export function parseConfig(file: string, text: string): ConfigResult {
  const { document, problems, warnings } = parseDocument(file, text)
  if (document === null || problems.length > 0) return { kind: 'invalid', problems }
  const built = new ConfigBuilder(document, dirname(resolve(file)))
  const config = built.build()
  if (built.problems.length > 0) {
    return { kind: 'invalid', problems: sortProblems(built.problems) }
  }
  return { kind: 'valid', config, warnings }
}

/** What a command needs to know that looks at events which it is given, and opens nothing. */
export interface ConfigOutline {
  /** Path of the rules' folder or file. */
  readonly rulesPath: string
  readonly streams: ReadonlyMap<string, StreamOutline>
}

export interface StreamOutline {
  /** Dots go down. */
  readonly timeField: string
  readonly timeUnit: TimeUnit
  readonly redact: readonly string[]
}

/** The outline of a configuration; what it names that is not built yet makes no difference. */
export function parseConfigOutline(
  file: string,
  text: string,
): ConfigOutline | { readonly problems: readonly RuleProblem[] } {
  const { document, problems } = parseDocument(file, text)
  const mistakes = problems.filter(({ code }) => code !== 'RULE_NOT_YET')
  if (document === null || mistakes.length > 0) return { problems: mistakes }
  const root = sectionOf(document.value)
  const streams = Object.entries(sectionOf(root.streams)).map(
    ([name, value]): [string, StreamOutline] => [name, outlineOf(sectionOf(value))],
  )
  return { rulesPath: rulesPathOf(root, dirname(resolve(file))), streams: new Map(streams) }
}

function outlineOf({ time, redact }: Section): StreamOutline {
  const { field, unit } = sectionOf(time)
  return {
    timeField: field as string,
    timeUnit: (unit as TimeUnit | undefined) ?? 'ms',
    redact: (redact as readonly string[] | undefined) ?? [],
  }
}

function rulesPathOf({ rules }: Section, directory: string): string {
  return resolve(directory, (rules as string | undefined) ?? 'rules/')
}

/** The one document of a configuration; `null` where there is none, which is a problem. */
function parseDocument(file: string, text: string) {
  const { documents, problems, warnings } = parseYAMLDocuments(file, text, 'CONFIG_INVALID')
  const [document, second] = documents
  if (problems.length > 0) return { document: null, problems, warnings }
  if (document === undefined) {
    const message = 'the file is empty: expected at least `streams`'
    const problem = { code: 'CONFIG_INVALID', file, line: 1, column: 1, path: '', message } as const
    return { document: null, problems: [problem], warnings }
  }
  if (second !== undefined) {
    const problem = problemAt(second, '', 'a second document: a configuration is one document')
    return { document: null, problems: [problem], warnings }
  }
  return { document, problems: sortProblems(checkDocument(document)), warnings }
}

type Section = Readonly<Record<string, unknown>>

/** What the schema says, and what it cannot say. */
function checkDocument(document: YAMLDocument): RuleProblem[] {
  const problems = checkSchema(document)
  const root = sectionOf(document.value)
  for (const [name, stream] of Object.entries(sectionOf(root.streams))) {
    const path = joinPath(joinPath(joinPath('', 'streams'), name), 'source')
    problems.push(...checkOne(document, path, sectionOf(stream).source, sourceNames, problems))
  }
  for (const [name, sink] of Object.entries(sectionOf(root.sinks))) {
    const path = joinPath(joinPath('', 'sinks'), name)
    problems.push(...checkOne(document, path, sink, sinkNames, problems))
  }
  if (sectionOf(root.state).backend === 'rocksdb') {
    const message = 'not yet: the backend `rocksdb` is known, but not built; use `memory`'
    problems.push({ ...problemAt(document, 'state.backend', message), code: 'RULE_NOT_YET' })
  }
  if (typeof root.parallelism === 'number' && root.parallelism > 1) {
    const message = 'not yet: more than one slot is known, but not built; use 1'
    problems.push({ ...problemAt(document, 'parallelism', message), code: 'RULE_NOT_YET' })
  }
  return problems
}

/** Checks that exactly one connector is named; silent where another mistake explains it. */
function checkOne(
  document: YAMLDocument,
  path: string,
  value: unknown,
  { built, later }: typeof sourceNames,
  known: readonly RuleProblem[],
): RuleProblem[] {
  if (!isSection(value)) return []
  const [first, second] = Object.keys(value).filter((key) => [...built, ...later].includes(key))
  if (second !== undefined) {
    const at = joinPath(path, second)
    const message = `expected exactly one connector, got \`${first}\` and \`${second}\``
    return [{ ...problemAt(document, at, message), ...document.locateKey(at) }]
  }
  const misspelt = Object.keys(value).some((key) => {
    const at = joinPath(path, key)
    return known.some((problem) => problem.path === at)
  })
  if (first !== undefined || misspelt) return []
  const listed = built.map((name) => `\`${name}\``).join(', ')
  return [problemAt(document, path, `expected one connector of ${listed}`)]
}

/** Makes the configuration of a document that has passed its schema. */
class ConfigBuilder {
  readonly problems: RuleProblem[] = []
  readonly #document: YAMLDocument
  readonly #directory: string

  constructor(document: YAMLDocument, directory: string) {
    this.#document = document
    this.#directory = directory
  }

  build(): Config {
    const root = sectionOf(this.#document.value)
    const streams = Object.entries(sectionOf(root.streams))
    const sinks = Object.entries(sectionOf(root.sinks))
    const stateDirectory = (sectionOf(root.state).dir as string | undefined) ?? 'state/'
    return {
      streams: streams.flatMap(([name, value]) => this.#stream(name, sectionOf(value))),
      sinks: sinks.flatMap(([name, value]) => this.#sink(name, sectionOf(value))),
      rulesPath: rulesPathOf(root, this.#directory),
      stateDirectory: resolve(this.#directory, stateDirectory),
    }
  }

  #stream(name: string, value: Section): StreamConfig[] {
    const path = joinPath('streams', name)
    const time = sectionOf(value.time)
    const timePath = joinPath(path, 'time')
    const source = this.#connector(
      joinPath(path, 'source'),
      sectionOf(value.source),
      sourceNames.built,
    )
    if (source === undefined) return []
    const made = this.#attempt(source.path, () =>
      connectors.get(source.name)?.source?.create(source.options, { directory: this.#directory }),
    )
    const schema = value.schema as string | undefined
    const { timeField, timeUnit, redact } = outlineOf(value)
    const config = {
      name,
      connector: source.name,
      time: {
        field: timeField,
        unit: timeUnit,
        outOfOrdernessMs: this.#duration(timePath, time, 'out_of_orderness') ?? 0,
        idleAfterMs: this.#duration(timePath, time, 'idle_after'),
      },
      schemaPath: schema === undefined ? null : resolve(this.#directory, schema),
      partitionedBy: (value.partitioned_by as string | undefined) ?? null,
      redact,
    }
    return made === undefined ? [] : [{ ...config, source: made }]
  }

  #sink(name: string, value: Section): SinkConfig[] {
    const sink = this.#connector(joinPath('sinks', name), value, sinkNames.built)
    if (sink === undefined) return []
    const made = this.#attempt(sink.path, () =>
      connectors.get(sink.name)?.sink?.create(sink.options, { directory: this.#directory }),
    )
    if (made === undefined) return []
    return [{ name, connector: sink.name, sink: made, isDefault: value.default === true }]
  }

  #connector(path: string, choice: Section, names: readonly string[]) {
    const name = Object.keys(choice).find((key) => names.includes(key))
    if (name === undefined) return undefined
    return { name, path: joinPath(path, name), options: choice[name] as ConnectorOptions }
  }

  /** Milliseconds of a duration in a section; `null` where there is none. */
  #duration(path: string, section: Section, keyword: string): number | null {
    const value = section[keyword]
    if (value === undefined) return null
    const parsed = parseDuration(value)
    if ('ms' in parsed) return parsed.ms
    this.problems.push(problemAt(this.#document, joinPath(path, keyword), parsed.problem))
    return null
  }

  /** What only the connector itself can refuse becomes a problem with a place. */
  #attempt<Made>(path: string, make: () => Made): Made | undefined {
    try {
      return make()
    } catch (error) {
      if (!(error instanceof TocsinError) || error.code !== 'CONFIG_INVALID') throw error
      this.problems.push(problemAt(this.#document, path, error.message))
      return undefined
    }
  }
}

function problemAt(document: YAMLDocument, path: string, message: string): RuleProblem {
  return { code: 'CONFIG_INVALID', ...document.locate(path), path, message }
}

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function sectionOf(value: unknown): Section {
  return isSection(value) ? value : {}
}
