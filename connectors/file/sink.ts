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
    await this.#attempt(() => this.#opened().appendFile(`${documents.join('\n')}\n`))
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

/** Makes a rename durable; folders cannot be opened everywhere, and then the system does it. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined)
  try {
    await folder?.sync()
  } finally {
    await folder?.close()
  }
}
