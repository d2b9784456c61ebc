import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CheckpointStore, openCheckpointStore } from '../../src/checkpoint/checkpoint-store.ts'
import { DiskKeyedStateBackend } from '../../src/checkpoint/disk-keyed-state-backend.ts'
import { keyOf } from '../../src/checkpoint/entry-page.ts'
import { pagesOf } from '../../src/checkpoint/log-contents.ts'
import { StateCache } from '../../src/checkpoint/state-cache.ts'
import type { KeyEntry } from '../../src/state/keyed-state-backend.ts'
import { hashKey } from '../../src/stream/key-group.ts'
import { batchOf, TextEntries } from '../harness/text-entries.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'
import { backendConformance } from '../state/backend-conformance.ts'
import { stateConformance } from '../state/state-conformance.ts'

const make = () => new DiskKeyedStateBackend(new StateCache())

describe('the backend with a disk below', () => {
  backendConformance(make)

  it('keeps what a Map keeps, whatever leaves memory and wherever it dies', async () => {
    const seen = { crashes: 0, cold: 0, fired: 0, expired: 0, scanned: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.nat(),
        async (steps, seed) => {
          const run = await Run.start(await machineWithFolder(seed), seen)
          for (const each of steps) await run.take(each)
          await run.take({ kind: 'crash', crash: 'kill' })
          await run.close()
        },
      ),
      { numRuns: 400, seed: 20260101 },
    )
    expect(Object.values(seen).every((count) => count > 100)).toBe(true)
  }, 120_000)

  it('keeps only as many entries in memory as it may', async () => {
    const machine = await machineWithFolder()
    const entries = new TextEntries(280 * 10).open(await open(machine))
    for (let index = 0; index < 500; index++) {
      await entries.set(`key ${index}`, `${index}`)
      entries.trim()
    }
    expect(entries.backend.size).toBeLessThanOrEqual(10)
    expect(entries.backend.coldKeys).toBe(500 - entries.backend.size)
    expect(await entries.get('key 7')).toBe('7')
  })

  it('deletes pages whose keys have all run out, been deleted or been written again', async () => {
    const store = await open(await machineWithFolder())
    const entries = new TextEntries().open(store)
    const writer = new Writer(store, entries)
    for (let index = 0; index < 500; index++) {
      await entries.set(`deleted ${index}`, 'a')
      if (index % 50 === 0) entries.trim()
    }
    for (let index = 0; index < 500; index++) await entries.set(`again ${index}`, 'b')
    await writer.checkpoint()
    for (let index = 0; index < 500; index++) await entries.set(`expired ${index}`, 'until 20000 c')
    for (const name of oneHash) await entries.set(name, 'until 20000 d')
    await writer.checkpoint()
    for (let index = 0; index < 500; index++) {
      await entries.set(`deleted ${index}`, undefined)
      await entries.set(`again ${index}`, 'e')
    }
    entries.backend.advanceWatermark(50_000)
    entries.trim()
    await writer.checkpoint()
    await entries.backend.close()
    const kept = new Set((await recordsIn(store)).map((name) => name.split(' ')[0]))
    // What stood in a page with the last of those that are gone is there still.
    expect([...kept].sort()).toEqual(['again', 'deleted'])
    expect((await recordsIn(store)).length).toBeLessThan(1100)
  })

  it('finds the keys of a batch in whatever order they are asked for and leave memory', async () => {
    const machine = await machineWithFolder()
    const first = await open(machine)
    const before = new TextEntries().open(first)
    for (let index = 0; index < 60; index++) await before.set(`key ${index}`, `text ${index}`)
    await new Writer(first, before).checkpoint()
    await before.backend.close()
    await first.close()
    const range = fc
      .tuple(fc.nat(80), fc.nat(80))
      .map(([one, other]) => ({ from: Math.min(one, other), to: Math.max(one, other) }))
    const turn = fc.record({ range, isAhead: fc.boolean(), trims: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { maxLength: 12 }), async (turns) => {
        const store = await open(machine)
        const entries = new TextEntries().open(store)
        const names = Array.from({ length: 80 }, (_, index) => `key ${(index * 7) % 80}`)
        const batch = batchOf(...names)
        try {
          for (const { range, isAhead, trims } of turns) {
            const { from, to } = range
            const asked = entries.backend.ask(batch, from, to)
            if (!isAhead) {
              for (let wait = asked; wait !== null; wait = entries.backend.ask(batch, from, to)) {
                await wait
              }
              const found: (KeyEntry | undefined)[] = []
              entries.backend.findAll(batch, from, to, found)
              const texts = names.slice(from, to).map((_, index) => found[index]?.get(0))
              expect(texts).toEqual(names.slice(from, to).map(textOfName))
            }
            if (trims) entries.trim()
          }
        } finally {
          await entries.backend.close()
          await store.close()
        }
      }),
      { numRuns: 200, seed: 20261122 },
    )
  })

  it('keeps a log that is not much longer than what counts of it, and forgets nothing', async () => {
    const machine = await machineWithFolder()
    const store = await open(machine)
    const entries = new TextEntries(280 * 100).open(store)
    const writer = new Writer(store, entries)
    const often = 1000
    for (let index = 0; index < 200; index++) {
      await entries.set(`once ${index}`, 'stays')
      await entries.set(`expired ${index}`, 'until 20000 x')
    }
    entries.backend.advanceWatermark(40_000)
    let longest = 0
    for (let round = 0; round < 30; round++) {
      for (let index = 0; index < often; index++) {
        await entries.set(`often ${index}`, `${round}`)
        if (index % 100 === 0) entries.trim()
      }
      await writer.checkpoint()
      longest = Math.max(longest, (await recordsIn(store)).length)
    }
    expect(longest).toBeGreaterThan(8000)
    expect(longest).toBeLessThan(8192 + 6 * often)
    machine.crash('kill')
    const again = new TextEntries().open(await open(machine.reopen()))
    for (let index = 0; index < 200; index++) {
      expect(await again.get(`once ${index}`)).toBe('stays')
    }
    for (let index = 0; index < often; index++) expect(await again.get(`often ${index}`)).toBe('29')
  }, 60_000)
})

