import { dirname, resolve } from 'node:path'
import {
  createSchemaCheck,
  type EventCheck,
  joinPath,
  parseYAMLDocuments,
  type RuleProblem,
  type Sink,
  type Source,
  sortProblems,
  type TimeUnit,
  type TwoPhaseCommitSink,
  type YAMLDocument,
} from '../src/index.ts'
import { ConfigBuilder, isSection, sectionOf } from './config-builder.ts'
import { resolveReferences } from './config-references.ts'
import { configSchema, sinkNames, sourceNames } from './config-schema.ts'
import { type ConfigSources, hostConfigSources } from './config-sources.ts'
import type { ListenAddress } from './listen-address.ts'

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
    readonly maxDriftMs: number
    readonly maxFutureSkewMs: number
  }
  readonly schema: EventSchema | null
  readonly partitionedBy: string | null
  readonly redact: readonly string[]
}

/** The JSON Schema of a stream's events. */
export interface EventSchema {
  readonly document: Readonly<Record<string, never>>
  readonly check: EventCheck
}

/** A sink as configured. */
export interface SinkConfig {
  readonly name: string
  readonly connector: string
  readonly sink: Sink
  /** Its exactly-once form for a job; `null`: it has none, or is to send immediately. */
  readonly createTwoPhaseCommit: ((job: string) => TwoPhaseCommitSink) | null
  /** Whether alerts are sent before their checkpoint. */
  readonly isImmediate: boolean
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
  /** What sorters may hold, bytes; `null`: the default. */
  readonly sorterCapBytes: number | null
  /** How what is left out is kept. */
  readonly sideOutput: SideOutputConfig
  /** `null`: what a run knows ends with its process. */
  readonly checkpoints: CheckpointConfig | null
  /** `null`: a run has no HTTP interface. */
  readonly api: ListenAddress | null
  /** Takes secrets out of what is said. */
  readonly conceal: (text: string) => string
}

export interface SideOutputConfig {
  readonly retentionMs: number
  readonly capBytes: number
}

/** How a run survives its process. */
export interface CheckpointConfig {
  /** The job's name. */
  readonly job: string
  readonly intervalMs: number
  /** Bytes of alerts that wait for a sink, from which on nothing is read; `null`: the default. */
  readonly outboxCapBytes: number | null
  /** Checkpoints that are kept, the newest one included. */
  readonly retained: number
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

/**
 * Reads a configuration; `file` names it in problems, and its folder is where paths start. No
 * problem holds what a reference refers to. `sources` are those of this machine by default.
 */
export function parseConfig(
  file: string,
  text: string,
  sources: ConfigSources = hostConfigSources(dirname(resolve(file))),
): ConfigResult {
  const read = readConfigDocument(file, text, sources)
  if (read.kind === 'invalid') return read
  const { document, unresolved, checked, warnings, hide, conceal } = read
  const known = [...unresolved, ...checked]
  const builder = new ConfigBuilder(document, { directory: dirname(resolve(file)), sources, known })
  const config = { ...builder.build(), conceal }
  const wrong = [...known, ...builder.problems]
  if (wrong.length === 0) return { kind: 'valid', config, warnings }
  return { kind: 'invalid', problems: hide(wrong) }
}

/** The document of a configuration with its references resolved. */
export interface ConfigDocument {
  readonly kind: 'read'
  readonly document: YAMLDocument
  readonly warnings: readonly RuleProblem[]
  /** References that refer to nothing. */
  readonly unresolved: readonly RuleProblem[]
  /** What the schema says of the rest. */
  readonly checked: readonly RuleProblem[]
  /** Sorts problems, and takes out of them what references refer to. */
  readonly hide: (problems: readonly RuleProblem[]) => RuleProblem[]
  readonly conceal: (text: string) => string
}

/** Reads a configuration as far as its schema goes. */
export function readConfigDocument(
  file: string,
  text: string,
  sources: ConfigSources,
): ConfigDocument | Extract<ConfigResult, { kind: 'invalid' }> {
  const { documents, problems, warnings } = parseYAMLDocuments(file, text, 'CONFIG_INVALID')
  if (problems.length > 0) return { kind: 'invalid', problems }
  const [document, second] = documents
  if (document === undefined) {
    const message = 'the file is empty: expected at least `streams`'
    const problem = { code: 'CONFIG_INVALID', file, line: 1, column: 1, path: '', message } as const
    return { kind: 'invalid', problems: [problem] }
  }
  if (second !== undefined) {
    const problem = problemAt(second, '', 'a second document: a configuration is one document')
    return { kind: 'invalid', problems: [problem] }
  }
  const references = resolveReferences(document, configSchema, sources)
  const unresolved = references.problems
  const unresolvedPaths = new Set(unresolved.map(({ path }) => path))
  const checked = checkDocument(references.document).filter(
    ({ path }) => !unresolvedPaths.has(path),
  )
  const hide = (shown: readonly RuleProblem[]) =>
    sortProblems(
      shown.map((problem) => ({ ...problem, message: references.hide(problem.message) })),
    )
  const { conceal } = references
  return {
    kind: 'read',
    document: references.document,
    warnings,
    unresolved,
    checked,
    hide,
    conceal,
  }
}

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
  const state = sectionOf(root.state)
  for (const keyword of ['job', 'checkpoint_interval', 'outbox_cap', 'retained']) {
    if (state[keyword] === undefined || state.backend === 'rocksdb') continue
    const message = `expected it only with \`backend: rocksdb\`: \`memory\` has no checkpoints`
    problems.push(problemAt(document, joinPath('state', keyword), message))
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

function problemAt(document: YAMLDocument, path: string, message: string): RuleProblem {
  return { code: 'CONFIG_INVALID', ...document.locate(path), path, message }
}
