import type { FileSystem, WritableFile } from '../../src/connector/file-system.ts'

/** What a test does around each operation that changes a file system; it may throw. */
export interface FileWatch {
  readonly before?: (operation: string, path: string) => void
  readonly after?: (operation: string, path: string) => void
}

/** A file system as it is, watched; the watch may be changed at any time. */
export function watchedFiles(files: FileSystem): FileSystem & { watch: FileWatch } {
  const around = async <Result>(operation: string, path: string, work: () => Promise<Result>) => {
    watched.watch.before?.(operation, path)
    const result = await work()
    watched.watch.after?.(operation, path)
    return result
  }
  const fileOf = (path: string, file: WritableFile): WritableFile => ({
    append: (bytes) => around('append', path, () => file.append(bytes)),
    writeAt: (position, bytes) => around('writeAt', path, () => file.writeAt(position, bytes)),
    truncate: (size) => around('truncate', path, () => file.truncate(size)),
    sync: () => around('sync', path, () => file.sync()),
    close: () => file.close(),
  })
  const watched: FileSystem & { watch: FileWatch } = {
    watch: {},
    readFile: (path) => files.readFile(path),
    readRange: (path, offset, length) => files.readRange(path, offset, length),
    openFile: (path, mode) =>
      around('open', path, async () => fileOf(path, await files.openFile(path, mode))),
    inspect: (path) => files.inspect(path),
    list: (directory) => files.list(directory),
    rename: (from, to) => around('rename', from, () => files.rename(from, to)),
    link: (existing, path) => around('link', path, () => files.link(existing, path)),
    remove: (path) => around('remove', path, () => files.remove(path)),
    removeTree: (path) => around('removeTree', path, () => files.removeTree(path)),
    makeDirectory: (path) => around('makeDirectory', path, () => files.makeDirectory(path)),
    syncDirectory: (path) => around('syncDirectory', path, () => files.syncDirectory(path)),
  }
  return watched
}

/** Makes a file hold these bytes, durably, whatever it held. */
export async function setContent(files: FileSystem, path: string, bytes: Buffer): Promise<void> {
  const file = await files.openFile(path, 'either')
  await file.truncate(0)
  await file.append(bytes)
  await file.sync()
  await file.close()
  await files.syncDirectory(path.slice(0, path.lastIndexOf('/')))
}

/** What a file holds, as text; an empty one where there is none. */
export async function textOf(files: FileSystem, path: string): Promise<string> {
  return (await files.inspect(path)) === undefined ? '' : String(await files.readFile(path))
}
