import { describe, expect, it } from 'vitest'
import { type FileSystem, replaceFile } from '../../src/connector/file-system.ts'
import { content, put } from '../connectors/state-store-conformance.ts'
import { SimulatedCrash, SimulatedMachine } from './simulated-machine.ts'

/** Every state that a crash leaves, over many seeds: what `look` finds after `work` and a power cut. */
async function outcomes(
  work: (machine: SimulatedMachine) => Promise<void>,
  look: (machine: SimulatedMachine) => Promise<string>,
  crash: 'power' | 'kill' = 'power',
): Promise<string[]> {
  const found = new Set<string>()
  for (let seed = 0; seed < 300; seed++) {
    const machine = new SimulatedMachine({ seed })
    await work(machine)
    machine.crash(crash)
    found.add(await look(machine.reopen()))
  }
  return [...found].sort()
}

/** Crashes at each operation of the work, under many seeds; gives how many crashes there were. */
async function crashEverywhere(
  work: (machine: SimulatedMachine) => Promise<void>,
  check: (machine: SimulatedMachine) => Promise<void>,
): Promise<number> {
  let crashes = 0
  for (let seed = 0; seed < 30; seed++) {
    for (let crashAt = 1; ; crashAt++) {
      const machine = new SimulatedMachine({ seed: seed * 1000 + crashAt })
      await machine.files.makeDirectory('/job')
      machine.faults = { crashAt: machine.operations + crashAt }
      const done = await work(machine).then(
        () => true,
        (error) => {
          expect(error).toBeInstanceOf(SimulatedCrash)
          return false
        },
      )
      if (done) break
      crashes++
      await check(machine.reopen())
    }
  }
  return crashes
}

async function append(files: FileSystem, path: string, ...parts: readonly string[]) {
  const file = await files.openFile(path, 'either')
  for (const part of parts) await file.append(Buffer.from(part))
  return file
}

async function readOr(files: FileSystem, path: string, otherwise: string): Promise<string> {
  const status = await files.inspect(path)
  return status === undefined ? otherwise : (await files.readFile(path)).toString()
}

