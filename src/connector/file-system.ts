/** Why a file system refused, by the names that systems give it. */
export type FileSystemErrorCode =
  | 'ENOENT'
  | 'EEXIST'
  | 'ENOTDIR'
  | 'EISDIR'
  | 'ENOTEMPTY'
  | 'EACCES'
  | 'EXDEV'
  | 'ENOSPC'
  | 'EIO'

/** A refusal of the file system; the same codes from the real one and from a simulated one. */
export class FileSystemError extends Error {
  /** EIO stands for all that has no code of its own; `cause` has what the system said. */
  readonly code: FileSystemErrorCode
  readonly path: string

  constructor(code: FileSystemErrorCode, path: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'FileSystemError'
    this.code = code
    this.path = path
  }
}

/** What is at a path. */
export interface FileStatus {
  readonly kind: 'file' | 'directory' | 'other'
  /** In bytes; 0 for what is no file. */
  readonly size: number
}

/**
 * A file that is open for writing. Nothing written is durable before `sync`: a crash may lose any
 * part of it, in any order, and tear a write in two. One operation at a time; the caller leaves
 * the bytes alone until it has ended. Every method throws `FileSystemError`.
 */
export interface WritableFile {
  /**
   * Writes behind the last byte. A failed append may leave a part of itself there: the next one
   * begins where the failed one began, and `truncate` takes the part away.
   */
  append(bytes: Uint8Array): Promise<void>
  /** Writes over what is there, beginning at byte `position`; a gap beyond the end reads as zeros. */
  writeAt(position: number, bytes: Uint8Array): Promise<void>
  /** Makes the file end after so many bytes; durable after `sync`. */
  truncate(size: number): Promise<void>
  /**
   * Makes all that was written durable. After a failed sync what was written since the last good
   * one may be lost even if a later sync succeeds: write it again, to another file.
   */
  sync(): Promise<void>
  /** Closes without syncing. Closing twice is fine. */
  close(): Promise<void>
}

/** Which file `openFile` wants: one that is not there yet, one that is, or either. */
export type OpenMode = 'new' | 'existing' | 'either'

/**
 * Files as a port (D9). Paths are absolute and `/` parts them. What happens to names (a file made,
 * renamed, linked, removed) is durable only after `syncDirectory` of the folder that holds the name.
 * Every method throws `FileSystemError`.
 */
export interface FileSystem {
  /** The whole file. */
  readFile(path: string): Promise<Buffer>
  /** `length` bytes from byte `offset` on; fewer where the file ends. */
  readRange(path: string, offset: number, length: number): Promise<Buffer>
  /** Opens for writing; what the file holds is kept. EEXIST, ENOENT: it is not as `mode` wants. */
  openFile(path: string, mode: OpenMode): Promise<WritableFile>
  /** What is at the path; undefined: nothing. */
  inspect(path: string): Promise<FileStatus | undefined>
  /** The names in a folder, sorted. */
  list(directory: string): Promise<readonly string[]>
  /** Gives another name in one step; a file under the new name is replaced. */
  rename(from: string, to: string): Promise<void>
  /** A second name for the same file (a hard link). EEXIST: `path` is there. */
  link(existing: string, path: string): Promise<void>
  /** Removes a file. ENOENT: there is none. */
  remove(path: string): Promise<void>
  /** Removes a file, or a folder with all that is in it; fine where nothing is. */
  removeTree(path: string): Promise<void>
  /** Makes a folder, and those above it, durably; fine where it is. */
  makeDirectory(directory: string): Promise<void>
  /** Makes the names in a folder durable as they are. */
  syncDirectory(directory: string): Promise<void>
}

/**
 * Gives `directory/name` this content, part by part, in one durable step: after a crash the file is the old one or
 * the new one, whole; when it returns, the new one. It lies in `directory/name.partial` until then.
 */
export async function replaceFile(
  files: FileSystem,
  directory: string,
  name: string,
  ...content: readonly Uint8Array[]
): Promise<void> {
  const partial = `${directory}/${name}.partial`
  const file = await files.openFile(partial, 'either')
  try {
    await file.truncate(0)
    for (const part of content) await file.append(part)
    await file.sync()
  } finally {
    await file.close()
  }
  await files.rename(partial, `${directory}/${name}`)
  await files.syncDirectory(directory)
}
