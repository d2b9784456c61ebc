import { PartialWriteError, type Sink } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { connectToBroker, type MQTTConnection } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import type { TopicTemplate } from './topic-template.ts'

export interface MQTTSinkOptions {
  readonly connection: ConnectionOptions
  readonly topic: TopicTemplate
  readonly qos: 1 | 2
  /** Whether the broker keeps the last alert of each topic for those who come later. */
  readonly retain: boolean
}

/**
 * A sink that publishes each alert as one message. The broker has taken an alert over when it says
 * so; what it had not said when the connection ended is published again, with the same id, which
 * version 5 carries beside the document, too.
 */
export class MQTTSink implements Sink {
  readonly #options: MQTTSinkOptions
  #connection: MQTTConnection | null = null

  constructor(options: MQTTSinkOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    await this.#connected()
  }

  async write(documents: readonly string[], ids?: readonly string[]): Promise<void> {
    const connection = await this.#connected()
    const failures = new Map<number, ConnectorError>()
    let next = 0
    const lane = async () => {
      for (let index = next++; index < documents.length; index = next++) {
        try {
          await this.#publish(connection, documents[index] as string, ids?.[index])
        } catch (failure) {
          if (!(failure instanceof ConnectorError)) throw failure
          failures.set(index, failure)
        }
      }
    }
    // Of one lane the broker would confirm one alert a round trip; some brokers end the connection of
    // who has more under way than they take.
    await Promise.all(Array.from({ length: underWayMax }, lane))
    const [first] = failures.values()
    if (first === undefined) return
    // Where nothing was taken the broker is away, or does not want anything: it is left alone a while.
    if (failures.size === documents.length && first.retryable) throw first
    throw new PartialWriteError(first.message, failures)
  }

  async close(): Promise<void> {
    const connection = this.#connection
    this.#connection = null
    await connection?.close()
  }

  async checkConnection(): Promise<void> {
    const connection = await this.#connect()
    await connection.close()
  }

  async #publish(connection: MQTTConnection, document: string, id?: string): Promise<void> {
    const { topic: template, qos, retain } = this.#options
    const alert: { readonly id?: string } = JSON.parse(document)
    const topic = template.topicOf(alert)
    if (Buffer.byteLength(topic) > topicBytesMax) {
      const message = `an alert's topic has more than 65,535 bytes: ${topic.slice(0, 100)}…`
      throw new ConnectorError('OUTPUT_UNWRITABLE', message, { retryable: false })
    }
    const userProperties = { [idProperty]: id ?? alert.id ?? '' }
    await connection.publish(topic, document, { qos, retain, userProperties })
  }

  async #connected(): Promise<MQTTConnection> {
    if (this.#connection?.isUp === true) return this.#connection
    await this.#connection?.close()
    this.#connection = await this.#connect()
    return this.#connection
  }

  #connect(): Promise<MQTTConnection> {
    const { connection } = this.#options
    // Alerts wait in the outbox: the broker need keep nothing for this client.
    const session = { clientId: connection.clientId, clean: true }
    return connectToBroker(connection, session, 'OUTPUT_UNWRITABLE')
  }
}

/** The user property of version 5 that says which alert it is. */
const idProperty = 'tocsin-id'
const underWayMax = 10
const topicBytesMax = 65_535
