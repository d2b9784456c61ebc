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
  /** @throws {ConnectorError} OUTPUT_UNWRITABLE */
  open(): Promise<void>
  /**
   * @param ids of the notifications, in step with the documents, for a system that knows
   *   idempotency keys or message ids; left out where documents are no alerts
   * @throws {TocsinError} OUTPUT_UNWRITABLE; a retryable `ConnectorError`: write the same again
   */
  write(documents: readonly string[], ids?: readonly string[]): Promise<void>
  /** Makes everything written durable and visible. */
  close(): Promise<void>
  /** Ends in place of `close`: what can still be hidden is never shown. Default: `close`. */
  discard?(): Promise<void>
}
