/** The public API of the engine: the only door for `app/` and for programs. */

export type { CompletedCheckpoint } from './checkpoint/checkpoint-coordinator.ts'
export { openCheckpointStore } from './checkpoint/checkpoint-store.ts'
export type { UndeliveredAlert } from './checkpoint/delivery-queue.ts'
export { Outbox, type OutboxOptions, type OutboxSnapshot } from './checkpoint/outbox.ts'
export { retainedCheckpoints } from './checkpoint/retained-checkpoints.ts'
export {
  openSideOutputLog,
  type SideOutputKind,
  SideOutputLog,
} from './checkpoint/side-output-log.ts'
export { parseByteSize } from './connector/byte-size.ts'
export type {
  CommitContext,
  Connector,
  ConnectorContext,
  ConnectorOptions,
  OptionSchema,
  SinkConnector,
  SourceConnector,
} from './connector/connector.ts'
export { parseDuration } from './connector/duration.ts'
export type { Sink, SinkAlert } from './connector/sink.ts'
export type {
  HistoryRange,
  PollResult,
  Source,
  SourcePosition,
  SourceReader,
} from './connector/source.ts'
export type { Marker, TwoPhaseCommitSink } from './connector/two-phase-commit-sink.ts'
export { createScannerDecoder } from './decode/json-scanner.ts'
export { ConnectorError, type ErrorCode, errorCodes, TocsinError } from './errors.ts'
export { compileEventCheck, type EventCheck } from './expression/event-schema.ts'
export { nearName } from './expression/near-name.ts'
export type { SuppressedAlert } from './operator/alert-operator.ts'
export type { DeadLetterCause, RejectedEvent } from './operator/side-output.ts'
export { isWithin, joinPath } from './rule/document-path.ts'
export { type EventLines, readEventLines } from './rule/event-lines.ts'
export { explainRule, type RuleExplanation } from './rule/explain.ts'
export {
  type EventToExplain,
  type ExplainEventsOptions,
  type ExplainedKey,
  type ExplainedRun,
  explainEvents,
} from './rule/explain-events.ts'
export { explainedRunText } from './rule/explained-run-text.ts'
export { explanationDot } from './rule/explanation-dot.ts'
export { explanationMermaid } from './rule/explanation-mermaid.ts'
export { explanationText } from './rule/explanation-text.ts'
export type { CheckedRule } from './rule/expression-check.ts'
export type { ExpressionErrorReport } from './rule/expression-errors.ts'
export { isoTimeExpected, parseISOTime } from './rule/iso-time.ts'
export type { CheckpointCopier, CheckpointCopy, JobDurability } from './rule/job-checkpoints.ts'
export type { JobMetrics, SplitMetrics } from './rule/job-metrics.ts'
export { eventTextOf } from './rule/redacted-reads.ts'
export type { Rule } from './rule/rule.ts'
export { type ChangedRule, diffRules, type RuleDiff } from './rule/rule-diff.ts'
export { isRuleFile, isRuleTestFile, type RuleFile, rulePathsBeside } from './rule/rule-file.ts'
export {
  type JobAlert,
  type JobEnd,
  type JobProgress,
  type JobStream,
  type JobSummary,
  type RulesReplaced,
  type RunningJob,
  runRuleJob,
} from './rule/rule-job.ts'
export { type LoadedCheckedRules, loadCheckedRules, loadRules } from './rule/rule-loader.ts'
export type { StreamTime } from './rule/rule-pipeline.ts'
export { formatProblem, type RuleProblem, sortProblems } from './rule/rule-problem.ts'
export { ruleSchema } from './rule/rule-schema.ts'
export { type RuleTestResult, runRuleTests } from './rule/rule-test-runner.ts'
export {
  inspectSavepoint,
  type RestoredSavepoint,
  restoreSavepoint,
  type SavepointSummary,
  writeSavepoint,
} from './rule/savepoint.ts'
export {
  byteSize,
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
export { type CarriedRule, type CarryOver, previewCarryOver } from './rule/state-carry-over.ts'
export { eventFilesOf } from './rule/test-events.ts'
export type { TestMismatch } from './rule/test-mismatch.ts'
export { parseYAMLDocuments, type YAMLDocument } from './rule/yaml-document.ts'
export { type IngestLogSourceOptions, ingestLogSource } from './runtime/ingest-log-source.ts'
export { RestartStrategy, type RestartStrategyOptions } from './runtime/restart-strategy.ts'
export type { SorterCapExceeded } from './runtime/sorter-cap.ts'
export { type Alert, alertDocument, type EventText } from './stream/alert.ts'
export { printable } from './stream/printable-text.ts'
export { Redaction, redacted, redactingEventText } from './stream/redaction.ts'
export type { Clock, Scheduler } from './time/clock.ts'
export type { TimeUnit } from './time/event-timestamp.ts'
export { doneBefore, type StopSignal } from './time/stop-signal.ts'
export { defaultWatermarkStrategy } from './time/watermark-strategy.ts'
