import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { TocsinError } from '../src/index.ts'
import { documentIn, type SideOutputRow, type UndeliveredRow } from './side-output-row.ts'

const segmentName = /^\d{10}-\d+\.ndjson$/
const retriedName = /^retried-.*\.ndjson$/

/** A row that a retry has delivered, as the retry notes it. */
export interface RetriedRow {
  readonly sink: string
  readonly id: string
}

/** Paths of the segments of a store, the oldest first; none where there is no store. */
export function segmentPaths(directory: string): string[] {
  return namesIn(directory, segmentName)
}

/**
 * The rows of a store, the oldest first. What a running job is about to write at the end of a segment
 * is left out, as is what a crash has cut short.
 * @throws {TocsinError} STATE_IO, STATE_CORRUPT
 */
export async function* readSideOutput(
  directory: string,
  paths: readonly string[] = segmentPaths(directory),
): AsyncIterable<SideOutputRow> {
  for (const path of paths) {
    for await (const [row] of linesOf<SideOutputRow>(path)) yield row
  }
}

/** An undelivered alert, with its document. */
export interface UndeliveredDocument {
  readonly row: UndeliveredRow
  readonly document: string
}

/** Alerts that their sinks have not, by any retry. @throws as `readSideOutput` */
export async function readUndelivered(
  directory: string,
  paths: readonly string[] = segmentPaths(directory),
): Promise<UndeliveredDocument[]> {
  const delivered = await readRetried(directory)
  const found = new Map<string, UndeliveredDocument>()
  for (const path of paths) {
    for await (const [row, text] of linesOf<SideOutputRow>(path)) {
      if (row.kind !== 'undelivered' || delivered.has(keyOf(row))) continue
      found.set(keyOf(row), { row, document: documentIn(text) })
    }
  }
  return [...found.values()]
}

/** Keys of what retries have delivered. */
export async function readRetried(directory: string): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  for (const path of namesIn(directory, retriedName)) {
    for await (const [row] of linesOf<RetriedRow>(path)) keys.add(keyOf(row))
  }
  return keys
}

/** What tells an undelivered alert from others: the same one is given up once a sink. */
export function keyOf({ sink, id }: RetriedRow): string {
  return JSON.stringify([sink, id])
}

function namesIn(directory: string, pattern: RegExp): string[] {
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((name) => pattern.test(name))
  return names.sort().map((name) => join(directory, name))
}

async function* linesOf<Row>(path: string): AsyncIterable<readonly [Row, string]> {
  // A segment may be removed between the listing and here.
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return
  let line = 0
  let broken: string | null = null
  try {
    const input = createReadStream(path, { end: size - 1 })
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      // Only the last line may be one that is not whole yet.
      if (broken !== null) throw corrupt(path, line, broken)
      line++
      try {
        yield [JSON.parse(text) as Row, text]
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error
        broken = error.message
      }
    }
  } catch (error) {
    if (error instanceof TocsinError || (error as NodeJS.ErrnoException).code === undefined) {
      throw error
    }
    const message = `cannot read ${path}: ${(error as Error).message}`
    throw new TocsinError('STATE_IO', message, { cause: error })
  }
}

function corrupt(path: string, line: number, reason: string): TocsinError {
  const message = `${path} is damaged at line ${line}: ${reason}; check the disk, or take that line out`
  return new TocsinError('STATE_CORRUPT', message)
}
