import type { FileSystem, WritableFile } from '../connector/file-system.ts'
import type { ReceiptLedger } from '../connector/source.ts'
import { assert, TocsinError } from '../errors.ts'
import type { Scheduler } from '../time/clock.ts'
import { doneBefore } from '../time/stop-signal.ts'
import { encodeFrame, type IngestRecords, loggedBytes, noRecords } from './ingest-frame.ts'
import { attemptFiles, IngestLogReader } from './ingest-log-reader.ts'
import {
  encodeSegmentHeader,
  type Segment,
  SegmentReader,
  segmentHeaderBytes,
} from './ingest-segment.ts'

export interface IngestLogOptions {
  readonly files: FileSystem
  /** The log's own folder, absolute; made if it is not there. */
  readonly directory: string
  readonly scheduler: Scheduler
  /** How long records wait for others to be made durable together with, ms. Default 5. */
  readonly groupMs?: number
  /** So many bytes do not wait. Default 256 KiB. */
  readonly groupBytes?: number
  /** A segment that has so many bytes takes no more. Default 64 MiB. */
  readonly segmentBytes?: number
  /** Told of a group that found no space, and when it is tried again; nothing is taken before. */
  readonly onStalled?: (failure: TocsinError, waitMs: number) => void
  /** An empty ledger, where receipts are to be kept: the log adds what is durable. */
  readonly ledger?: ReceiptLedger
}

/**
 * Opens a log. What a crash has left half written at its end, and had never been acknowledged, is
 * cut off; what is whole there is made durable.
 * @throws {TocsinError} INGEST_LOG_CORRUPT: in the last segment, naming file, byte and record;
 *   STATE_DISK_FULL, STATE_IO
 */
export async function openIngestLog(options: IngestLogOptions): Promise<IngestLog> {
  const { files, directory } = options
  return await attemptFiles(async () => {
    await files.makeDirectory(directory)
    const segments = (await files.list(directory))
      .filter((name) => segmentName.test(name))
      .map((name): Segment => ({ path: `${directory}/${name}`, first: Number.parseInt(name, 10) }))
    const last = segments.pop() ?? { path: pathOf(directory, 0), first: 0 }
    const { file, bytes, end, receipts } = await openLastSegment(files, directory, last)
    const previous = segments.at(-1)
    const isNew = bytes === segmentHeaderBytes && previous !== undefined
    const kept = isNew ? await readReceipts(new SegmentReader(files, previous)) : receipts
    for (const receipt of kept) options.ledger?.add(receipt)
    return new IngestLog(options, { segments: [...segments, last], file, bytes, end })
  })
}

/** A log as it was opened: its last segment, the bytes in it, and the ordinal that comes next. */
interface OpenedLog {
  readonly segments: Segment[]
  readonly file: WritableFile
  readonly bytes: number
  readonly end: number
}

/** Records that wait to be made durable. */
interface Waiting {
  readonly records: IngestRecords
  readonly first: number
  readonly bytes: number
  readonly resolve: (first: number) => void
  readonly reject: (failure: unknown) => void
}

/**
 * Records of a source that keeps none, made durable before they are processed (D13): each gets an
 * ordinal, from 0, and can be read again from it until a checkpoint has passed it. It is a list of
 * files, each named after its first record; one sync makes durable what came within a few ms. Each
 * file begins with one receipt for all before it, so that those of the last file say everything.
 *
 * A group that finds no space is written again until there is some. After any other failure the log
 * takes nothing more: what it holds is not known until it is opened again.
 */
export class IngestLog {
  readonly #options: Required<Omit<IngestLogOptions, 'ledger' | 'onStalled'>> &
    Pick<IngestLogOptions, 'onStalled'>
  readonly #ledger: ReceiptLedger | undefined
  /** In order; the last one is written to. */
  readonly #segments: Segment[]
  #file: WritableFile
  #segmentBytes: number
  /** Ordinal after the last durable record, and after the last one that was appended. */
  #end: number
  #next: number
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #writing: Promise<void> | null = null
  #failure: unknown = null
  /** Whether something of a group that failed may stand at the end of the file. */
  #isTorn = false
  readonly #closing = new AbortController()

