import { crc32 } from 'node:zlib'
import type { SinkAlert } from '../connector/sink.ts'
import { TocsinError } from '../errors.ts'

/** The alerts that a sink is to get with one checkpoint. */
export interface StagedAlerts {
  readonly checkpoint: number
  readonly alerts: readonly SinkAlert[]
}

/**
 * Makes the bytes that lie in a checkpoint, alert by alert, so that the barrier need not wait for all of
 * them. Numbers are big-endian.
 *
 * | bytes | what |
 * |---|---|
 * | 4 | `TSOB` |
 * | 4 | version of the format, 1 |
 * | 8 | checkpoint, as a double |
 * | 4 | number of alerts |
 * | for each | length of the id, the id, length of the document, the document; lengths in 4 bytes, texts in UTF-8 |
 * | 4 | CRC-32 of everything before |
 */
export class StagedEncoder {
  /** What is full, and how far; then the one that is being filled. */
  readonly #full: Buffer[] = []
  #chunk: Buffer = noBytes
  #end = 0
  #count = 0

  add({ id, document }: SinkAlert): void {
    const most = 8 + utf8BytesMax * (id.length + document.length)
    if (this.#end + most > this.#chunk.length) {
      this.#full.push(this.#chunk.subarray(0, this.#end))
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(chunkBytes, most))
      this.#end = 0
    }
    this.#end = writeText(this.#chunk, this.#end, id)
    this.#end = writeText(this.#chunk, this.#end, document)
    this.#count++
  }

  /** All alerts, as those of a checkpoint. */
  encode(checkpoint: number): Buffer {
    const chunks = [...this.#full, this.#chunk.subarray(0, this.#end)]
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, headerBytes + checksumBytes)
    const bytes = Buffer.allocUnsafe(length)
    bytes.write(magic, 0, 'latin1')
    bytes.writeUInt32BE(version, 4)
    bytes.writeDoubleBE(checkpoint, 8)
    bytes.writeUInt32BE(this.#count, 16)
    let at = headerBytes
    for (const chunk of chunks) at += chunk.copy(bytes, at)
    bytes.writeUInt32BE(crc32(bytes.subarray(0, at)), at)
    return bytes
  }
}

/** The same of alerts that are at hand. */
export function encodeStagedAlerts({ checkpoint, alerts }: StagedAlerts): Buffer {
  const encoder = new StagedEncoder()
  for (const alert of alerts) encoder.add(alert)
  return encoder.encode(checkpoint)
}

/** @throws {TocsinError} CHECKPOINT_CORRUPT */
export function decodeStagedAlerts(encoded: Uint8Array): StagedAlerts {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  if (bytes.length < headerBytes + checksumBytes || bytes.toString('latin1', 0, 4) !== magic) {
    throw corrupt('they do not begin as staged alerts do')
  }
  // The version comes before the checksum: a later one may be checked otherwise.
  const written = bytes.readUInt32BE(4)
  if (written !== version) {
    throw corrupt(`they have version ${written} of the format, and this Tocsin knows ${version}`)
  }
  const end = bytes.length - checksumBytes
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32BE(end)) {
    throw corrupt('they do not fit their checksum')
  }
  const alerts: SinkAlert[] = []
  let at = headerBytes
  const readText = () => {
    const length = at + 4 <= end ? bytes.readUInt32BE(at) : Infinity
    const from = at + 4
    at = from + length
    if (at > end) throw corrupt('they are shorter than they say')
    return bytes.toString('utf8', from, at)
  }
  for (let left = bytes.readUInt32BE(16); left > 0; left--) {
    alerts.push({ id: readText(), document: readText() })
  }
  if (at !== end) throw corrupt('they are longer than they say')
  return { checkpoint: bytes.readDoubleBE(8), alerts }
}

const magic = 'TSOB'
const version = 1
const headerBytes = 20
const checksumBytes = 4
const chunkBytes = 256 * 1024
/** Bytes of a UTF-16 code unit in UTF-8, at most. */
const utf8BytesMax = 3
const noBytes = Buffer.alloc(0)

function writeText(bytes: Buffer, at: number, text: string): number {
  const length = bytes.write(text, at + 4, 'utf8')
  bytes.writeUInt32BE(length, at)
  return at + 4 + length
}

function corrupt(reason: string): TocsinError {
  const message = `the staged alerts of a checkpoint cannot be read: ${reason}`
  return new TocsinError('CHECKPOINT_CORRUPT', message)
}
