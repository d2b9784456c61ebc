import { randomBytes } from 'node:crypto'
import {
  appendFile,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { nodeFileSystem } from '../../connectors/node-file-system.ts'
import type { RocksDBConstructor } from '../../connectors/rocksdb/binding.ts'
import {
  type RocksDBStoreOptions,
  rocksdbStateStore,
} from '../../connectors/rocksdb/state-store.ts'
import { storeFailure } from '../../connectors/rocksdb/store-failure.ts'
import { type FileSystem, FileSystemError } from '../../src/connector/file-system.ts'
import type { StateStore } from '../../src/connector/state-store.ts'
import { content, put, stateStoreConformance } from './state-store-conformance.ts'

async function makeDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tocsin-store-'))
}

describe('the RocksDB state store', () => {
  stateStoreConformance(async () => {
    const directory = await makeDirectory()
    const end = () => rm(directory, { recursive: true })
    return { open: rocksdbStateStore(), files: nodeFileSystem, directory, end }
  })
})

describe('RocksDB', () => {
  let directory: string
  let path: string
  let store: StateStore | undefined
  beforeEach(async () => {
    directory = await makeDirectory()
    path = `${directory}/db`
  })
  afterEach(async () => {
    await store?.close()
    store = undefined
    await rm(directory, { recursive: true })
  })

  async function open(options: RocksDBStoreOptions = {}, firstStart = true): Promise<StateStore> {
    store = await rocksdbStateStore(options)(path, { firstStart })
    return store
  }

  /** Three tables of 100 rows each, closed. */
  async function fill(): Promise<void> {
    const opened = await open()
    for (let table = 0; table < 3; table++) {
      await opened.write(rows(`t${table}-`, 100))
      await opened.flush()
    }
    await opened.close()
  }

  async function filesLike(pattern: RegExp): Promise<string[]> {
    const names = await readdir(path)
    return names.filter((name) => pattern.test(name)).map((name) => join(path, name))
  }

  it('finds a flipped bit by a full scan', async () => {
    await fill()
    const [table] = await filesLike(/\.sst$/)
    const bytes = await readFile(table!)
    bytes[5000]! ^= 1
    await writeFile(table!, bytes)
    const opened = await open({}, false)
    await expect(opened.verify()).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    const keys = rows('t0-', 100).map(({ key }) => key)
    await expect(opened.getMany(keys)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    // What lies elsewhere can be read still.
    expect((await opened.getMany([Buffer.from('t2-5')]))[0]?.length).toBe(200)
  })

  const damages: readonly (readonly [string, RegExp, (file: string) => Promise<void>])[] = [
    ['a table is cut short', /\.sst$/, (file) => truncate(file, 500)],
    ['a table is missing', /\.sst$/, (file) => rm(file)],
    ['MANIFEST is garbage', /MANIFEST/, (file) => writeFile(file, Buffer.alloc(300, 7))],
    ['MANIFEST is missing', /MANIFEST/, (file) => rm(file)],
    ['CURRENT is garbage', /CURRENT/, (file) => writeFile(file, 'garbage')],
    ['CURRENT is missing', /CURRENT/, (file) => rm(file)],
  ]
  it.each(damages)('does not open where %s, first start or not', async (_, pattern, damage) => {
    await fill()
    const tables = await filesLike(/\.sst$/)
    await damage((await filesLike(pattern))[0]!)
    for (const firstStart of [false, true]) {
      await expect(open({}, firstStart)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    }
    const removed = pattern.test('.sst') ? 1 : 0
    expect((await filesLike(/\.sst$/)).length).toBeGreaterThanOrEqual(tables.length - removed)
  })

  it('does not open a file', async () => {
    await writeFile(path, 'no folder')
    await expect(open()).rejects.toMatchObject({ code: 'STATE_IO' })
  })

  it('keeps the log of RocksDB short', async () => {
    const opened = await open({ flushesPerLogCut: 10 })
    const sizes: number[] = []
    for (let flush = 1; flush <= 60; flush++) {
      await opened.write([put('k', String(flush))])
      await opened.flush()
      const log = await stat(join(path, 'LOG'))
      sizes.push(log.blocks * 512)
    }
    expect(Math.max(...sizes.slice(30))).toBeLessThanOrEqual(Math.max(...sizes.slice(0, 30)) * 1.5)
    await opened.close()
    await appendFile(join(path, 'LOG'), 'x')
    await open()
    expect(await filesLike(/LOG\.old/)).toEqual([])
  })

  it('copies while tables are compacted', async () => {
    const opened = await open({ writeBufferBytes: 64 << 10 })
    const copy = rocksdbStateStore()
    for (let round = 0; round < 15; round++) {
      const batch = rows(`k${round % 4}-`, 400)
      for (let part = 0; part < 4; part++) await opened.write(batch)
      await opened.write([put('round', String(round))])
      const beside = opened.checkpointTo(`${directory}/copy`)
      const later = opened.write([put('round', 'later')])
      await Promise.all([beside, later])
      const copied = await copy(`${directory}/copy`, { firstStart: false })
      const [value, ...sample] = await copied.getMany([
        Buffer.from('round'),
        ...batch.slice(0, 50).map(({ key }) => key),
      ])
      expect(value?.toString()).toBe(String(round))
      expect(sample).toEqual(batch.slice(0, 50).map((change) => change.value))
      expect((await copied.verify()).rows).toBe(Math.min(round + 1, 4) * 400 + 1)
      await copied.close()
      await rm(`${directory}/copy`, { recursive: true })
    }
  })

  it('copies anew when the files have changed meanwhile', async () => {
    let links = 0
    const files: FileSystem = {
      ...nodeFileSystem,
      async link(existing, to) {
        await nodeFileSystem.link(existing, to)
        links++
        // As if a compaction had ended: the MANIFEST is longer than before, by a torn record.
        if (links > 1) return
        const [manifest] = await filesLike(/MANIFEST/)
        await appendFile(manifest!, 'x')
      },
    }
    await fill()
    const opened = await open({ files }, false)
    await opened.checkpointTo(`${directory}/copy`)
    expect(links).toBe(6)
    expect(await readdir(directory)).toEqual(['copy', 'db'])
  })

  it('leaves no copy when there is no space for one', async () => {
    const files: FileSystem = {
      ...nodeFileSystem,
      openFile: async (file, mode) => {
        if (mode === 'new') throw new FileSystemError('ENOSPC', file, `cannot open ${file}: full`)
        return nodeFileSystem.openFile(file, mode)
      },
    }
    const opened = await open({ files })
    await opened.write([put('a', '1')])
    const copied = opened.checkpointTo(`${directory}/copy`)
    await expect(copied).rejects.toMatchObject({ code: 'STATE_DISK_FULL' })
    expect(await nodeFileSystem.inspect(`${directory}/copy`)).toBe(undefined)
    expect(await content(opened)).toEqual([['a', '1']])
  })

  it('gives up closing after its time', async () => {
    const never = new Promise<void>(() => {})
    const binding = class {
      ready = () => Promise.resolve()
      close = () => never
    } as unknown as RocksDBConstructor
    await nodeFileSystem.makeDirectory(path)
    await writeFile(join(path, 'LOG'), '')
    const load = async () => ({ default: binding })
    const stuck = await rocksdbStateStore({ load, closeTimeoutMs: 1 })(path, { firstStart: true })
    await expect(stuck.close()).rejects.toMatchObject({ code: 'STATE_NOT_CLOSED' })
  })

  const loadFailures: readonly (readonly [string, object, RegExp])[] = [
    ['the package is missing', { code: 'ERR_MODULE_NOT_FOUND' }, /not installed; run npm ci/],
    ['there is no build', { code: 'ADDON_NOT_FOUND' }, /no build for \w+-\w+/],
    [
      'libatomic is missing',
      { code: 'CANNOT_LOAD', cause: new Error('libatomic.so.1: cannot open shared object file') },
      /install the package libatomic1/,
    ],
    [
      'glibc is too old',
      { code: 'CANNOT_LOAD', cause: new Error("version `GLIBC_2.34' not found") },
      /glibc 2\.34 or later/,
    ],
  ]
  it.each(loadFailures)('says what to do where %s', async (_, properties, expected) => {
    const load = () => Promise.reject(Object.assign(new Error('cannot load'), properties))
    const failed = open({ load })
    await expect(failed).rejects.toMatchObject({ code: 'STATE_BINDING_MISSING' })
    await expect(failed).rejects.toThrow(expected)
    await expect(failed).rejects.toThrow(/backend: memory/)
  })

  // Messages of RocksDB 10.5.1 as they were met; a full disk and a failing one are not made here.
  const messages: readonly (readonly [string, string, string])[] = [
    [
      'ENOSPC',
      'While appending to file: db/000018.sst: No space left on device',
      'STATE_DISK_FULL',
    ],
    ['EIO', 'While appending to file: db/000018.sst: Disk quota exceeded', 'STATE_DISK_FULL'],
    ['EIO', 'While appending to file: db/000018.sst: Input/output error', 'STATE_IO'],
    ['EIO', 'While open a file for appending: db/LOG: Permission denied', 'STATE_IO'],
    ['EIO', 'While lock file: db/LOCK: Resource temporarily unavailable', 'STATE_LOCKED'],
    [
      'EIO',
      'lock hold by current process, acquire time 1: db/LOCK: No locks available',
      'STATE_LOCKED',
    ],
    ['EIO', 'block checksum mismatch: stored = 1, computed = 2 in db/000009.sst', 'STATE_CORRUPT'],
  ]
  it.each(messages)('tells %s "%s" as %s', (code, message, expected) => {
    const cause = Object.assign(new Error(message), { code })
    const wrapped = [
      cause,
      new Error('Batch was not applied', { cause }),
      new AggregateError([undefined, cause], 'Batch was not applied'),
    ]
    const told = wrapped.map((error) => storeFailure('write', 'db', error))
    expect(told.map((error) => error.code)).toEqual([expected, expected, expected])
    expect(told.every((error) => error.message.includes(message))).toBe(true)
  })
})

/** Puts of 200 random bytes each. */
function rows(prefix: string, count: number) {
  return Array.from({ length: count }, (_, i) => ({
    kind: 'put' as const,
    key: Buffer.from(`${prefix}${i}`),
    value: randomBytes(200),
  }))
}
