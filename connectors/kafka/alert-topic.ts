import type { Admin } from 'kafkajs'
import type { SinkAlert } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { type AlertRecord, alertRecord, batchOverheadBytes, recordBytes } from './alert-record.ts'
import { protocolErrorOf } from './kafka-failure.ts'
import { topicSetting } from './marker-topic.ts'

/** The topic that alerts go to: how many partitions it has, and how large its records may be. */
export class AlertTopic {
  readonly name: string
  #partitions: number | undefined
  /** What a batch may take, bytes. */
  #batchBytesMax = defaultBatchBytesMax
  /** Where the broker does not say what it takes: less than what it has refused. */
  #learnedBytesMax = Infinity

  constructor(name: string) {
    this.name = name
  }

  get partitions(): number {
    if (this.#partitions === undefined) throw new Error('the topic has not been looked at')
    return this.#partitions
  }

  /** Learns what the broker says of it. @throws {ConnectorError} OUTPUT_UNWRITABLE: it is not there */
  async look(admin: Admin): Promise<void> {
    try {
      const { topics } = await admin.fetchTopicMetadata({ topics: [this.name] })
      this.#partitions = topics[0]?.partitions.length
    } catch (error) {
      // A broker that has just started may not know yet what it has.
      if (protocolErrorOf(error) !== unknownTopic || this.#partitions !== undefined) throw error
      const message = `there is no topic ${this.name}; create it, or correct \`topic\``
      throw new ConnectorError('OUTPUT_UNWRITABLE', message, { cause: error, retryable: false })
    }
    const said = await topicSetting(admin, this.name, 'max.message.bytes')
    this.#batchBytesMax = Math.min(Number(said ?? defaultBatchBytesMax), this.#learnedBytesMax)
  }

  /** Why the broker would not take the alert; undefined: it would. */
  refusalOf(alert: SinkAlert): ConnectorError | undefined {
    const bytes = batchOverheadBytes + recordBytes(alertRecord(alert, this.partitions))
    if (bytes <= this.#batchBytesMax) return undefined
    const message =
      `the alert takes ${bytes} bytes, and the topic ${this.name} takes ${this.#batchBytesMax}; raise ` +
      'its max.message.bytes, or let the rule show fewer events'
    return new ConnectorError('OUTPUT_UNWRITABLE', message, { retryable: false })
  }

  /** The records in pieces, each of which is one request with batches that the broker takes. */
  *requests(records: readonly AlertRecord[]): Generator<readonly AlertRecord[]> {
    let piece: AlertRecord[] = []
    let bytes = batchOverheadBytes
    for (const record of records) {
      const own = recordBytes(record)
      if (piece.length > 0 && bytes + own > this.#batchBytesMax) {
        yield piece
        piece = []
        bytes = batchOverheadBytes
      }
      piece.push(record)
      bytes += own
    }
    if (piece.length > 0) yield piece
  }

  /** Draws the consequence where a broker that may not be asked has said that a record is too large. */
  noteRefusal(records: readonly AlertRecord[], failure: unknown): void {
    if (!tooLarge.has(protocolErrorOf(failure) ?? '')) return
    const largest = records.reduce((most, record) => Math.max(most, recordBytes(record)), 0)
    this.#learnedBytesMax = Math.min(this.#learnedBytesMax, largest + batchOverheadBytes - 1)
  }
}

const unknownTopic = 'UNKNOWN_TOPIC_OR_PARTITION'
const tooLarge: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** What Kafka takes where nothing is set, bytes. */
const defaultBatchBytesMax = 1_048_588
