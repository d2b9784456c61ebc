import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type RejectedEvent, type SuppressedAlert, TocsinError } from '../src/index.ts'

const files = {
  late: 'late.ndjson',
  late_after_idle: 'late.ndjson',
  dead_letter: 'dead-letters.ndjson',
  suppressed: 'suppressed.ndjson',
} as const

/** Characters that are kept back to be written at once. */
const chunkLength = 64 * 1024

/**
 * Keeps what was left out, one JSON document a line: late events, dead letters and suppressed
 * alerts. Files of an earlier run are replaced, unless this one goes on from it.
 */
export class SideOutputFiles {
  readonly #folder: string
  readonly #outputs = new Map<string, LineFile>()

  /**
   * @param mode whether to write behind what is there; default: not
   * @throws {TocsinError} OUTPUT_UNWRITABLE
   */
  constructor(folder: string, mode: 'replace' | 'append' = 'replace') {
    this.#folder = folder
    attempt(folder, () => mkdirSync(folder, { recursive: true }))
    for (const name of new Set(Object.values(files))) {
      this.#outputs.set(name, new LineFile(join(folder, name), mode))
    }
  }

  get folder(): string {
    return this.#folder
  }

  rejected({ kind, cause, reason, raw, ...at }: RejectedEvent): void {
    const { stream, partition, origin, offset } = at
    const bytes = Buffer.from(raw, 'latin1')
    const text = bytes.toString('utf8')
    // Bytes that are no UTF-8 would not come back from text.
    const record = bytes.equals(Buffer.from(text))
      ? { raw: text }
      : { raw_base64: bytes.toString('base64') }
    const place = { stream, partition, origin, offset }
    this.#write(kind, JSON.stringify({ kind, cause, ...place, reason, ...record }))
  }

  suppressed({ by }: SuppressedAlert, document: string): void {
    this.#write('suppressed', `{"suppressed_by":${JSON.stringify(by)},"alert":${document}}`)
  }

  /** Hands to the system what is kept back: it survives this process then. */
  flush(): void {
    for (const output of this.#outputs.values()) output.flush()
  }

  close(): void {
    for (const output of this.#outputs.values()) output.close()
  }

  #write(kind: keyof typeof files, line: string): void {
    this.#outputs.get(files[kind])?.write(line)
  }
}

/** A file of lines, written in chunks. */
class LineFile {
  readonly #path: string
  readonly #descriptor: number
  #pending = ''

  constructor(path: string, mode: 'replace' | 'append') {
    this.#path = path
    this.#descriptor = attempt(path, () => openSync(path, mode === 'append' ? 'a' : 'w'))
  }

  write(line: string): void {
    this.#pending += `${line}\n`
    if (this.#pending.length >= chunkLength) this.flush()
  }

  close(): void {
    this.flush()
    closeSync(this.#descriptor)
  }

  flush(): void {
    const bytes = Buffer.from(this.#pending)
    this.#pending = ''
    attempt(this.#path, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at)
    })
  }
}

function attempt<Result>(path: string, work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    const message = `cannot write ${path}: ${(error as Error).message}`
    throw new TocsinError('OUTPUT_UNWRITABLE', message, { cause: error })
  }
}
