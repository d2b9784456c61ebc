import { Agent } from 'node:https'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { avroOptions } from './avro-options.ts'
import { exactJson } from './exact-json.ts'
import type { DecodedRecord, Format } from './format.ts'

/** How a schema registry is reached. */
export interface SchemaRegistryOptions {
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** PEM. */
  readonly ca?: string
}

/** What is known of a schema: how it is read, or why it is of no use. */
type KnownSchema =
  | { readonly kind: 'avro' | 'json'; readonly read: (payload: Buffer) => unknown }
  | { readonly kind: 'useless'; readonly reason: string; readonly until: number }

/** A zero, and the number of a schema in four bytes. */
const headerBytes = 5
/** How long it is believed that a number has no schema: it may be registered later, ms. */
const unknownForMs = 60_000
/** From one question that was not answered to the next, ms. */
const retryPauseMs = 1000

/**
 * Records in Confluent's framing: Avro, or JSON that is checked by its schema, with the number of
 * the schema in a registry in front. Each schema is asked for once. While the registry cannot be
 * reached records wait; a record whose schema it does not have is a dead letter.
 */
export class ConfluentFormat implements Format {
  readonly isJson = false
  readonly #registry: SchemaRegistry
  readonly #url: string
  readonly #schemas = new Map<number, KnownSchema>()
  readonly #asked = new Map<number, Promise<void>>()

  constructor({ url, username, password, ca }: SchemaRegistryOptions) {
    this.#url = url
    const auth = username === undefined || password === undefined ? null : { username, password }
    this.#registry = new SchemaRegistry(
      {
        host: url.replace(/\/+$/, ''),
        clientId: 'tocsin',
        retry: { retries: 1 },
        ...(auth === null ? {} : { auth }),
        ...(ca === undefined ? {} : { agent: new Agent({ ca }) }),
      },
      {
        [SchemaType.AVRO]: avroOptions,
        [SchemaType.JSON]: { strict: false, validateFormats: false },
      },
    )
  }

  prepare(record: Buffer): Promise<void> | null {
    const id = schemaIdOf(record)
    if (id === null) return null
    const known = this.#schemas.get(id)
    if (known !== undefined && (known.kind !== 'useless' || performance.now() < known.until)) {
      return null
    }
    const asked = this.#asked.get(id) ?? this.#ask(id)
    this.#asked.set(id, asked)
    return asked
  }

  decode(record: Buffer): DecodedRecord {
    const id = schemaIdOf(record)
    if (id === null) {
      const reason = `it does not begin with the number of a schema, as format confluent has it`
      return { kind: 'undecodable', reason }
    }
    const schema = this.#schemas.get(id)
    if (schema === undefined || schema.kind === 'useless') {
      return { kind: 'undecodable', reason: schema?.reason ?? `schema ${id} is not known` }
    }
    const payload = record.subarray(headerBytes)
    try {
      const value = schema.read(payload)
      // JSON stays as it was written, with all digits of its numbers.
      const bytes = schema.kind === 'json' ? payload : Buffer.from(exactJson(value))
      return { kind: 'record', bytes }
    } catch (error) {
      return { kind: 'undecodable', reason: `it is not as schema ${id} has it: ${textOf(error)}` }
    }
  }

  /** Asks the registry; a failure is given to all who wait, for a moment, before it is asked again. */
  async #ask(id: number): Promise<void> {
    try {
      const found = await this.#registry.getSchema(id)
      this.#schemas.set(id, this.#knownSchema(id, found))
      this.#asked.delete(id)
    } catch (error) {
      if (isUnanswered(error)) {
        setTimeout(() => this.#asked.delete(id), retryPauseMs).unref()
        throw new Error(`schema registry ${this.#url}: ${textOf(error)}`, { cause: error })
      }
      const isMissing = (error as { status?: number }).status === 404
      const reason = isMissing
        ? `the registry has no schema ${id}`
        : `schema ${id} cannot be used: ${textOf(error)}`
      this.#schemas.set(id, { kind: 'useless', reason, until: performance.now() + unknownForMs })
      this.#asked.delete(id)
    }
  }

  #knownSchema(id: number, schema: { fromBuffer(payload: Buffer): unknown }): KnownSchema {
    const read = (payload: Buffer) => schema.fromBuffer(payload)
    const type = this.#registry.cache.getSchema(id)?.type
    if (type === SchemaType.AVRO) return { kind: 'avro', read }
    if (type === SchemaType.JSON) return { kind: 'json', read }
    const reason = `schema ${id} is ${type}, and only Avro and JSON Schema can be read`
    return { kind: 'useless', reason, until: Infinity }
  }
}

/** `null`: the record has no such frame. */
function schemaIdOf(record: Buffer): number | null {
  return record.length >= headerBytes && record[0] === 0 ? record.readInt32BE(1) : null
}

/** Whether the registry has said nothing of the schema itself: it is away, busy, or refuses us. */
function isUnanswered(error: unknown): boolean {
  const { status } = error as { status?: number }
  if (status === undefined) return isNetworkFailure(error)
  return status !== 404 && status !== 422
}

function isNetworkFailure(error: unknown): boolean {
  return (error as { name?: string }).name === 'ResponseError' || 'code' in (error as object)
}

function textOf(error: unknown): string {
  const { message, paths } = error as { message?: string; paths?: readonly string[][] }
  const where = paths === undefined || paths.length === 0 ? '' : ` at ${paths.flat().join(', ')}`
  return `${message ?? String(error)}${where}`
}
