import type { Message } from 'kafkajs'
import type { SinkAlert } from '../../src/connector/sink.ts'
import { murmur2 } from './murmur2.ts'

/** An alert as a record: its partition is fixed, so that what is sent again goes to the same one. */
export interface AlertRecord extends Message {
  readonly key: string | null
  readonly value: string
  readonly partition: number
  /** `id`: that of the notification. */
  readonly headers: { readonly id: string }
}

/**
 * The record of an alert. Its key is the alert's: the value of a single `by` as text, of several a
 * JSON list of them, none without `by`. The partition follows from the key as in Java's default
 * partitioner, so that other programs find alerts and events of a key side by side; without a key
 * from the id.
 * @param partitions how many the topic has
 */
export function alertRecord({ id, document }: SinkAlert, partitions: number): AlertRecord {
  const key = keyOf(document)
  const partition = partitionOf(key ?? id, partitions)
  return { key, value: document, partition, headers: { id } }
}

/** What a record takes at most in a batch, bytes, uncompressed. */
export function recordBytes({ key, value, headers }: AlertRecord): number {
  const keyBytes = key === null ? 0 : Buffer.byteLength(key)
  return keyBytes + Buffer.byteLength(value) + Buffer.byteLength(headers.id) + recordOverheadBytes
}

/** Lengths, offsets and the header's name; each length takes up to five bytes. */
const recordOverheadBytes = 48

/** What a batch takes besides its records, bytes. */
export const batchOverheadBytes = 61

function keyOf(document: string): string | null {
  const { by } = JSON.parse(document) as { by?: Readonly<Record<string, unknown>> }
  const values = Object.values(by ?? {})
  if (values.length === 0) return null
  if (values.length > 1) return JSON.stringify(values)
  const [value] = values
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions
}
