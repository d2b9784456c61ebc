/** The public API of the engine: the only door for `app/` and for programs. */
export type {
  Connector,
  ConnectorContext,
  ConnectorOptions,
  OptionSchema,
  SinkConnector,
  SourceConnector,
} from './connector/connector.ts'
export type { Sink } from './connector/sink.ts'
export type { PollResult, Source, SourceReader } from './connector/source.ts'
export { type ErrorCode, errorCodes, TocsinError } from './errors.ts'
export { joinPath } from './rule/document-path.ts'
export { parseDuration } from './rule/duration.ts'
export { formatProblem, type RuleProblem, sortProblems } from './rule/rule-problem.ts'
export {
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
} from './rule/schema-parts.ts'
export { createSchemaCheck } from './rule/schema-problems.ts'
export { parseYAMLDocuments, type YAMLDocument } from './rule/yaml-document.ts'
export type { TimeUnit } from './time/event-timestamp.ts'