/** What the test of batches has for a key. */
function textOfName(name: string): string | undefined {
  const index = Number(name.slice('key '.length))
  return index < 60 ? `text ${index}` : undefined
}

/** The keys of all records on disk, one for each. */
async function recordsIn(store: CheckpointStore): Promise<string[]> {
  const log = { operator: 'op', store: store.rows, directory: store.directory }
  const names: string[] = []
  for await (const pages of pagesOf(log, 0)) {
    for (const { content } of pages) {
      for (let slot = 0; slot < content.count; slot++) names.push(keyOf(content.recordAt(slot)))
    }
  }
  return names
}

describe('what is written beside the stream', () => {
  const many = 25_000

  it('leaves it its turn while many keys run out', async () => {
    const { store, gate } = await openGated()
    const entries = new TextEntries().open(store)
    const writer = new Writer(store, entries)
    for (let index = 0; index < many; index++) {
      await entries.set(`key ${index}`, 'until 20000 x')
      if (index % 1000 === 0) entries.trim()
    }
    await writer.checkpoint()
    entries.trim()
    entries.backend.advanceWatermark(50_000)
    await writer.checkpoint()
    gate.close()
    expect(await isEverBehind(entries)).toBe(false)
    gate.open()
    await entries.backend.close()
    const { value: row } = await store.rows
      .iterate({ gte: Buffer.from('e'), lt: Buffer.from('f') }, 1)
      [Symbol.asyncIterator]()
      .next()
    expect(row).toBe(undefined)
  }, 60_000)

  it('leaves it its turn while a checkpoint has many keys', async () => {
    const { store, gate } = await openGated()
    const entries = new TextEntries(1 << 30).open(store)
    const writer = new Writer(store, entries)
    for (let index = 0; index < many; index++) await entries.set(`key ${index}`, 'x')
    gate.close()
    const written = writer.checkpoint()
    expect(await isEverBehind(entries)).toBe(false)
    gate.open()
    await written
    expect(store.head.number).toBe(1)
  }, 60_000)
})

