import {
  access,
  constants,
  type FileHandle,
  open,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Sink } from '../../src/connector/sink.ts'
import { ConnectorError, TocsinError } from '../../src/errors.ts'
import { writeFailure } from './write-failure.ts'

/**
 * A sink that writes one document a line. Until it is closed the lines lie in `PATH.partial`; then
 * the file takes its name in one step, over one that is there. What is no regular file (a pipe, a
 * terminal) is written to directly.
 */
export class FileSink implements Sink {
  readonly #path: string
  #target = ''
  #partial: string | null = null
  #file: FileHandle | null = null
  /** Memory of a write that has ended: new memory costs a page fault for every 4 KiB. */
  #spare: Buffer = Buffer.alloc(0)

  constructor(path: string) {
    this.#path = path
  }

  async open(): Promise<void> {
    await this.#attempt(async () => {
      this.#target = await realpath(this.#path).catch(() => this.#path)
      const there = await stat(this.#target).catch(() => undefined)
      const direct = there !== undefined && !there.isFile()
      this.#partial = direct ? null : `${this.#target}.partial`
      this.#file = await open(this.#partial ?? this.#target, 'w')
    })
  }

  async write(documents: readonly string[]): Promise<void> {
    if (documents.length === 0) return
    const { bytes, length } = encoded(documents, this.#spare)
    this.#spare = Buffer.alloc(0)
    await this.#attempt(() => this.#opened().appendFile(bytes.subarray(0, length)))
    this.#spare = bytes
  }

  async close(): Promise<void> {
    const file = this.#file
    if (file === null) return
    this.#file = null
    await this.#attempt(async () => {
      if (this.#partial === null) return file.close()
      try {
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(this.#partial, this.#target)
      await syncFolder(dirname(this.#target))
    })
  }

  /** Whether there is a folder in which the file can be made. */
  async checkConnection(): Promise<void> {
    try {
      await access(dirname(this.#path), constants.W_OK)
      if ((await stat(this.#path).catch(() => undefined))?.isDirectory() === true) {
        throw new Error('it is a folder; name a file in it')
      }
    } catch (error) {
      const message = `cannot write ${this.#path}: ${writeFailure(error, this.#path)}`
      throw new ConnectorError('OUTPUT_UNWRITABLE', message, { retryable: false, cause: error })
    }
  }

  async discard(): Promise<void> {
    const file = this.#file
    if (file === null) return
    this.#file = null
    await this.#attempt(async () => {
      await file.close()
      if (this.#partial !== null) await rm(this.#partial, { force: true })
    })
  }

  #opened(): FileHandle {
    if (this.#file === null) throw new Error('the sink is not open')
    return this.#file
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const message = `cannot write ${this.#path}: ${writeFailure(error, this.#path)}`
      throw new TocsinError('OUTPUT_UNWRITABLE', message, { cause: error })
    }
  }
}

/**
 * The documents as lines in UTF-8, the first `length` bytes of what it gives: `room`, if it is large
 * enough. They are encoded one by one: none is copied into a longer text first.
 */
function encoded(documents: readonly string[], room: Buffer): { bytes: Buffer; length: number } {
  let bytes = room
  let length = 0
  for (const document of documents) {
    const needed = length + utf8BytesMax * document.length + 1
    if (needed > bytes.length) bytes = longer(bytes, length, needed)
    length += bytes.write(document, length, 'utf8')
    bytes[length++] = newline
  }
  return { bytes, length }
}

function longer(bytes: Buffer, filled: number, needed: number): Buffer {
  const copy = Buffer.allocUnsafeSlow(Math.max(needed, 2 * bytes.length, roomBytesMin))
  bytes.copy(copy, 0, 0, filled)
  return copy
}

/** Bytes that a char of a text takes in UTF-8 at most. */
const utf8BytesMax = 3
const roomBytesMin = 64 * 1024
const newline = 0x0a

/** Makes a rename durable; folders cannot be opened everywhere, and then the system does it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  try {
    await folder?.sync()
  } finally {
    await folder?.close()
  }
}
