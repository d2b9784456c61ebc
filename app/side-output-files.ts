import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type RejectedEvent, type SuppressedAlert, TocsinError } from '../src/index.ts'
import { rejectedText, suppressedText } from './side-output-row.ts'
import type { SideOutputKeeper } from './side-output-store.ts'

const files = {
  late: 'late.ndjson',
  late_after_idle: 'late.ndjson',
  dead_letter: 'dead-letters.ndjson',
  suppressed: 'suppressed.ndjson',
} as const

/** Characters that are kept back to be written at once. */
const chunkLength = 64 * 1024

/**
 * Keeps what a replay left out, one JSON document a line: late events, dead letters and suppressed
 * alerts. Files of an earlier replay are replaced.
 */
export class SideOutputFiles implements SideOutputKeeper {
  readonly #outputs = new Map<string, LineFile>()

  /** @throws {TocsinError} OUTPUT_UNWRITABLE */
  constructor(folder: string) {
    attempt(folder, () => mkdirSync(folder, { recursive: true }))
    for (const name of new Set(Object.values(files))) {
      this.#outputs.set(name, new LineFile(join(folder, name)))
    }
  }

  rejected(rejected: RejectedEvent): void {
    this.#write(rejected.kind, rejectedText(rejected))
  }

  suppressed(suppressed: SuppressedAlert, document: string): void {
    this.#write('suppressed', suppressedText(suppressed, document))
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

  constructor(path: string) {
    this.#path = path
    this.#descriptor = attempt(path, () => openSync(path, 'w'))
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
