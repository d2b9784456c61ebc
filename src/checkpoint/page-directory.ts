import { ByteReader } from '../state/byte-reader.ts'
import { ByteWriter } from '../state/byte-writer.ts'
import { contentOfRow, frameRow } from './checkpoint-row.ts'
import type { EntryPage, RecordHead } from './entry-page.ts'
import { expiryBucketOf, noExpiry } from './expiry-bucket.ts'
import type { RowTag } from './row-validity.ts'

/** What a directory says of a record: enough to know where the newest one of each key is. */
export interface RecordNote {
  readonly hash: number
  readonly checkpoint: number
  readonly isTombstone: boolean
  /** Page -1: there is none. */
  readonly beforePage: number
  readonly beforeSlot: number
  /** `expiryBucketOf`. */
  readonly expiry: number
}

/** Is told of the pages of a log in order, and of the records of each. */
export interface DirectoryVisitor {
  page(page: number, records: number): void
  /** The note is used again for the next one. */
  record(page: number, slot: number, note: RecordNote, life: number): void
}

const tombstoneFlag = 1
const beforeFlag = 2
const expiryFlag = 4

/**
 * Lists the records of some pages one behind the other, so that a start needs to read no page to know
 * which keys there are.
 */
export class DirectoryBuilder {
  readonly #out = new ByteWriter()
  readonly #records = new ByteWriter()
  #recordCount = 0
  /** The first page of the list. */
  firstPage = 0
  #pageCount = 0

  /** Number of pages in the list. */
  get pageCount(): number {
    return this.#pageCount
  }

  /** Begins a list. */
  begin(firstPage: number): void {
    this.#out.reset()
    this.firstPage = firstPage
    this.#pageCount = 0
  }

  /** @param expiry `expiryBucketOf` */
  add(record: Omit<RecordNote, 'expiry'>, expiry: number): void {
    const { hash, checkpoint, isTombstone, beforePage, beforeSlot } = record
    const out = this.#records
    this.#recordCount++
    out.byte(
      (isTombstone ? tombstoneFlag : 0) |
        (beforePage < 0 ? 0 : beforeFlag) |
        (expiry === noExpiry ? 0 : expiryFlag),
    )
    out.int32(hash)
    out.uint(checkpoint)
    if (beforePage >= 0) {
      out.fixed(beforePage, 6)
      out.byte(beforeSlot)
    }
    if (expiry !== noExpiry) out.uint(expiry)
  }

  /** What was added since the last call are the records of the next page. */
  endPage(life: number): void {
    this.#pageCount++
    this.#out.uint(life)
    this.#out.uint(this.#recordCount)
    this.#out.append(this.#records)
    this.#records.reset()
    this.#recordCount = 0
  }

  /** The list as a row. */
  seal(): Buffer {
    return frameRow(this.#out.toBuffer())
  }
}

/** Reads a list. @throws {TocsinError} CHECKPOINT_CORRUPT, which names `directory` */
export function visitDirectory(
  firstPage: number,
  row: Buffer,
  directory: string,
  visitor: DirectoryVisitor,
): number {
  const from = new ByteReader(contentOfRow(row, directory))
  const note = {
    hash: 0,
    checkpoint: 0,
    isTombstone: false,
    beforePage: -1,
    beforeSlot: 0,
    expiry: 0,
  }
  let page = firstPage
  for (; !from.isAtEnd; page++) {
    const life = from.uint()
    const records = from.uint()
    visitor.page(page, records)
    for (let slot = 0; slot < records; slot++) {
      const flags = from.byte()
      const hasBefore = (flags & beforeFlag) !== 0
      note.hash = from.int32()
      note.checkpoint = from.uint()
      note.isTombstone = (flags & tombstoneFlag) !== 0
      note.beforePage = hasBefore ? from.fixed(6) : -1
      note.beforeSlot = hasBefore ? from.byte() : 0
      note.expiry = (flags & expiryFlag) === 0 ? noExpiry : from.uint()
      visitor.record(page, slot, note, life)
    }
  }
  return page
}

/** The same of a page that no list has yet. */
export function visitPage(page: number, content: EntryPage, visitor: DirectoryVisitor): void {
  visitor.page(page, content.count)
  for (let slot = 0; slot < content.count; slot++) {
    visitor.record(page, slot, noteOf(content.recordAt(slot)), content.life)
  }
}

/** What a directory says of a record. */
function noteOf(record: Omit<RecordHead, 'key'>): RecordNote {
  const { hash, checkpoint, isTombstone, beforePage, beforeSlot, expiresAt } = record
  const expiry = expiryBucketOf(expiresAt)
  return { hash, checkpoint, isTombstone, beforePage, beforeSlot, expiry }
}

/** Where a record that was noted stands in the job's history. */
export function tagOf({ checkpoint }: RecordNote, life: number): RowTag {
  return { life, checkpoint }
}
