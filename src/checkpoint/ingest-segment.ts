import { crc32 } from 'node:zlib'
import type { FileSystem } from '../connector/file-system.ts'
import { TocsinError } from '../errors.ts'
import {
  findLaterFrame,
  frameHeaderBytes,
  type LoggedRecords,
  readFrameBody,
  readFrameHeader,
} from './ingest-frame.ts'

/** A file of an ingest log. */
export interface Segment {
  readonly path: string
  /** Ordinal of its first record; its name, too. */
  readonly first: number
}

/** What stands at a place of a segment. */
export type FrameResult =
  | { readonly kind: 'frame'; readonly records: LoggedRecords }
  | { readonly kind: 'end' }
  /** From `searchFrom` on a later frame may stand. */
  | { readonly kind: 'broken'; readonly searchFrom: number; readonly reason: string }

/** A segment's file begins with `TSIL`, version, ordinal as a double, CRC-32 of these; big-endian. */
export function encodeSegmentHeader(first: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes)
  header.write('TSIL', 0, 'latin1')
  header.writeUInt32BE(segmentVersion, 4)
  header.writeDoubleBE(first, 8)
  header.writeUInt32BE(crc32(header.subarray(0, 16)), 16)
  return header
}

export const segmentHeaderBytes = 20

const segmentVersion = 1

/** How much is read at once. */
const chunkBytes = 1024 * 1024

/** Reads the frames of one segment, one after the other. */
export class SegmentReader {
  readonly segment: Segment
  readonly #files: FileSystem
  /** The place of the next frame, and the ordinal that it must begin with. */
  #at = segmentHeaderBytes
  #ordinal: number
  #chunk: Buffer = Buffer.alloc(0)
  #chunkAt = 0

  constructor(files: FileSystem, segment: Segment) {
    this.#files = files
    this.segment = segment
    this.#ordinal = segment.first
  }

  /** The byte at which the next frame stands. */
  get at(): number {
    return this.#at
  }

  /** The ordinal of the record that comes next. */
  get ordinal(): number {
    return this.#ordinal
  }

  /**
   * Whether the file begins as a segment of its name does.
   * @throws {TocsinError} INGEST_LOG_CORRUPT: it is of a version that is not known
   */
  async hasHeader(): Promise<boolean> {
    const header = await this.#files.readRange(this.segment.path, 0, segmentHeaderBytes)
    if (header.equals(encodeSegmentHeader(this.segment.first))) return true
    const whole = header.length === segmentHeaderBytes && header.toString('latin1', 0, 4) === 'TSIL'
    const version = whole ? header.readUInt32BE(4) : segmentVersion
    if (version !== segmentVersion && crc32(header.subarray(0, 16)) === header.readUInt32BE(16)) {
      throw this.corrupt(
        `it has version ${version} of the format, this Tocsin knows ${segmentVersion}`,
      )
    }
    return false
  }

  /** The next frame; after one that is broken nothing more can be read. */
  async next(): Promise<FrameResult> {
    const result = await this.#parse()
    if (result.kind !== 'broken' || this.#chunkAt === this.#at) return result
    // The chunk may have been read while this frame was being written.
    this.#chunk = Buffer.alloc(0)
    this.#chunkAt = this.#at
    return await this.#parse()
  }

  /** Whether a later frame stands behind a broken one. */
  async hasFrameFrom(searchFrom: number): Promise<boolean> {
    const size = (await this.#files.inspect(this.segment.path))?.size ?? 0
    const length = Math.max(0, size - searchFrom)
    const rest = await this.#files.readRange(this.segment.path, searchFrom, length)
    return findLaterFrame(rest, 0, this.#ordinal) >= 0
  }

  corrupt(reason: string): TocsinError {
    return new TocsinError(
      'INGEST_LOG_CORRUPT',
      `${this.segment.path} is damaged at byte ${this.#at}, record ${this.#ordinal}: ${reason}`,
    )
  }

  async #parse(): Promise<FrameResult> {
    await this.#fill(frameHeaderBytes)
    const start = this.#at - this.#chunkAt
    if (start === this.#chunk.length) return { kind: 'end' }
    const header = readFrameHeader(this.#chunk, start)
    if (header === undefined) {
      return { kind: 'broken', searchFrom: this.#at + 1, reason: 'the head of a group is broken' }
    }
    const bytes = frameHeaderBytes + header.bodyBytes
    await this.#fill(bytes)
    const from = this.#at - this.#chunkAt
    const body = this.#chunk.subarray(from + frameHeaderBytes, from + bytes)
    const searchFrom = this.#at + bytes
    if (body.length < header.bodyBytes) {
      return { kind: 'broken', searchFrom, reason: 'a group is cut short' }
    }
    const records = readFrameBody(header, body)
    if (records === undefined) {
      return { kind: 'broken', searchFrom, reason: 'a group does not fit its checksum' }
    }
    if (records.first !== this.#ordinal) {
      const reason = `record ${records.first} stands there`
      return { kind: 'broken', searchFrom: this.#at, reason }
    }
    this.#at += bytes
    this.#ordinal += records.count
    return { kind: 'frame', records }
  }

  /** Has so many bytes from the next frame on in the chunk, unless the file ends before. */
  async #fill(bytes: number): Promise<void> {
    const start = this.#at - this.#chunkAt
    if (start + bytes <= this.#chunk.length) return
    this.#chunk = await this.#files.readRange(
      this.segment.path,
      this.#at,
      Math.max(chunkBytes, bytes),
    )
    this.#chunkAt = this.#at
  }
}