describe('a power cut', () => {
  it('leaves what was synced and any part of what was appended after', async () => {
    const found = await outcomes(
      async ({ files }) => {
        const file = await append(files, '/log', 'synced.')
        await file.sync()
        await files.syncDirectory('/')
        await file.append(Buffer.from('abc'))
      },
      ({ files }) => readOr(files, '/log', 'missing'),
    )
    expect(found).toEqual(['synced.', 'synced.a', 'synced.ab', 'synced.abc'])
  })

  it('may leave a later write without an earlier one, and zeros for what is not written', async () => {
    const found = await outcomes(
      async ({ files }) => {
        await append(files, '/log')
        await files.syncDirectory('/')
        await append(files, '/log', 'a', 'b')
      },
      ({ files }) => readOr(files, '/log', 'missing'),
    )
    expect(found).toEqual(['', '\0', '\0b', 'a', 'ab'])
  })

  it('leaves a name only where its folder was synced', async () => {
    const make = async ({ files }: SimulatedMachine) => (await append(files, '/a', 'x')).sync()
    const look = ({ files }: SimulatedMachine) => readOr(files, '/a', 'missing')
    expect(await outcomes(make, look)).toEqual(['missing', 'x'])
    const sync = async (machine: SimulatedMachine) => {
      await make(machine)
      await machine.files.syncDirectory('/')
    }
    expect(await outcomes(sync, look)).toEqual(['x'])
  })

  it('leaves a rename done or undone, and may bring back what was removed', async () => {
    const files = async (machine: SimulatedMachine, synced: boolean) => {
      for (const name of ['a', 'b', 'c'])
        await (await append(machine.files, `/${name}`, name)).sync()
      await machine.files.syncDirectory('/')
      await machine.files.rename('/a', '/b')
      await machine.files.remove('/c')
      if (synced) await machine.files.syncDirectory('/')
    }
    const look = async (machine: SimulatedMachine) => {
      const names = await machine.files.list('/')
      const texts = names.map(async (name) => `${name}=${await machine.files.readFile(`/${name}`)}`)
      return (await Promise.all(texts)).join()
    }
    expect(await outcomes((machine) => files(machine, false), look)).toEqual([
      'a=a,b=b',
      'a=a,b=b,c=c',
      'b=a',
      'b=a,c=c',
    ])
    expect(await outcomes((machine) => files(machine, true), look)).toEqual(['b=a'])
  })

  it('may leave a tree removed in part', async () => {
    const found = await outcomes(
      async ({ files }) => {
        await files.makeDirectory('/tree')
        for (const name of ['a', 'b']) await append(files, `/tree/${name}`)
        await files.syncDirectory('/tree')
        await files.removeTree('/tree')
      },
      async ({ files }) => {
        const there = (await files.inspect('/tree')) !== undefined
        return there ? (await files.list('/tree')).join('') : 'missing'
      },
    )
    expect(found).toEqual(['', 'a', 'ab', 'b', 'missing'])
  })

  it('leaves batches of a store whole, up to one of those after the last flush', async () => {
    const found = await outcomes(
      async (machine) => {
        const store = await machine.openStateStore('/db', { firstStart: true })
        await store.write([put('k1', 'a'), put('k2', 'a')])
        await store.flush()
        await store.write([put('k1', 'b'), put('k2', 'b')])
        await store.write([put('k1', 'c'), put('k2', 'c'), put('k3', 'c')])
      },
      async (machine) => {
        const store = await machine.openStateStore('/db', { firstStart: false })
        return (await content(store)).flat().join('')
      },
    )
    expect(found).toEqual(['k1ak2a', 'k1bk2b', 'k1ck2ck3c'])
  })
})

describe('the death of the process alone', () => {
  it('loses nothing that was written', async () => {
    const found = await outcomes(
      async (machine) => {
        await append(machine.files, '/log', 'a', 'b')
        const store = await machine.openStateStore('/db', { firstStart: true })
        await store.write([put('k', '1')])
      },
      async (machine) => {
        const store = await machine.openStateStore('/db', { firstStart: false })
        return `${await readOr(machine.files, '/log', 'missing')} ${await content(store)}`
      },
      'kill',
    )
    expect(found).toEqual(['ab k,1'])
  })
})

