import { describe, expect, it } from 'vitest'
import { content, put } from '../connectors/state-store-conformance.ts'
import { SimulatedMachine } from './simulated-machine.ts'
import { SimulatedTime } from './simulated-time.ts'

describe('a full disk', () => {
  it('takes perhaps a part of an append, and all of it later', async () => {
    const sizes = new Set<number>()
    for (let seed = 0; seed < 100; seed++) {
      const machine = new SimulatedMachine({ seed })
      const file = await machine.files.openFile('/log', 'new')
      await file.append(Buffer.from('ab'))
      machine.faults = { diskFull: 1 }
      await expect(file.append(Buffer.from('cde'))).rejects.toMatchObject({ code: 'ENOSPC' })
      const status = await machine.files.inspect('/log')
      sizes.add(status?.size ?? 0)
      machine.faults = {}
      await file.append(Buffer.from('CDEF'))
      expect((await machine.files.readFile('/log')).toString()).toBe('abCDEF')
    }
    expect([...sizes].sort()).toEqual([2, 3, 4, 5])
  })

  it('lets a store be read but not written', async () => {
    const machine = new SimulatedMachine({ seed: 1 })
    const store = await machine.openStateStore('/db', { firstStart: true })
    await store.write([put('a', '1')])
    machine.faults = { diskFull: 1 }
    const full = { code: 'STATE_DISK_FULL' }
    await expect(store.write([put('a', '2')])).rejects.toMatchObject(full)
    await expect(store.flush()).rejects.toMatchObject(full)
    await expect(store.checkpointTo('/copy')).rejects.toMatchObject(full)
    expect(await content(store)).toEqual([['a', '1']])
    machine.faults = {}
    await store.write([put('b', '3')])
    await store.flush()
    const after = await machine.reopen().openStateStore('/db', { firstStart: false })
    expect((await content(after)).flat()).toEqual(['a', '1', 'b', '3'])
  })
})

describe('a failing disk', () => {
  it('may lose what a failed sync was to write, even if a later one succeeds', async () => {
    const found = new Set<string>()
    for (let seed = 0; seed < 100; seed++) {
      const machine = new SimulatedMachine({ seed })
      const file = await machine.files.openFile('/log', 'new')
      await machine.files.syncDirectory('/')
      await file.append(Buffer.from('a'))
      machine.faults = { ioError: 1 }
      await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
      machine.faults = {}
      await file.append(Buffer.from('b'))
      await file.sync()
      expect((await machine.files.readFile('/log')).toString()).toBe('ab')
      machine.crash()
      found.add((await machine.reopen().files.readFile('/log')).toString())
    }
    expect([...found].sort()).toEqual(['\0b', 'ab'])
  })

  it('leaves the outcome of a failed flush open', async () => {
    const found = new Set<number>()
    for (let seed = 0; seed < 100; seed++) {
      const machine = new SimulatedMachine({ seed })
      const store = await machine.openStateStore('/db', { firstStart: true })
      for (const key of ['a', 'b']) await store.write([put(key, '1')])
      machine.faults = { ioError: 1 }
      await expect(store.flush()).rejects.toMatchObject({ code: 'STATE_IO' })
      const after = await machine.reopen().openStateStore('/db', { firstStart: false })
      found.add((await content(after)).length)
    }
    expect([...found].sort()).toEqual([0, 1, 2])
  })

  it('changes one bit of a file for good', async () => {
    const machine = new SimulatedMachine({ seed: 1 })
    const file = await machine.files.openFile('/a', 'new')
    await file.append(Buffer.alloc(1000))
    await file.sync()
    await machine.files.syncDirectory('/')
    machine.faults = { flippedBit: 1 }
    const read = await machine.files.readFile('/a')
    machine.faults = {}
    const ones = [...read].reduce(
      (sum, byte) => sum + byte.toString(2).replaceAll('0', '').length,
      0,
    )
    expect(ones).toBe(1)
    expect((await machine.reopen().files.readFile('/a')).equals(read)).toBe(true)
  })

  it('damages a row, which a full scan finds and a new value mends', async () => {
    const machine = new SimulatedMachine({ seed: 1 })
    const store = await machine.openStateStore('/db', { firstStart: true })
    const keys = ['a', 'b', 'c']
    await store.write(keys.map((key) => put(key, '1')))
    await store.flush()
    machine.faults = { flippedBit: 1 }
    const corrupt = { code: 'STATE_CORRUPT' }
    await expect(store.verify()).rejects.toMatchObject(corrupt)
    machine.faults = {}
    await store.checkpointTo('/copy')
    const reads = keys.map((key) => store.getMany([Buffer.from(key)]).catch((error) => error.code))
    const found = await Promise.all(reads)
    expect(found.filter((each) => each === 'STATE_CORRUPT').length).toBe(1)
    const copy = await machine.openStateStore('/copy', { firstStart: false })
    await expect(copy.verify()).rejects.toMatchObject(corrupt)
    await store.write(keys.map((key) => put(key, '2')))
    expect(await store.verify()).toEqual({ rows: 3, bytes: 6 })
  })
})

describe('a slow disk', () => {
  /** What happened when, with operations of two jobs that meet. */
  async function trace(seed: number): Promise<string[]> {
    const time = new SimulatedTime(1000)
    const faults = { slow: 0.7, slowMs: 50, ioError: 0.2 }
    const machine = new SimulatedMachine({ seed, time })
    const lines: string[] = []
    const job = async (name: string) => {
      const store = await machine.openStateStore(`/${name}`, { firstStart: true })
      machine.faults = faults
      for (let i = 0; i < 10; i++) {
        const done = await store.write([put('k', String(i))]).then(
          () => 'written',
          (error) => error.code,
        )
        lines.push(`${time.now()} ${name} ${i} ${done}`)
      }
    }
    await time.run(Promise.all([job('a'), job('b')]))
    return lines
  }

  it('takes simulated time, the same at every run', async () => {
    const first = await trace(7)
    expect(await trace(7)).toEqual(first)
    expect(await trace(8)).not.toEqual(first)
    expect(new Set(first.map((line) => line.split(' ').at(-1)))).toEqual(
      new Set(['written', 'STATE_IO']),
    )
    const times = first.map((line) => Number.parseInt(line, 10))
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(Number(times.at(-1)) > 1100).toBe(true)
  })
})

describe('simulated time', () => {
  it('wakes in order of time, and of the calls where that is the same', async () => {
    const time = new SimulatedTime()
    const lines: string[] = []
    const wait = async (name: string, milliseconds: number) => {
      await time.sleep(milliseconds)
      lines.push(`${time.now()} ${name}`)
      if (name === 'a') await wait('after a', 5)
    }
    await time.run(Promise.all([wait('c', 20), wait('a', 10), wait('b', 10), wait('d', 15)]))
    expect(lines).toEqual(['10 a', '10 b', '15 d', '15 after a', '20 c'])
  })

  it('fails where nothing will ever happen', async () => {
    const never = new Promise<void>(() => {})
    await expect(new SimulatedTime().run(never)).rejects.toThrow(/never happen/)
  })

  it('throws what the work throws', async () => {
    const time = new SimulatedTime()
    const work = time.sleep(5).then(() => Promise.reject(new Error('thrown')))
    await expect(time.run(work)).rejects.toThrow('thrown')
  })
})
