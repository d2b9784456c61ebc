import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FileSystem } from '../../src/connector/file-system.ts'
import type {
  KeyRange,
  OpenStateStore,
  StateStore,
  StoreChange,
} from '../../src/connector/state-store.ts'

/** A kind of store, and the files that it lies in. */
export interface StoreWorld {
  readonly open: OpenStateStore
  readonly files: FileSystem
  /** A folder that is empty. */
  readonly directory: string
  /** Removes what the test has left. */
  end(): Promise<void>
}

/** What every state store must keep. */
export function stateStoreConformance(makeWorld: () => Promise<StoreWorld>): void {
  let world: StoreWorld
  let path: string
  let store: StateStore
  beforeEach(async () => {
    world = await makeWorld()
    path = `${world.directory}/db`
    store = await world.open(path, { firstStart: true })
  })
  afterEach(async () => {
    await store.close()
    await world.end()
  })

  async function reopen(): Promise<void> {
    await store.close()
    store = await world.open(path, { firstStart: false })
  }

  it('is empty at the first start', async () => {
    expect(await store.getMany([bytes('a')])).toEqual([undefined])
    expect(await store.getMany([])).toEqual([])
    expect(await content(store)).toEqual([])
    expect(await store.verify()).toEqual({ rows: 0, bytes: 0 })
  })

  it('gives what was put, in the order of the question', async () => {
    await store.write([put('a', '1'), put('b', ''), put('c', '3'), put('a', '4'), remove('c')])
    await store.write([])
    expect(texts(await store.getMany(['b', 'x', 'a', 'c', 'a'].map(bytes)))).toEqual([
      '',
      undefined,
      '4',
      undefined,
      '4',
    ])
    expect(await store.verify()).toEqual({ rows: 2, bytes: 3 })
  })

  it('applies the changes of a batch in their order', async () => {
    await store.write([put('a1', 'old'), put('b', 'old')])
    await store.write([put('a2', 'gone'), removeRange('a', 'b'), put('a1', 'new')])
    expect(await content(store)).toEqual([
      ['a1', 'new'],
      ['b', 'old'],
    ])
  })

  it('removes from the first key of a range to before the last', async () => {
    await store.write(['a', 'b', 'b\u0000', 'c', 'd'].map((key) => put(key, key)))
    await store.write([removeRange('b', 'c'), removeRange('d', 'd')])
    expect((await content(store)).map(([key]) => key)).toEqual(['a', 'c', 'd'])
  })

  it('orders keys by their bytes', async () => {
    const keys = ['ff', '00', 'ff00', '0000', '7f', '80', '0001', 'fe'].map((hex) =>
      Buffer.from(hex, 'hex'),
    )
    await store.write(keys.map((key) => ({ kind: 'put', key, value: key })))
    const found = (await rowsOf(store, {}, 3)).map(({ key }) => key.toString('hex'))
    expect(found).toEqual(['00', '0000', '0001', '7f', '80', 'fe', 'ff', 'ff00'])
  })

  it('iterates over a range in lists', async () => {
    const keys = Array.from({ length: 10 }, (_, i) => `k${i}`)
    await store.write(keys.map((key) => put(key, key)))
    const range = { gte: bytes('k2'), lt: bytes('k7') }
    const lists = async (given: KeyRange, batchSize: number) => {
      const found: string[] = []
      for await (const list of store.iterate(given, batchSize)) found.push(list.map(text).join())
      return found
    }
    expect(await lists(range, 2)).toEqual(['k2,k3', 'k4,k5', 'k6'])
    expect(await lists(range, 5)).toEqual(['k2,k3,k4,k5,k6'])
    expect(await lists({ gte: bytes('k8') }, 100)).toEqual(['k8,k9'])
    expect(await lists({ lt: bytes('k1') }, 1)).toEqual(['k0'])
    expect(await lists({ gte: bytes('x') }, 1)).toEqual([])
    expect(await lists({ gte: bytes('k7'), lt: bytes('k2') }, 1)).toEqual([])
  })

  it('iterates over the store as it was when the first list was asked for', async () => {
    const keys = Array.from({ length: 500 }, (_, i) => `k${String(i).padStart(3, '0')}`)
    await store.write(keys.map((key) => put(key, 'old')))
    const rows = store.iterate({}, 10)[Symbol.asyncIterator]()
    const first = rows.next()
    await store.write([...keys.map((key) => put(key, 'new')), put('k0000', 'new')])
    await store.write([removeRange('k1', 'k3')])
    await store.flush()
    const found = [...(await first).value.map(text)]
    for (let next = await rows.next(); !next.done; next = await rows.next()) {
      found.push(...next.value.map(text))
      expect(next.value.every(({ value }) => value.toString() === 'old')).toBe(true)
    }
    expect(found).toEqual(keys)
  })

  it('closes while an iteration is open, and after one that was left', async () => {
    await store.write(Array.from({ length: 100 }, (_, i) => put(`k${100 + i}`, 'v')))
    for await (const list of store.iterate({}, 10)) {
      expect(list.length).toBe(10)
      break
    }
    const open = store.iterate({}, 10)[Symbol.asyncIterator]()
    await open.next()
    await store.close()
    await expect(open.next()).rejects.toMatchObject({ code: 'ASSERTION' })
  })

  it('takes writes in the order of the calls', async () => {
    const writes = Array.from({ length: 50 }, (_, i) => store.write([put('k', String(i))]))
    await Promise.all(writes)
    expect(texts(await store.getMany([bytes('k')]))).toEqual(['49'])
  })

  it('refuses what is malformed, and works on', async () => {
    const wrong = [
      { kind: 'put', key: 5, value: bytes('v') },
      { kind: 'put', key: 'text', value: bytes('v') },
      { kind: 'put', key: Buffer.alloc(0), value: bytes('v') },
      { kind: 'put', key: bytes('k'), value: 'text' },
      { kind: 'put', key: bytes('k'), value: undefined },
      { kind: 'delete', key: undefined },
      { kind: 'deleteRange', gte: bytes('b'), lt: bytes('a') },
      { kind: 'deleteRange', gte: bytes('b'), lt: null },
      { kind: 'merge', key: bytes('k') },
    ]
    for (const change of wrong) {
      const batch = [put('a', '1'), change as unknown as StoreChange]
      await expect(store.write(batch)).rejects.toMatchObject({ code: 'ASSERTION' })
    }
    const noKey = [bytes('a'), 7 as unknown as Buffer]
    await expect(store.getMany(noKey)).rejects.toMatchObject({ code: 'ASSERTION' })
    await store.write([put('b', '2')])
    await store.flush()
    expect(await content(store)).toEqual([['b', '2']])
  })

  it('keeps what was flushed over a close', async () => {
    await store.write([put('a', '1'), put('b', '2')])
    await store.flush()
    await reopen()
    await store.write([remove('a'), put('c', '3')])
    await store.flush()
    await store.flush()
    await reopen()
    expect(await content(store)).toEqual([
      ['b', '2'],
      ['c', '3'],
    ])
  })

  it('keeps what is there when a first start is repeated', async () => {
    await store.write([put('a', '1')])
    await store.flush()
    await store.close()
    store = await world.open(path, { firstStart: true })
    expect(await content(store)).toEqual([['a', '1']])
  })

  it('makes no store where there must be one', async () => {
    const missing = `${world.directory}/missing`
    await expect(world.open(missing, { firstStart: false })).rejects.toMatchObject({
      code: 'STATE_MISSING',
    })
    expect(await world.files.inspect(missing)).toBe(undefined)
    await world.files.makeDirectory(missing)
    await expect(world.open(missing, { firstStart: false })).rejects.toMatchObject({
      code: 'STATE_MISSING',
    })
    expect(await world.files.list(missing)).toEqual([])
  })

  it('makes the folders above it', async () => {
    const deep = await world.open(`${world.directory}/a/b/c`, { firstStart: true })
    await deep.close()
    expect(await world.files.inspect(`${world.directory}/a/b/c`)).toEqual({
      kind: 'directory',
      size: 0,
    })
  })

  it('has one owner', async () => {
    await expect(world.open(path, { firstStart: false })).rejects.toMatchObject({
      code: 'STATE_LOCKED',
    })
    await store.write([put('a', '1')])
    await reopen()
  })

  it('can be used no more when it is closed', async () => {
    await store.close()
    await store.close()
    const closed = { code: 'ASSERTION' }
    await expect(store.getMany([bytes('a')])).rejects.toMatchObject(closed)
    await expect(store.write([put('a', '1')])).rejects.toMatchObject(closed)
    await expect(store.flush()).rejects.toMatchObject(closed)
    await expect(store.verify()).rejects.toMatchObject(closed)
    await expect(store.checkpointTo(`${world.directory}/copy`)).rejects.toMatchObject(closed)
  })

  it('copies what was written before, flushed or not, and nothing after', async () => {
    await store.write([put('a', '1'), put('b', '2')])
    await store.flush()
    await store.write([put('b', '3')])
    const copied = store.checkpointTo(`${world.directory}/1`)
    const after = store.write([put('b', '4'), put('c', '5')])
    await Promise.all([copied, after])
    await store.flush()
    const copy = await world.open(`${world.directory}/1`, { firstStart: false })
    await copy.write([put('d', 'of the copy')])
    await copy.flush()
    expect(await content(copy)).toEqual([
      ['a', '1'],
      ['b', '3'],
      ['d', 'of the copy'],
    ])
    await copy.close()
    const inOriginal = [
      ['a', '1'],
      ['b', '4'],
      ['c', '5'],
    ]
    expect(await content(store)).toEqual(inOriginal)
    await world.files.removeTree(`${world.directory}/1`)
    await reopen()
    expect(await content(store)).toEqual(inOriginal)
    expect(await world.files.list(world.directory)).toEqual(['db'])
  })

  it('copies over nothing', async () => {
    await world.files.makeDirectory(`${world.directory}/there`)
    await expect(store.checkpointTo(`${world.directory}/there`)).rejects.toMatchObject({
      code: 'STATE_IO',
    })
    await store.write([put('a', '1')])
  })

  it('outlives its original by a copy', async () => {
    await store.write(Array.from({ length: 1000 }, (_, i) => put(`k${1000 + i}`, `v${i}`)))
    await store.checkpointTo(`${world.directory}/copy`)
    await store.close()
    await world.files.removeTree(path)
    await world.files.rename(`${world.directory}/copy`, path)
    store = await world.open(path, { firstStart: false })
    expect((await store.verify()).rows).toBe(1000)
  })

  it('answers as a sorted map does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(anyChange, { maxLength: 6 }), { maxLength: 12 }),
        async (batches) => {
          const model = new Map<string, string>()
          await store.write([removeRange('\u0000', '\u007f')])
          for (const [ordinal, batch] of batches.entries()) {
            await store.write(batch)
            for (const change of batch) applyTo(model, change)
            if (ordinal % 4 === 3) await store.flush()
            if (ordinal % 8 === 7) await reopen()
          }
          const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
          expect(await content(store)).toEqual(expected)
          const keys = ['a', 'b', 'aa', 'ab', 'c']
          expect(texts(await store.getMany(keys.map(bytes)))).toEqual(
            keys.map((key) => model.get(key)),
          )
        },
      ),
      { numRuns: 40, seed: 20260101 },
    )
  })
}