/** A store that writes nothing while its gate is closed. */
async function openGated() {
  const machine = await machineWithFolder()
  let wait: Promise<void> | null = null
  let open: () => void = () => undefined
  const gate = {
    close: () => {
      wait = new Promise((resolve) => {
        open = resolve
      })
    },
    open: () => open(),
  }
  const openStateStore: typeof machine.openStateStore = async (directory, options) => {
    const store = await machine.openStateStore(directory, options)
    const write = store.write.bind(store)
    store.write = async (batch) => {
      await wait
      await write(batch)
    }
    return store
  }
  return { gate, store: await openOn(machine.files, openStateStore) }
}

/** Whether the stream would have to wait in one of many turns. */
async function isEverBehind({ backend }: TextEntries): Promise<boolean> {
  for (let turn = 0; turn < 500; turn++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (backend.isBehind) return true
  }
  return false
}

describe('keyed state with a disk below', () => {
  stateConformance(make)
})

/** Two keys that have the same hash. */
const oneHash = keysOfOneHash()

function keysOfOneHash(): readonly [string, string] {
  const known = new Map<number, string>()
  for (let index = 0; ; index++) {
    const name = `key ${index}`
    const hash = hashKey(Buffer.from(name))
    const same = known.get(hash)
    if (same !== undefined) return [same, name]
    known.set(hash, name)
  }
}

type Step =
  | { readonly kind: 'set'; readonly key: string; readonly text: string; readonly inMs: number }
  | { readonly kind: 'until'; readonly key: string; readonly forMs: number }
  | { readonly kind: 'delete' | 'get'; readonly key: string }
  | { readonly kind: 'trim' | 'freeze' | 'complete' | 'scan' }
  | { readonly kind: 'write'; readonly count: number }
  | { readonly kind: 'advance'; readonly byMs: number }
  | { readonly kind: 'crash'; readonly crash: 'kill' | 'power' }

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', '\u0000', 'a\u0000', 'a\u0001', 'ÿ')
const time = fc.constantFrom(1, 700, 5000, 17_000, 40_000)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('set'),
      key,
      text: fc.string(),
      inMs: fc.oneof(fc.constant(Infinity), time),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('until'), key, forMs: time }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('delete', 'get'), key }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('trim') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scan') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('freeze') }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('write'), count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('complete') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance'), byMs: time }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('crash'), crash: fc.constantFrom('kill', 'power') }),
  },
) as fc.Arbitrary<Step>

type Seen = Record<'crashes' | 'cold' | 'fired' | 'expired' | 'scanned', number>

interface Model {
  readonly texts: Map<string, { readonly text: string; readonly timerAt: number }>
  readonly watermark: number
}

/** What is under way beside the stream. */
class Writer {
  readonly #store: CheckpointStore
  readonly #entries: TextEntries
  #frozen: ReturnType<DiskKeyedStateBackend['freeze']> | null = null

  constructor(store: CheckpointStore, entries: TextEntries) {
    this.#store = store
    this.#entries = entries
  }

  get isIdle(): boolean {
    return this.#frozen === null
  }

  freeze(): void {
    this.#frozen = this.#entries.backend.freeze()
  }

  write(count: number): void {
    this.#frozen?.write(count)
  }

  async complete(): Promise<void> {
    const entries = this.#frozen
    if (entries === null) return
    const { checkpoint: number } = entries
    const operators = [{ operator: 'op', entries, parts: [] }]
    const checkpoint = { number, job: null, operators, outboxes: new Map() }
    await this.#store.write(await this.#store.prepare(checkpoint, async () => undefined))
    this.#entries.backend.notifyCheckpointComplete()
    this.#frozen = null
  }

  async checkpoint(): Promise<void> {
    this.freeze()
    await this.complete()
  }
}

function open({ files, openStateStore }: SimulatedMachine): Promise<CheckpointStore> {
  return openOn(files, openStateStore)
}

function openOn(
  files: SimulatedMachine['files'],
  openStateStore: SimulatedMachine['openStateStore'],
): Promise<CheckpointStore> {
  // What goes on beside the stream does so wherever that waits.
  const scheduler = { sleep: async () => undefined }
  return openCheckpointStore({ files, openStateStore, directory: '/data/state', scheduler })
}

