import {
  type FileStatus,
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type OpenMode,
  type WritableFile,
} from '../../src/connector/file-system.ts'
import { DirectoryNode, type DiskNode, FileNode } from './simulated-disk.ts'
import type { Operation, SimulatedMachine } from './simulated-machine.ts'

/**
 * The files of a simulated machine. A rename from one folder to another is not simulated, and the
 * database of a simulated store shows as a file that cannot be opened.
 */
export class SimulatedFileSystem implements FileSystem {
  readonly #machine: SimulatedMachine
  readonly #root: DirectoryNode

  constructor(machine: SimulatedMachine, root: DirectoryNode) {
    this.#machine = machine
    this.#root = root
  }

  readFile(path: string): Promise<Buffer> {
    return this.readRange(path, 0, Number.MAX_SAFE_INTEGER)
  }

  readRange(path: string, offset: number, length: number): Promise<Buffer> {
    return this.#perform('read', path, () => {
      const file = this.#file(path)
      if (this.#machine.bitFlips(path)) file.flipBit(this.#machine.random)
      return Buffer.from(file.content.subarray(offset, offset + length))
    })
  }

  openFile(path: string, mode: OpenMode): Promise<WritableFile> {
    return this.#perform('write', path, () => {
      const there = this.#find(path)
      if (there !== undefined) {
        if (mode === 'new') throw refusal('EEXIST', path)
        return new SimulatedFile(this.#machine, path, this.#file(path))
      }
      if (mode === 'existing') throw refusal('ENOENT', path)
      const file = new FileNode()
      this.#parent(path).change({ kind: 'set', name: nameOf(path), node: file })
      return new SimulatedFile(this.#machine, path, file)
    })
  }

  inspect(path: string): Promise<FileStatus | undefined> {
    return this.#perform('read', path, () => {
      const node = this.#find(path)
      if (node === undefined) return undefined
      if (node.kind === 'directory') return { kind: 'directory', size: 0 }
      return { kind: 'file', size: node.kind === 'file' ? node.content.length : node.rows.size }
    })
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#perform('read', directory, () =>
      [...this.#directory(directory).names.keys()].sort(),
    )
  }

  rename(from: string, to: string): Promise<void> {
    return this.#perform('write', from, () => {
      const node = this.#find(from)
      if (node === undefined) throw refusal('ENOENT', from)
      const folder = this.#parent(to)
      if (folder !== this.#parent(from))
        throw new Error('a move to another folder is not simulated')
      const replaced = this.#find(to)
      if (replaced?.kind === 'directory') {
        if (node.kind !== 'directory') throw refusal('EISDIR', to)
        if (replaced.names.size > 0) throw refusal('ENOTEMPTY', to)
      } else if (replaced !== undefined && node.kind === 'directory') throw refusal('ENOTDIR', to)
      folder.change({ kind: 'move', from: nameOf(from), to: nameOf(to), node })
    })
  }

  link(existing: string, path: string): Promise<void> {
    return this.#perform('write', path, () => {
      const node = this.#file(existing)
      if (this.#find(path) !== undefined) throw refusal('EEXIST', path)
      this.#parent(path).change({ kind: 'set', name: nameOf(path), node })
    })
  }

  remove(path: string): Promise<void> {
    return this.#perform('change', path, () => {
      const node = this.#find(path)
      if (node === undefined) throw refusal('ENOENT', path)
      if (node.kind === 'directory') throw refusal('EISDIR', path)
      this.#parent(path).change({ kind: 'drop', name: nameOf(path), node })
    })
  }

  removeTree(path: string): Promise<void> {
    return this.#perform('change', path, () => {
      const node = this.#find(path)
      if (node === undefined) return
      if (node.kind === 'directory') empty(node)
      this.#parent(path).change({ kind: 'drop', name: nameOf(path), node })
    })
  }

  async makeDirectory(directory: string): Promise<void> {
    let path = ''
    for (const name of partsOf(directory)) {
      const above = path
      path += `/${name}`
      await this.#perform('write', path, () => {
        const node = this.#find(path)
        if (node !== undefined && node.kind !== 'directory') throw refusal('EEXIST', path)
        const change = { kind: 'set', name, node: new DirectoryNode() } as const
        if (node === undefined) this.#directory(above).change(change)
      })
      await this.syncDirectory(above)
    }
  }

  syncDirectory(directory: string): Promise<void> {
    return this.#perform('sync', directory, () => this.#directory(directory).sync())
  }

  /** Puts the database of a store into a folder, durably, as part of an operation. */
  place(directory: string, name: string, node: DiskNode): void {
    const folder = this.#directory(directory)
    folder.change({ kind: 'set', name, node })
    folder.sync()
  }

  /** What is at a path, as part of an operation. */
  nodeAt(path: string): DiskNode | undefined {
    return this.#find(path)
  }

  #perform<Result>(
    kind: Operation<Result>['kind'],
    path: string,
    apply: () => Result,
  ): Promise<Result> {
    return this.#machine.perform({ kind, path, apply })
  }

  #find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.#root
    for (const part of partsOf(path)) {
      if (node === undefined) return undefined
      if (node.kind !== 'directory') throw refusal('ENOTDIR', path)
      node = node.names.get(part)
    }
    return node
  }

  #file(path: string): FileNode {
    const node = this.#find(path)
    if (node === undefined) throw refusal('ENOENT', path)
    if (node.kind === 'directory') throw refusal('EISDIR', path)
    if (node.kind === 'store') throw new Error(`${path} is the database of a simulated store`)
    return node
  }

  #directory(path: string): DirectoryNode {
    const node = this.#find(path)
    if (node === undefined) throw refusal('ENOENT', path)
    if (node.kind !== 'directory') throw refusal('ENOTDIR', path)
    return node
  }

  #parent(path: string): DirectoryNode {
    return this.#directory(path.slice(0, path.lastIndexOf('/')))
  }
}