  /** Use `openIngestLog`. */
  constructor(options: IngestLogOptions, opened: OpenedLog) {
    this.#options = {
      groupMs: 5,
      groupBytes: 256 * 1024,
      segmentBytes: 64 * 1024 * 1024,
      ...options,
    }
    this.#ledger = options.ledger
    this.#segments = opened.segments
    this.#file = opened.file
    this.#segmentBytes = opened.bytes
    this.#end = opened.end
    this.#next = opened.end
  }

  /** Ordinal of the first record that is kept; `end` where there is none. */
  get first(): number {
    return (this.#segments[0] as Segment).first
  }

  /** Ordinal after the last durable record. */
  get end(): number {
    return this.#end
  }

  /**
   * Takes records, at least one, or a receipt, or both. Resolves with the ordinal of the first, once
   * all are durable.
   * Their buffers must not be changed until then.
   * @throws {TocsinError} STATE_IO: this log takes nothing more; STATE_DISK_FULL: it was closed before
   *   there was space
   */
  append(records: IngestRecords): Promise<number> {
    const { count, receipt } = records
    assert(count > 0 || receipt !== undefined, 'there is something to be logged')
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const durable = new Promise<number>((resolve, reject) => {
      const bytes = loggedBytes(records)
      this.#waiting.push({ records, first: this.#next, bytes, resolve, reject })
      this.#waitingBytes += bytes
    })
    this.#next += count
    this.#writing ??= this.#write()
    return durable
  }

  /** Reads from a record on, up to what is durable; `first` <= `from` <= `end`. */
  read(from: number): IngestLogReader {
    assert(from >= this.first && from <= this.#end, `the log holds record ${from}`)
    return new IngestLogReader(this.#options.files, this.#segments, from, () => this.#end)
  }

  /**
   * Forgets segments in which all records stand before `ordinal`.
   * @throws {TocsinError} STATE_IO
   */
  async truncate(ordinal: number): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments
      if (oldest === undefined || next === undefined || next.first > ordinal) return
      if (this.#segments.length === 2 && this.#isNewSegment) return
      this.#segments.shift()
      await attemptFiles(async () => {
        const { files, directory } = this.#options
        await files.remove(oldest.path)
        // One after the other: whenever that ends, what is left is without a gap.
        await files.syncDirectory(directory)
      })
    }
  }

  /** Waits for what was appended, but not for space, then closes. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#writing
    this.#failure ??= new TocsinError('STATE_IO', 'the ingest log is closed')
    await attemptFiles(() => this.#file.close())
  }

  /** Writes groups until nothing waits. Never rejects: whoever waits is told. */
  async #write(): Promise<void> {
    const { scheduler, groupMs, groupBytes } = this.#options
    while (this.#waiting.length > 0) {
      if (this.#waitingBytes < groupBytes) await scheduler.sleep(groupMs)
      const group = this.#takeGroup()
      try {
        await this.#untilThereIsSpace(() => attemptFiles(() => this.#writeGroup(group)))
        for (const { resolve, first } of group) resolve(first)
      } catch (failure) {
        this.#failure = failure
        for (const { reject } of [...group, ...this.#waiting]) reject(failure)
        this.#waiting = []
      }
    }
    this.#writing = null
  }

  async #untilThereIsSpace(write: () => Promise<void>): Promise<void> {
    const { scheduler, onStalled } = this.#options
    for (let waitMs = 100; ; waitMs = Math.min(10_000, waitMs * 2)) {
      try {
        await write()
        return
      } catch (failure) {
        this.#isTorn = true
        if (!(failure instanceof TocsinError) || failure.code !== 'STATE_DISK_FULL') throw failure
        if (this.#closing.signal.aborted) throw failure
        onStalled?.(failure, waitMs)
        await doneBefore(this.#closing.signal, scheduler.sleep(waitMs))
      }
    }
  }

  /** What waits, up to a size: the rest is the next group's. */
  #takeGroup(): readonly Waiting[] {
    let bytes = 0
    const rest = this.#waiting.findIndex((waiting) => {
      bytes += waiting.bytes
      return bytes > frameBytesMax
    })
    const group = this.#waiting.splice(0, rest < 0 ? this.#waiting.length : Math.max(1, rest))
    for (const waiting of group) this.#waitingBytes -= waiting.bytes
    return group
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const first = this.#end
    assert(group[0]?.first === first, 'groups follow each other')
    const groups = group.map(({ records }) => records)
    if (this.#mustStartSegment()) await this.#startSegment()
    // What could not be written is written anew: the system may have taken it for written.
    if (this.#isTorn) await this.#file.truncate(this.#segmentBytes)
    if (this.#isNewSegment) {
      const receipt = this.#ledger?.snapshot()
      if (receipt !== undefined) groups.unshift({ ...noRecords, receipt })
    }
    const frame = encodeFrame(first, groups)
    await this.#file.append(frame)
    await this.#file.sync()
    this.#isTorn = false
    this.#segmentBytes += frame.length
    this.#end = groups.reduce((end, { count }) => end + count, first)
    for (const { records } of group) {
      if (records.receipt !== undefined) this.#ledger?.add(records.receipt)
    }
  }

  /** Whether nothing stands in the last segment yet, and so what receipts say only before it. */
  get #isNewSegment(): boolean {
    return this.#segmentBytes === segmentHeaderBytes
  }

  /** A segment is named after its first record: one that has none yet is not followed by another. */
  #mustStartSegment(): boolean {
    const isFull = this.#segmentBytes >= this.#options.segmentBytes
    return isFull && this.#end > (this.#segments.at(-1) as Segment).first
  }

  async #startSegment(): Promise<void> {
    const { files, directory } = this.#options
    const segment = { path: pathOf(directory, this.#end), first: this.#end }
    await this.#file.close()
    this.#file = await createSegment(files, directory, segment)
    this.#segmentBytes = segmentHeaderBytes
    this.#segments.push(segment)
  }
}

const segmentName = /^\d{16}\.log$/

/** A frame with more is written only for one batch that is larger by itself. */
const frameBytesMax = 4 * 1024 * 1024

function pathOf(directory: string, first: number): string {
  return `${directory}/${String(first).padStart(16, '0')}.log`
}

async function openLastSegment(
  files: FileSystem,
  directory: string,
  segment: Segment,
): Promise<{
  file: WritableFile
  bytes: number
  end: number
  receipts: readonly Uint8Array[]
}> {
  const size = (await files.inspect(segment.path))?.size ?? 0
  const reader = new SegmentReader(files, segment)
  if (size === 0 || !(await reader.hasHeader())) {
    // Nothing is written behind a head before that is durable.
    if (size > segmentHeaderBytes) throw reader.corrupt('the head of the file is broken')
    const file = await createSegment(files, directory, segment)
    return { file, bytes: segmentHeaderBytes, end: segment.first, receipts: [] }
  }
  const { torn, lastAt, receipts } = await findEnd(reader)
  const last = await files.readRange(segment.path, lastAt, reader.at - lastAt)
  const file = await files.openFile(segment.path, 'existing')
  if (torn) await file.truncate(reader.at)
  // Only what was written last may not be durable yet: its sync may have failed, and then the system
  // takes it for written. So it is written again.
  await file.writeAt(lastAt, last)
  await file.sync()
  await files.syncDirectory(directory)
  return { file, bytes: reader.at, end: reader.ordinal, receipts }
}

/** The end of a segment: whether it is torn there, where the last whole part begins, all receipts. */
async function findEnd(
  reader: SegmentReader,
): Promise<{ torn: boolean; lastAt: number; receipts: readonly Uint8Array[] }> {
  const receipts: Uint8Array[] = []
  let lastAt = 0
  for (;;) {
    const { at } = reader
    const result = await reader.next()
    switch (result.kind) {
      case 'frame':
        lastAt = at
        receipts.push(...result.records.receipts)
        break
      case 'end':
        return { torn: false, lastAt, receipts }
      case 'broken':
        if (await reader.hasFrameFrom(result.searchFrom)) throw reader.corrupt(result.reason)
        return { torn: true, lastAt, receipts }
    }
  }
}

/** The receipts of a segment that another one follows. @throws {TocsinError} INGEST_LOG_CORRUPT */
async function readReceipts(reader: SegmentReader): Promise<readonly Uint8Array[]> {
  if (!(await reader.hasHeader())) throw reader.corrupt('the head of the file is broken')
  const { torn, receipts } = await findEnd(reader)
  if (torn) throw reader.corrupt('a group at its end is broken')
  return receipts
}

async function createSegment(
  files: FileSystem,
  directory: string,
  { path, first }: Segment,
): Promise<WritableFile> {
  const file = await files.openFile(path, 'either')
  try {
    await file.truncate(0)
    await file.append(encodeSegmentHeader(first))
    await file.sync()
    await files.syncDirectory(directory)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}
