/** A record as JSON text, or why it cannot be made into that. */
export type DecodedRecord =
  | { readonly kind: 'record'; readonly bytes: Buffer }
  | { readonly kind: 'undecodable'; readonly reason: string }

/** How the records of a source are written: what makes JSON of them. */
export interface Format {
  /** Whether records are JSON as they are: then nothing is called. */
  readonly isJson: boolean
  /**
   * Fetches what a record needs before it can be decoded; `null`: nothing is missing. Rejects while
   * it cannot be had: then it is asked for again.
   */
  prepare(record: Buffer): Promise<void> | null
  /** To be called when nothing is missing. The record is left as it is. */
  decode(record: Buffer): DecodedRecord
}

/** Records that are JSON objects. */
export const jsonFormat: Format = {
  isJson: true,
  prepare: () => null,
  decode: (bytes) => ({ kind: 'record', bytes }),
}

/** Records that are texts: each becomes `{"value": "..."}`. */
export const textFormat: Format = {
  isJson: false,
  prepare: () => null,
  decode(record) {
    const text = record.toString('utf8')
    // What is no UTF-8 would come out as another text.
    if (text.includes('\ufffd') && !Buffer.from(text).equals(record)) {
      return { kind: 'undecodable', reason: 'the record is no UTF-8 text' }
    }
    return { kind: 'record', bytes: Buffer.from(JSON.stringify({ value: text })) }
  },
}