class SimulatedFile implements WritableFile {
  readonly #machine: SimulatedMachine
  readonly #path: string
  readonly #file: FileNode
  #size: number
  #closed = false

  constructor(machine: SimulatedMachine, path: string, file: FileNode) {
    this.#machine = machine
    this.#path = path
    this.#file = file
    this.#size = file.content.length
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.writeAt(this.#size, bytes)
  }

  async writeAt(position: number, bytes: Uint8Array): Promise<void> {
    const copy = Buffer.from(bytes)
    const write = (part: Buffer) => this.#file.change({ kind: 'write', position, bytes: part })
    await this.#perform('write', {
      apply: () => write(copy),
      fail: (random) => write(copy.subarray(0, random.integer(0, copy.length))),
    })
    this.#size = Math.max(this.#size, position + copy.length)
  }

  async truncate(size: number): Promise<void> {
    await this.#perform('change', { apply: () => this.#file.change({ kind: 'truncate', size }) })
    this.#size = size
  }

  async sync(): Promise<void> {
    await this.#perform('sync', {
      apply: () => this.#file.sync(),
      fail: (random) => this.#file.forget(random),
    })
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #perform(
    kind: Operation<void>['kind'],
    operation: Pick<Operation<void>, 'apply' | 'fail'>,
  ): Promise<void> {
    if (this.#closed) throw new FileSystemError('EIO', this.#path, `${this.#path} is closed`)
    return this.#machine.perform({ kind, path: this.#path, ...operation })
  }
}

/** Removing a tree is many changes: a crash leaves any of them undone. */
function empty(directory: DirectoryNode): void {
  for (const [name, node] of [...directory.names]) {
    if (node.kind === 'directory') empty(node)
    directory.change({ kind: 'drop', name, node })
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function refusal(code: FileSystemErrorCode, path: string): FileSystemError {
  return new FileSystemError(code, path, `${code}: ${path}`)
}
