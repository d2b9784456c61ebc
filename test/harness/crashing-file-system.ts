import { dirname } from 'node:path'
import { Random } from '../../connectors/generator/random.ts'
import {
  type FileStatus,
  type FileSystem,
  FileSystemError,
  type OpenMode,
  type WritableFile,
} from '../../src/connector/file-system.ts'

/** What ends a run: the process is killed and the system lives on, or the power is cut. */
export type CrashKind = 'process' | 'power'

/** Thrown by every operation from the crash on. */
export class CrashError extends Error {}

interface File {
  durable: Buffer
  content: Buffer
  /** Changes since the last sync, in order. */
  readonly unsynced: { readonly at: number; readonly bytes: Buffer | null }[]
}

/** Names that change in one step: a file, or `null` for a name that goes. */
interface NameChange {
  readonly directory: string
  readonly names: ReadonlyMap<string, File | null>
}

/**
 * A file system in memory that crashes at a chosen operation. A cut of the power keeps what was
 * synced, and any of the writes and the changes of names after that; a write may be torn.
 */
export class CrashingFileSystem implements FileSystem {
  /** Counts the operations that change something, from 1. */
  operations = 0
  /** The operation at which it crashes; `after`: that one is still done. */
  crashAt = Infinity
  after = false
  /** Fails operations without a crash. */
  fault: (operation: string, path: string) => FileSystemError | undefined = () => undefined
  /** Called after each operation that changes something. */
  onChange: () => void = () => {}
  #crashed = false
  readonly #names = new Map<string, File>()
  readonly #durableNames = new Map<string, File>()
  readonly #nameChanges: NameChange[] = []
  /** Has `/data` from the start. */
  readonly #directories = new Set<string>(['/', '/data'])

  /** What the next start finds. */
  restart(kind: CrashKind, seed: number): CrashingFileSystem {
    const random = new Random(seed)
    const next = new CrashingFileSystem()
    for (const directory of this.#directories) next.#directories.add(directory)
    const names = new Map(kind === 'process' ? this.#names : this.#durableNames)
    if (kind === 'power') {
      for (const change of this.#nameChanges) {
        if (random.integer(0, 1) === 1) applyNames(names, change)
      }
    }
    for (const [path, file] of names) {
      const content = kind === 'process' ? Buffer.from(file.content) : survivor(file, random)
      const survived: File = { durable: content, content, unsynced: [] }
      // What a killed process has written is still to be synced by the next one.
      if (kind === 'process') {
        survived.durable = Buffer.from(file.durable)
        survived.unsynced.push(...file.unsynced)
      }
      next.#names.set(path, survived)
      next.#durableNames.set(path, survived)
    }
    return next
  }

  /** What the file holds now; undefined: there is none. */
  contentOf(path: string): Buffer | undefined {
    return this.#names.get(path)?.content
  }

  /** Changes a file behind everybody's back, durably. */
  damage(path: string, change: (content: Buffer) => Buffer): void {
    const file = this.#names.get(path) as File
    file.content = change(Buffer.from(file.content))
    file.durable = file.content
  }

  async readFile(path: string): Promise<Buffer> {
    return Buffer.from(this.#file('read', path).content)
  }

  async readRange(path: string, offset: number, length: number): Promise<Buffer> {
    return Buffer.from(this.#file('read', path).content.subarray(offset, offset + length))
  }

  async openFile(path: string, mode: OpenMode): Promise<WritableFile> {
    const there = this.#names.get(path)
    if (there !== undefined && mode === 'new') throw refusal('EEXIST', path)
    if (there === undefined && mode === 'existing') throw refusal('ENOENT', path)
    if (!this.#directories.has(dirname(path))) throw refusal('ENOENT', path)
    const file = there ?? { durable: Buffer.alloc(0), content: Buffer.alloc(0), unsynced: [] }
    if (there === undefined) this.#change('open', path, () => this.#rename([[path, file]]))
    else this.#look('open', path)
    return this.#writable(path, file)
  }

  async inspect(path: string): Promise<FileStatus | undefined> {
    this.#look('inspect', path)
    if (this.#directories.has(path)) return { kind: 'directory', size: 0 }
    const file = this.#names.get(path)
    return file === undefined ? undefined : { kind: 'file', size: file.content.length }
  }

  async list(directory: string): Promise<readonly string[]> {
    this.#look('list', directory)
    if (!this.#directories.has(directory)) throw refusal('ENOENT', directory)
    return [...this.#names.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => path.slice(directory.length + 1))
      .sort()
  }

  async rename(from: string, to: string): Promise<void> {
    const file = this.#file('rename', from)
    this.#change('rename', from, () =>
      this.#rename([
        [from, null],
        [to, file],
      ]),
    )
  }

  async link(existing: string, path: string): Promise<void> {
    const file = this.#file('link', existing)
    this.#change('link', path, () => this.#rename([[path, file]]))
  }

  async remove(path: string): Promise<void> {
    this.#file('remove', path)
    this.#change('remove', path, () => this.#rename([[path, null]]))
  }

  async removeTree(path: string): Promise<void> {
    for (const name of [...this.#names.keys()]) {
      if (name === path || name.startsWith(`${path}/`)) await this.remove(name)
    }
  }

  /** Folders are durable at once: that they are synced is not what is tested here. */
  async makeDirectory(directory: string): Promise<void> {
    for (let path = directory; path !== '/'; path = dirname(path)) this.#directories.add(path)
  }

  async syncDirectory(directory: string): Promise<void> {
    this.#change('syncDirectory', directory, () => {
      const synced = this.#nameChanges.filter((change) => change.directory === directory)
      for (const change of synced) {
        applyNames(this.#durableNames, change)
        this.#nameChanges.splice(this.#nameChanges.indexOf(change), 1)
      }
    })
  }

  #writable(path: string, file: File): WritableFile {
    const write = async (operation: string, at: number, bytes: Uint8Array | null) => {
      this.#change(operation, path, () => {
        const change = { at, bytes: bytes === null ? null : Buffer.from(bytes) }
        file.content = applyWrite(file.content, change)
        file.unsynced.push(change)
      })
    }
    return {
      append: (bytes) => write('append', file.content.length, bytes),
      writeAt: (position, bytes) => write('writeAt', position, bytes),
      truncate: (size) => write('truncate', size, null),
      sync: async () => {
        this.#change('sync', path, () => {
          file.durable = file.content
          file.unsynced.length = 0
        })
      },
      close: async () => {},
    }
  }