describe('a crash at any operation', () => {
  it('leaves a replaced file old or new, and new once that was said', async () => {
    let said = ''
    const crashes = await crashEverywhere(
      async ({ files }) => {
        said = 'missing'
        for (const text of ['one', 'two, longer', 'three']) {
          await replaceFile(files, '/job', 'state', Buffer.from(text))
          said = text
        }
      },
      async ({ files }) => {
        const texts = ['missing', 'one', 'two, longer', 'three']
        const found = texts.indexOf(await readOr(files, '/job/state', 'missing'))
        expect([0, 1]).toContain(found - texts.indexOf(said))
      },
    )
    expect(crashes).toBe(30 * 3 * 6)
  })

  const careless: readonly (readonly [string, (files: FileSystem) => FileSystem])[] = [
    ['the file', (files) => ({ ...bound(files), openFile: unsynced(files) })],
    ['the folder', (files) => ({ ...bound(files), syncDirectory: async () => {} })],
  ]
  it.each(careless)('finds out who does not sync %s', async (_, carelessly) => {
    let said = false
    const bad: string[] = []
    await crashEverywhere(
      async ({ files }) => {
        said = false
        await replaceFile(carelessly(files), '/job', 'state', Buffer.from('content'))
        said = true
        await files.inspect('/job')
      },
      async ({ files }) => {
        const found = await readOr(files, '/job/state', 'missing')
        if (found !== 'content' && (said || found !== 'missing')) bad.push(found)
      },
    )
    expect(bad).not.toEqual([])
  })

  it('leaves batches whole and acknowledged ones there', async () => {
    let written = 0
    let acknowledged = 0
    const crashes = await crashEverywhere(
      async (machine) => {
        written = 0
        acknowledged = 0
        const store = await machine.openStateStore('/job/db', { firstStart: true })
        while (written < 6) {
          written++
          await store.write([put('a', String(written)), put('b', String(written))])
          if (written % 2 === 1) continue
          await store.flush()
          acknowledged = written
        }
      },
      async (machine) => {
        const store = await machine.openStateStore('/job/db', { firstStart: acknowledged === 0 })
        const [a, b] = await content(store)
        expect(a?.[1]).toBe(b?.[1])
        const found = Number(a?.[1] ?? 0)
        expect([found >= acknowledged, found <= written]).toEqual([true, true])
      },
    )
    expect(crashes).toBeGreaterThan(300)
  })

  it('leaves a copy of a store whole or not at all', async () => {
    let said = false
    let seen = 0
    await crashEverywhere(
      async (machine) => {
        said = false
        const store = await machine.openStateStore('/job/db', { firstStart: true })
        await store.write([put('a', '1'), put('b', '2')])
        await store.checkpointTo('/job/copy')
        said = true
        await store.write([put('a', '3')])
        await store.flush()
      },
      async (machine) => {
        if ((await machine.files.inspect('/job/copy')) === undefined) {
          expect(said).toBe(false)
          return
        }
        seen++
        const copy = await machine.openStateStore('/job/copy', { firstStart: false })
        expect((await content(copy)).flat()).toEqual(['a', '1', 'b', '2'])
      },
    )
    expect(seen).toBeGreaterThan(30)
  })

  it('ends the machine: what was open on it can do no more', async () => {
    const machine = new SimulatedMachine({ seed: 3 })
    const store = await machine.openStateStore('/db', { firstStart: true })
    const file = await append(machine.files, '/log', 'x')
    machine.faults = { crashAt: machine.operations + 1 }
    await expect(store.flush()).rejects.toThrow(SimulatedCrash)
    expect(machine.crashed).toBe(true)
    const next = machine.reopen()
    const reopened = await next.openStateStore('/db', { firstStart: false })
    const late = [
      store.write([put('late', '1')]),
      store.getMany([Buffer.from('a')]),
      file.append(Buffer.from('late')),
      machine.files.list('/'),
      machine.openStateStore('/db', { firstStart: false }),
    ]
    for (const each of late) await expect(each).rejects.toThrow(SimulatedCrash)
    await store.close()
    expect(await content(reopened)).toEqual([])
    await expect(next.openStateStore('/db', { firstStart: false })).rejects.toMatchObject({
      code: 'STATE_LOCKED',
    })
  })
})

function bound(files: FileSystem): FileSystem {
  return {
    readFile: (path) => files.readFile(path),
    readRange: (path, offset, length) => files.readRange(path, offset, length),
    openFile: (path, mode) => files.openFile(path, mode),
    inspect: (path) => files.inspect(path),
    list: (directory) => files.list(directory),
    rename: (from, to) => files.rename(from, to),
    link: (existing, path) => files.link(existing, path),
    remove: (path) => files.remove(path),
    removeTree: (path) => files.removeTree(path),
    makeDirectory: (directory) => files.makeDirectory(directory),
    syncDirectory: (directory) => files.syncDirectory(directory),
  }
}

function unsynced(files: FileSystem): FileSystem['openFile'] {
  return async (path, mode) => {
    const file = await files.openFile(path, mode)
    return {
      append: (bytes) => file.append(bytes),
      writeAt: (position, bytes) => file.writeAt(position, bytes),
      truncate: (size) => file.truncate(size),
      sync: async () => {},
      close: () => file.close(),
    }
  }
}
