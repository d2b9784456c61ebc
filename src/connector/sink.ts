/** An outside system that alerts go to. Alerts arrive as JSON documents, one line each, no newline. */
export interface Sink {
  open(): Promise<void>
  /** @throws {TocsinError} OUTPUT_UNWRITABLE */
  write(documents: readonly string[]): Promise<void>
  /** Makes everything written durable and visible. */
  close(): Promise<void>
  /** Ends in place of `close`: what can still be hidden is never shown. Default: `close`. */
  discard?(): Promise<void>
}
