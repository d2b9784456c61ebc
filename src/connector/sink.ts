import { ConnectorError } from '../errors.ts'

/** An alert on its way to a sink. */
export interface SinkAlert {
  /** Of the notification: the same in every run and every attempt, so it serves as a key. */
  readonly id: string
  /** The JSON document, one line without newline. */
  readonly document: string
}

/**
 * An outside system that alerts go to. Alerts arrive as JSON documents, one line each, no newline.
 * What is written to it comes at least once: after a failure the same documents are written again,
 * with the same ids. A system that can do better is a `TwoPhaseCommitSink`.
 */
export interface Sink {
  /** How it wants to be fed; default: alerts as they come, tried again for as long as it takes. */
  readonly policy?: DeliveryPolicy
  /** @throws {ConnectorError} OUTPUT_UNWRITABLE */
  open(): Promise<void>
  /**
   * @param ids of the notifications, in step with the documents, for a system that knows
   *   idempotency keys or message ids; left out where documents are no alerts
   * @throws {TocsinError} OUTPUT_UNWRITABLE; a retryable `ConnectorError`: write the same again;
   *   `PartialWriteError`: some were taken
   */
  write(documents: readonly string[], ids?: readonly string[]): Promise<void>
  /** Makes everything written durable and visible. */
  close(): Promise<void>
  /** Ends in place of `close`: what can still be hidden is never shown. Default: `close`. */
  discard?(): Promise<void>
  /**
   * Tries whether alerts could be sent, and sends none: for `tocsin check --connect`.
   * @throws {ConnectorError} OUTPUT_UNWRITABLE: why not, and what to do
   */
  checkConnection?(): Promise<void>
}

/** How a sink that takes alerts at least once is fed, and when an alert is given up. */
export interface DeliveryPolicy {
  /**
   * One write is one digest: up to `max` alerts, as soon as there are so many, or `everyMs` after the
   * first of them. Default: a write is any number of alerts, each for itself.
   */
  readonly digest?: { readonly max: number; readonly everyMs: number }
  /** So many alerts (or digests) at most in any stretch of `perMs`. Default: no limit. */
  readonly rate?: { readonly max: number; readonly perMs: number }
  /**
   * After so many attempts, or so long after it could first be sent, an alert that is not taken is
   * given up. Default: never. Both count from the start of the process.
   */
  readonly retry?: { readonly attemptsMax?: number; readonly ageMaxMs?: number }
}

/** Some alerts of a write were not taken; all others were. */
export class PartialWriteError extends ConnectorError {
  /** By their index in the write. One that is not retryable will never be taken. */
  readonly failures: ReadonlyMap<number, ConnectorError>
  /** Those that were not tried, since the sink is away. */
  readonly untried: ReadonlySet<number>

  constructor(
    message: string,
    failures: ReadonlyMap<number, ConnectorError>,
    untried: ReadonlySet<number> = new Set(),
  ) {
    const retryable = [...failures.values()].some((failure) => failure.retryable)
    super('OUTPUT_UNWRITABLE', message, { retryable })
    this.name = 'PartialWriteError'
    this.failures = failures
    this.untried = untried
  }
}