  #rename(names: readonly (readonly [string, File | null])[]): void {
    const change = { directory: dirname(names[0]![0]), names: new Map(names) }
    applyNames(this.#names, change)
    this.#nameChanges.push(change)
  }

  #file(operation: string, path: string): File {
    this.#look(operation, path)
    const file = this.#names.get(path)
    if (file === undefined) throw refusal('ENOENT', path)
    return file
  }

  #look(operation: string, path: string): void {
    if (this.#crashed) throw new CrashError(`${operation} ${path}`)
  }

  #change(operation: string, path: string, apply: () => void): void {
    this.#look(operation, path)
    this.operations++
    const crashes = this.operations >= this.crashAt
    const fault = this.fault(operation, path)
    if (fault !== undefined) throw fault
    if (!crashes || this.after) apply()
    this.#crashed = crashes
    if (crashes) throw new CrashError(`${operation} ${path}`)
    this.onChange()
  }
}

function refusal(code: 'ENOENT' | 'EEXIST', path: string): FileSystemError {
  return new FileSystemError(code, path, `${code}: ${path}`)
}

function applyNames(names: Map<string, File>, change: NameChange): void {
  for (const [path, file] of change.names) {
    if (file === null) names.delete(path)
    else names.set(path, file)
  }
}

function applyWrite(content: Buffer, { at, bytes }: File['unsynced'][number]): Buffer {
  if (bytes === null) {
    const cut = Buffer.alloc(at)
    content.copy(cut)
    return cut
  }
  const written = Buffer.alloc(Math.max(content.length, at + bytes.length))
  content.copy(written)
  bytes.copy(written, at)
  return written
}

/** What was synced, and any of the writes after that; some of them torn, with zeros in their place. */
function survivor({ durable, unsynced }: File, random: Random): Buffer {
  let content: Buffer = Buffer.from(durable)
  for (const change of unsynced) {
    const fate = random.integer(0, 3)
    if (fate === 0) continue
    if (change.bytes === null || fate === 1) {
      content = applyWrite(content, change)
      continue
    }
    const torn = Buffer.from(change.bytes)
    const from = random.integer(0, torn.length)
    // The size may have grown before the bytes came.
    if (fate === 2) content = applyWrite(content, { at: change.at, bytes: torn.fill(0, from) })
    else content = applyWrite(content, { at: change.at, bytes: torn.subarray(0, from) })
  }
  return content
}
