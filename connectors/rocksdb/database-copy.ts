import type { FileSystem } from '../../src/connector/file-system.ts'
import { TocsinError } from '../../src/errors.ts'

/**
 * Copies a database that is open, just after a flush and with no write beside it: hard links to the
 * tables, which never change; copies of the small files that say which tables there are; no log, as
 * a flush leaves nothing in it that counts. A compaction may change the set of files in between:
 * then names or sizes differ before and after, and the copy is made anew.
 */
export async function copyDatabase(files: FileSystem, from: string, to: string): Promise<void> {
  const partial = `${to}.partial`
  for (let attempt = 1; ; attempt++) {
    await files.removeTree(partial)
    await files.makeDirectory(partial)
    if (await tryCopy(files, from, partial)) break
    if (attempt === attemptsMax) {
      await files.removeTree(partial)
      const message = `cannot copy the state in ${from}: its files changed in each of ${attempt} tries`
      throw new TocsinError('STATE_IO', message)
    }
  }
  await files.syncDirectory(partial)
  await files.rename(partial, to)
  await files.syncDirectory(parentOf(to))
}

const attemptsMax = 20
const chunkBytes = 1 << 20

/**
 * Whether the copy is whole. While the MANIFEST stays as it is, so does the set of tables that it
 * names: they are listed and linked between two looks at it. Tables that a compaction is just
 * writing or removing are not among them.
 */
async function tryCopy(files: FileSystem, from: string, to: string): Promise<boolean> {
  const before = await smallFiles(files, from)
  const tables = (await files.list(from)).filter((name) => name.endsWith('.sst'))
  for (const name of tables) {
    if (!(await wasThere(files, `${from}/${name}`, (path) => files.link(path, `${to}/${name}`)))) {
      return false
    }
  }
  for (const { name, size } of before) {
    const copy = (path: string) => copyStart(files, path, `${to}/${name}`, size)
    if (!(await wasThere(files, `${from}/${name}`, copy))) return false
  }
  const after = await smallFiles(files, from)
  return JSON.stringify(before) === JSON.stringify(after)
}

/** Does it to a file, and says whether there was one. */
async function wasThere(
  files: FileSystem,
  path: string,
  work: (path: string) => Promise<void>,
): Promise<boolean> {
  try {
    await work(path)
    return true
  } catch (error) {
    if ((await files.inspect(path)) === undefined) return false
    throw error
  }
}

/** The files that say which tables there are, with their sizes in bytes. */
async function smallFiles(
  files: FileSystem,
  directory: string,
): Promise<{ readonly name: string; readonly size: number }[]> {
  const found = []
  for (const name of await files.list(directory)) {
    if (!/^(MANIFEST-\d+|OPTIONS-\d+|CURRENT|IDENTITY)$/.test(name)) continue
    const status = await files.inspect(`${directory}/${name}`)
    if (status !== undefined) found.push({ name, size: status.size })
  }
  return found
}

/** Copies the first `size` bytes: RocksDB may be writing behind them. */
async function copyStart(files: FileSystem, from: string, to: string, size: number): Promise<void> {
  const file = await files.openFile(to, 'new')
  try {
    for (let offset = 0; offset < size; offset += chunkBytes) {
      const length = Math.min(chunkBytes, size - offset)
      await file.append(await files.readRange(from, offset, length))
    }
    await file.sync()
  } finally {
    await file.close()
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}
