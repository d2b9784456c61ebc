import type { Sink } from './sink.ts'
import type { Source } from './source.ts'
import type { TwoPhaseCommitSink } from './two-phase-commit-sink.ts'

/** What a connector is told about where it runs. */
export interface ConnectorContext {
  /** The folder that relative paths in the options start from. */
  readonly directory: string
  /** The job that it works for, where that has a name. */
  readonly job?: string
}

/** What a sink is told that commits with checkpoints. */
export interface CommitContext extends ConnectorContext {
  /** The job whose alerts it takes: what one job has committed is no other's. */
  readonly job: string
  /** The sink's name in the configuration: what one sink has committed is no other's. */
  readonly sink: string
}

/** A JSON Schema of one option; `x-expected` is the end of "expected …" in messages. */
export interface OptionProperty {
  readonly description: string
  readonly [keyword: string]: unknown
}

/** A JSON Schema (draft 2020-12) of an options object. */
export type OptionSchema = {
  readonly type: 'object'
  readonly description: string
  readonly properties: Readonly<Record<string, OptionProperty>>
  readonly required?: readonly string[]
  readonly additionalProperties: false
}

/** Options that their schema has accepted. */
export type ConnectorOptions = Readonly<Record<string, unknown>>

/** What a source may be told, and how it is made. */
export interface SourceConnector {
  readonly options: OptionSchema
  /** @throws {TocsinError} CONFIG_INVALID for what a schema cannot say. */
  create(options: ConnectorOptions, context: ConnectorContext): Source
}

/** What a sink may be told, and how it is made. */
export interface SinkConnector {
  readonly options: OptionSchema
  create(options: ConnectorOptions, context: ConnectorContext): Sink
  /**
   * Options that say which system is meant, the one that must be there first. Where that is left out,
   * all of them are those of the streams that read from this connector, if these agree. Default none.
   */
  readonly systemOptions?: readonly string[]
  /** Whether what `create` makes shows alerts only when it is closed. Default false. */
  readonly showsAtEnd?: boolean
  /** The exactly-once form, where the system has one. */
  createTwoPhaseCommit?(options: ConnectorOptions, context: CommitContext): TwoPhaseCommitSink
}

/** An outside system by the name that configurations use. */
export interface Connector {
  readonly name: string
  readonly source?: SourceConnector
  readonly sink?: SinkConnector
}