/** A put of texts, for tests. */
export function put(key: string, value: string): StoreChange {
  return { kind: 'put', key: bytes(key), value: bytes(value) }
}

/** All rows as texts. */
export async function content(store: StateStore): Promise<[string, string][]> {
  const rows = await rowsOf(store, {}, 7)
  return rows.map(({ key, value }) => [key.toString(), value.toString()])
}

function remove(key: string): StoreChange {
  return { kind: 'delete', key: bytes(key) }
}

function removeRange(gte: string, lt: string): StoreChange {
  return { kind: 'deleteRange', gte: bytes(gte), lt: bytes(lt) }
}

function bytes(value: string): Buffer {
  return Buffer.from(value)
}

function text({ key }: { readonly key: Buffer }): string {
  return key.toString()
}

function texts(values: readonly (Buffer | undefined)[]): (string | undefined)[] {
  return values.map((value) => value?.toString())
}

async function rowsOf(store: StateStore, range: KeyRange, batchSize: number) {
  const rows = []
  for await (const list of store.iterate(range, batchSize)) rows.push(...list)
  return rows
}

const key = fc.stringMatching(/^[a-c]{1,2}$/)
const anyChange: fc.Arbitrary<StoreChange> = fc.oneof(
  fc.tuple(key, fc.stringMatching(/^[0-9]{0,3}$/)).map(([at, value]) => put(at, value)),
  key.map(remove),
  fc
    .tuple(key, key)
    .map(([one, other]) => (one < other ? removeRange(one, other) : removeRange(other, one))),
)

function applyTo(model: Map<string, string>, change: StoreChange): void {
  switch (change.kind) {
    case 'put':
      model.set(change.key.toString(), change.value.toString())
      break
    case 'delete':
      model.delete(change.key.toString())
      break
    case 'deleteRange':
      for (const at of [...model.keys()]) {
        if (at >= change.gte.toString() && at < change.lt.toString()) model.delete(at)
      }
  }
}
