/** Every code that Tocsin reports, with what it means; `docs/errors.md` gives cause and cure. */
export const errorCodes = {
  RULE_SYNTAX: 'the rule file is not valid YAML or JSON',
  RULE_SCHEMA: 'a keyword is unknown, missing, or of the wrong type',
  RULE_EXPRESSION: 'an expression does not parse or does not type-check',
  RULE_PATTERN: 'the sequence of steps is malformed',
  RULE_DUPLICATE: 'two rules have the same id',
  RULE_REDACTED: 'an alert would show what its stream redacts',
  RULE_NOT_YET: 'the keyword is known but not built yet',
  RULE_REFERENCE: 'a name refers to nothing',
  RULE_LINT: 'the rule is valid, but may not mean or cost what its author thinks',
  CONFIG_INVALID: 'tocsin.yaml is invalid',
  USAGE: 'the command line is not understood',
  INPUT_UNREADABLE: 'an input cannot be opened or read',
  OUTPUT_UNWRITABLE: 'an output cannot be written',
  STATE_LOCKED: 'another process has the state folder open',
  STATE_MISSING: 'there is no state where there must be some',
  STATE_CORRUPT: 'the stored state is damaged',
  STATE_DISK_FULL: 'there is no space left for state',
  STATE_IO: 'the system refuses to read or write state',
  STATE_NOT_CLOSED: 'the state store did not close in time',
  STATE_BINDING_MISSING: 'the library of the state store cannot be loaded',
  CONTROL_UNREACHABLE: 'the running job does not answer on its control socket',
  MATCH_SKIP_TARGET: 'after_match names a step that the match left out, or its first event',
  PROGRAM_INVALID: 'a program calls the DataStream API in a way that means nothing',
  SINK_AHEAD: 'a sink has committed more than the state that is restored knows of',
  SINK_MARKER: 'what a sink has committed is not what the state says, or belongs to another job',
  SOURCE_POSITION: 'a source cannot go on from where the checkpoint left it',
  STATE_MISMATCH: 'the stored state does not go with the configuration',
  CHECKPOINT_CORRUPT: 'a part of a checkpoint is damaged, or of a version that is not known',
  SAVEPOINT_INVALID: 'a file is no savepoint, is damaged, or of a version that is not known',
  INGEST_LOG_CORRUPT: 'a part of the ingest log that had been made durable is damaged',
  API_UNAVAILABLE: 'the address of the HTTP interface cannot be used',
  ASSERTION: 'a bug in Tocsin: an invariant does not hold',
} as const
export type ErrorCode = keyof typeof errorCodes

/** The root of all errors that Tocsin raises on purpose. */
export class TocsinError extends Error {
  readonly code: ErrorCode
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'TocsinError'
    this.code = code
  }
}

/** An outside system failed: a broker, a disk, a mail server. */
export class ConnectorError extends TocsinError {
  /** Whether the same may succeed later: then it is tried again, else the job fails. */
  readonly retryable: boolean
  /** How long the outside asked to be left alone, ms; undefined: it did not say. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { readonly retryable: boolean; readonly retryAfterMs?: number },
  ) {
    super(code, message, options)
    this.name = 'ConnectorError'
    this.retryable = options.retryable
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Throws when an invariant of the engine does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new TocsinError('ASSERTION', message)
}
