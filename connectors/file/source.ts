import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import type { Source } from '../../src/connector/source.ts'
import { TocsinError } from '../../src/errors.ts'
import { type ByteInput, LineReader, type LineReaderLimits } from '../line-reader.ts'
import { streamInput } from '../stream-input.ts'

/**
 * A source over NDJSON files, gzip where the name ends in `.gz`: file i is partition i, and a
 * record's offset is the ordinal of its line.
 * @throws {TocsinError} INPUT_UNREADABLE from `open`, when a file is not there.
 */
export function fileSource(paths: readonly string[], limits: LineReaderLimits = {}): Source {
  return {
    bounded: true,
    async open(stream) {
      const readers: LineReader[] = []
      try {
        for (const [partition, path] of paths.entries()) {
          readers.push(new LineReader({ stream, partition }, await openInput(path), limits))
        }
      } catch (error) {
        await Promise.all(readers.map((reader) => reader.close()))
        throw error
      }
      return readers
    },
  }
}

async function openInput(path: string): Promise<ByteInput> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    const stats = await handle.stat()
    if (stats.isDirectory()) throw new Error('it is a folder')
    // A pipe has no size.
    const total = stats.isFile() ? stats.size : undefined
    return path.endsWith('.gz') ? gzipInput(path, handle, total) : plainInput(path, handle, total)
  } catch (error) {
    await handle?.close()
    const message = `cannot open ${path}: ${openFailure(error)}`
    throw new TocsinError('INPUT_UNREADABLE', message, { cause: error })
  }
}

function openFailure(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES') return 'no permission to read it'
  return message
}

function plainInput(name: string, handle: FileHandle, total: number | undefined): ByteInput {
  let read = 0
  return {
    name,
    async fill(buffer, start, end) {
      const { bytesRead } = await handle.read(buffer, start, end - start, null)
      read += bytesRead
      return bytesRead
    },
    progress: () => ({ read, total }),
    close: () => handle.close(),
  }
}

function gzipInput(name: string, handle: FileHandle, total: number | undefined): ByteInput {
  const compressed = createReadStream('', { fd: handle, autoClose: false })
  const stream = createGunzip({ chunkSize: 256 * 1024 })
  compressed.on('error', (error) => stream.destroy(error))
  compressed.pipe(stream)
  return streamInput({
    name,
    stream,
    progress: () => ({ read: compressed.bytesRead, total }),
    async close() {
      stream.destroy()
      compressed.destroy()
      await handle.close()
    },
  })
}
