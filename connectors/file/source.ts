import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import type { Source, SourcePosition } from '../../src/connector/source.ts'
import { TocsinError } from '../../src/errors.ts'
import {
  type ByteInput,
  type LinePosition,
  LineReader,
  type LineReaderOptions,
} from '../line-reader.ts'
import { streamInput } from '../stream-input.ts'

/**
 * A source over NDJSON files, gzip where the name ends in `.gz`: file i is partition i, and a
 * record's offset is the ordinal of its line. A position has the byte, too, of what is unzipped.
 * @throws {TocsinError} from `open`: INPUT_UNREADABLE, when a file is not there; SOURCE_POSITION,
 *   when no line begins at a position any more
 */
export function fileSource(
  paths: readonly string[],
  limits: Pick<LineReaderOptions, 'blockBytes' | 'batchBytes' | 'lineBytesMax'> = {},
): Source {
  return {
    bounded: true,
    replayable: true,
    async open(stream, positions = new Map()) {
      const gone = [...positions.keys()].find((partition) => partition >= paths.length)
      if (gone !== undefined) {
        const message = `${stream} has no file ${gone} any more; bring back the files in their order`
        throw new TocsinError('SOURCE_POSITION', message)
      }
      const readers: LineReader[] = []
      const options = { blockBytes: blockBytesFor(paths.length), ...limits }
      try {
        for (const [partition, path] of paths.entries()) {
          const start = startAt(path, positions.get(partition))
          const input = await openInput(path, start)
          readers.push(new LineReader({ stream, partition }, input, { ...options, start }))
        }
      } catch (error) {
        await Promise.all(readers.map((reader) => reader.close()))
        throw error
      }
      return readers
    },
  }
}

/** Large blocks spare trips to the disk's threads; with many files they would cost much memory. */
function blockBytesFor(files: number): number {
  const share = blockBytesTotal / Math.max(1, files)
  return Math.round(Math.min(blockBytesMax, Math.max(blockBytesMin, share)))
}

const blockBytesMin = 256 * 1024
const blockBytesMax = 1024 * 1024
const blockBytesTotal = 16 * 1024 * 1024

function startAt(path: string, position: SourcePosition | undefined): LinePosition {
  if (position === undefined) return { offset: 0, byte: 0 }
  const { offset, byte } = position
  if (typeof byte !== 'number') throw notThere(path, position, 'the position names no byte')
  return { offset, byte }
}

async function openInput(path: string, start: LinePosition): Promise<ByteInput> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    const stats = await handle.stat()
    if (stats.isDirectory()) throw new Error('it is a folder')
    // A pipe has no size.
    const total = stats.isFile() ? stats.size : undefined
    if (total === undefined && start.byte > 0) {
      throw notThere(path, start, 'it is no file, so it cannot be read again')
    }
    return path.endsWith('.gz')
      ? await gzipInput(path, handle, total, start)
      : await plainInput(path, handle, total, start)
  } catch (error) {
    await handle?.close()
    if (error instanceof TocsinError) throw error
    const message = `cannot open ${path}: ${openFailure(error)}`
    throw new TocsinError('INPUT_UNREADABLE', message, { cause: error })
  }
}

function notThere(path: string, { offset }: SourcePosition | LinePosition, reason: string) {
  const message = `cannot go on at line ${offset + 1} of ${path}: ${reason}`
  return new TocsinError('SOURCE_POSITION', message)
}

function openFailure(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'no permission to read it'
  return message
}

async function plainInput(
  name: string,
  handle: FileHandle,
  total: number | undefined,
  start: LinePosition,
): Promise<ByteInput> {
  if (start.byte > 0) {
    if (total !== undefined && total < start.byte)
      throw notThere(name, start, 'the file is shorter')
    const before = Buffer.alloc(1)
    await handle.read(before, 0, 1, start.byte - 1)
    // The last line of a file may have no newline.
    if (before[0] !== newline && start.byte !== total) throw notThere(name, start, noLineBegins)
  }
  let at = start.byte
  return {
    name,
    async fill(buffer, begin, end) {
      // A pipe has no places to read from.
      const place = total === undefined ? null : at
      const { bytesRead } = await handle.read(buffer, begin, end - begin, place)
      at += bytesRead
      return bytesRead
    },
    progress: () => ({ read: at, total }),
    close: () => handle.close(),
  }
}

const newline = 0x0a
const noLineBegins = 'no line begins there; the file has changed'

async function gzipInput(
  name: string,
  handle: FileHandle,
  total: number | undefined,
  start: LinePosition,
): Promise<ByteInput> {
  const compressed = createReadStream('', { fd: handle, autoClose: false })
  const stream = createGunzip({ chunkSize: 256 * 1024 })
  compressed.on('error', (error) => stream.destroy(error))
  compressed.pipe(stream)
  const input = streamInput({
    name,
    stream,
    progress: () => ({ read: compressed.bytesRead, total }),
    async close() {
      stream.destroy()
      compressed.destroy()
      await handle.close()
    },
  })
  try {
    await skip(input, start)
  } catch (error) {
    stream.destroy()
    compressed.destroy()
    throw error
  }
  return input
}

/** Reads what stands before the line. */
async function skip(input: ByteInput, start: LinePosition): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(start.byte, 256 * 1024))
  let last = newline
  for (let left = start.byte; left > 0; ) {
    const filled = await input.fill(buffer, 0, Math.min(buffer.length, left))
    if (filled === null || filled === 0) throw notThere(input.name, start, 'the file is shorter')
    last = buffer[filled - 1] as number
    left -= filled
  }
  if (last === newline) return
  const more = await input.fill(buffer, 0, 1)
  if (more !== 0) throw notThere(input.name, start, noLineBegins)
}