/** The backend beside a Map, over lives and deaths. */
class Run {
  #machine: SimulatedMachine
  readonly #seen: Seen
  #store!: CheckpointStore
  #entries!: TextEntries
  #writer!: Writer
  #now: Model = { texts: new Map(), watermark: 0 }
  #frozen: Model = { texts: new Map(), watermark: 0 }
  #durable: Model = this.#frozen

  constructor(machine: SimulatedMachine, seen: Seen) {
    this.#machine = machine
    this.#seen = seen
  }

  static async start(machine: SimulatedMachine, seen: Seen): Promise<Run> {
    const run = new Run(machine, seen)
    await run.#open()
    return run
  }

  async take(each: Step): Promise<void> {
    const { texts, watermark } = this.#now
    switch (each.kind) {
      case 'set':
        return await this.#set(each.key, each.text, watermark + each.inMs)
      case 'until': {
        const until = watermark + each.forMs
        return await this.#set(each.key, `until ${until} x`, Infinity)
      }
      case 'delete':
        texts.delete(each.key)
        return await this.#entries.set(each.key, undefined)
      case 'get':
        return await this.#compare(each.key)
      case 'trim':
        this.#entries.trim()
        this.#seen.cold += this.#entries.backend.coldKeys
        return
      case 'scan':
        await this.#entries.backend.loaded()
        this.#seen.scanned += this.#entries.backend.coldKeys
        return
      case 'freeze':
        if (!this.#writer.isIdle) return
        this.#frozen = { texts: new Map(texts), watermark }
        return this.#writer.freeze()
      case 'write':
        return this.#writer.write(each.count)
      case 'complete':
        if (!this.#writer.isIdle) this.#durable = this.#frozen
        return await this.#writer.complete()
      case 'advance':
        return await this.#advance(watermark + each.byMs)
      case 'crash':
        return await this.#crash(each.crash)
    }
  }

  async close(): Promise<void> {
    for (const name of ['a', 'b', 'c', 'd', 'e', '\u0000', 'a\u0000', 'a\u0001', 'ÿ']) {
      await this.#compare(name)
    }
    await this.#entries.backend.close()
  }

  async #open(): Promise<void> {
    this.#store = await open(this.#machine)
    this.#entries = new TextEntries().open(this.#store)
    this.#entries.backend.restoreWatermark(this.#now.watermark)
    this.#writer = new Writer(this.#store, this.#entries)
  }

  async #set(name: string, text: string, timerAt: number): Promise<void> {
    this.#now.texts.set(name, { text, timerAt })
    await this.#entries.set(name, text, timerAt)
  }

  async #compare(name: string): Promise<void> {
    const text = await this.#entries.get(name)
    const expected = this.#now.texts.get(name)?.text
    const until = Number(/^until (\d+) /.exec(expected ?? '')?.[1] ?? Infinity)
    // What has run out may be there or not.
    if (until <= this.#now.watermark && text === undefined) this.#seen.expired++
    else expect(text).toBe(expected)
  }

  /** What is due is deleted. */
  async #advance(watermark: number): Promise<void> {
    const { backend } = this.#entries
    const fired = new Set<string>()
    for (;;) {
      for (let wait = backend.askDue(watermark); wait !== null; wait = backend.askDue(watermark)) {
        await wait
      }
      const brought = backend.bringInDue()
      for (const entry of [...backend.entries()]) {
        if (entry.timerAt > watermark) continue
        fired.add(entry.key)
        await this.#entries.set(entry.key, undefined)
      }
      if (fired.size % 2 === 0) this.#entries.trim()
      if (brought === 0) break
    }
    const due = [...this.#now.texts].filter(([, { timerAt }]) => timerAt <= watermark)
    expect([...fired].sort()).toEqual(due.map(([name]) => name).sort())
    this.#seen.fired += due.length
    for (const [name] of due) this.#now.texts.delete(name)
    backend.advanceWatermark(watermark)
    this.#now = { ...this.#now, watermark }
  }

  async #crash(crash: 'kill' | 'power'): Promise<void> {
    this.#seen.crashes++
    // What was handed over may be on the disk, or not.
    await Promise.resolve()
    this.#machine.crash(crash)
    this.#machine = this.#machine.reopen()
    this.#now = { texts: new Map(this.#durable.texts), watermark: this.#durable.watermark }
    await this.#open()
  }
}
