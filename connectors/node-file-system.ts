import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type FileSystem,
  FileSystemError,
  type FileSystemErrorCode,
  type OpenMode,
  type WritableFile,
} from '../src/connector/file-system.ts'

/** The file system of the machine. */
export const nodeFileSystem: FileSystem = {
  readFile: (path) => attempt('read', path, () => readFile(path)),
  readRange: (path, offset, length) => attempt('read', path, () => readRange(path, offset, length)),
  openFile: (path, mode) => attempt('open', path, () => openFile(path, mode)),
  inspect: (path) =>
    attempt('inspect', path, async () => {
      const stats = await stat(path).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return undefined
        throw error
      })
      if (stats === undefined) return undefined
      if (stats.isFile()) return { kind: 'file', size: stats.size }
      return { kind: stats.isDirectory() ? 'directory' : 'other', size: 0 }
    }),
  list: (directory) => attempt('list', directory, async () => (await readdir(directory)).sort()),
  rename: (from, to) => attempt('rename', from, () => rename(from, to)),
  link: (existing, path) => attempt('link', path, () => link(existing, path)),
  remove: (path) => attempt('remove', path, () => unlink(path)),
  removeTree: (path) => attempt('remove', path, () => rm(path, { recursive: true, force: true })),
  makeDirectory: (directory) => attempt('make', directory, () => makeDirectory(directory)),
  syncDirectory: (directory) => attempt('sync', directory, () => syncDirectory(directory)),
}

async function readRange(path: string, offset: number, length: number): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  } finally {
    await handle.close()
  }
}

async function openFile(path: string, mode: OpenMode): Promise<WritableFile> {
  const handle = await openHandle(path, mode)
  try {
    return new NodeFile(path, handle, (await handle.stat()).size)
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** No flag of open(2) that Node has says "create, keep, write anywhere": two tries say it. */
async function openHandle(path: string, mode: OpenMode): Promise<FileHandle> {
  if (mode === 'new') return open(path, 'wx')
  try {
    return await open(path, 'r+')
  } catch (error) {
    if (mode === 'existing' || systemCode(error) !== 'ENOENT') throw error
    return open(path, 'wx')
  }
}

async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true })
  // Up from the folder of the last that was made to the folder of the first.
  const top = dirname(first ?? directory)
  for (let above = dirname(directory); ; above = dirname(above)) {
    await syncDirectory(above)
    if (above === top || above === dirname(above)) return
  }
}

async function syncDirectory(path: string): Promise<void> {
  // Windows opens no folders; it makes names durable by itself.
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

class NodeFile implements WritableFile {
  readonly #path: string
  readonly #handle: FileHandle
  #size: number
  #closed = false

  constructor(path: string, handle: FileHandle, size: number) {
    this.#path = path
    this.#handle = handle
    this.#size = size
  }

  append(bytes: Uint8Array): Promise<void> {
    return this.writeAt(this.#size, bytes)
  }

  writeAt(position: number, bytes: Uint8Array): Promise<void> {
    return attempt('write', this.#path, async () => {
      let written = 0
      while (written < bytes.length) {
        const rest = bytes.length - written
        const { bytesWritten } = await this.#handle.write(bytes, written, rest, position + written)
        written += bytesWritten
      }
      this.#size = Math.max(this.#size, position + bytes.length)
    })
  }

  truncate(size: number): Promise<void> {
    return attempt('truncate', this.#path, async () => {
      await this.#handle.truncate(size)
      this.#size = size
    })
  }

  sync(): Promise<void> {
    return attempt('sync', this.#path, () => this.#handle.datasync())
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await attempt('close', this.#path, () => this.#handle.close())
  }
}

const codes: Readonly<Record<string, FileSystemErrorCode>> = {
  ENOENT: 'ENOENT',
  EEXIST: 'EEXIST',
  ENOTDIR: 'ENOTDIR',
  EISDIR: 'EISDIR',
  ENOTEMPTY: 'ENOTEMPTY',
  EACCES: 'EACCES',
  EPERM: 'EACCES',
  EROFS: 'EACCES',
  EXDEV: 'EXDEV',
  ENOSPC: 'ENOSPC',
  EDQUOT: 'ENOSPC',
}

async function attempt<Result>(
  verb: string,
  path: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const code = codes[systemCode(error) ?? ''] ?? 'EIO'
    throw new FileSystemError(code, path, `cannot ${verb} ${path}: ${reason}`, { cause: error })
  }
}

function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
