import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { TwoPhaseCommitFileSink } from '../../connectors/file/two-phase-commit-sink.ts'
import { nodeFileSystem } from '../../connectors/node-file-system.ts'
import { connectors } from '../../connectors/registry.ts'
import { FileSystemError } from '../../src/connector/file-system.ts'
import { setContent, textOf, watchedFiles } from '../harness/watched-files.ts'
import { crashEverywhere, machineWithFolder } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'
import { alertOf, twoPhaseCommitConformance } from './two-phase-commit-sink-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-commit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const freshPath = () => join(folder, `alerts-${files++}.ndjson`)
const lines = (...names: string[]) => names.map((name) => `${alertOf(name).document}\n`).join('')
const path = '/data/alerts.ndjson'
const simulatedFiles = async () => watchedFiles((await machineWithFolder()).files)

describe('a file sink that commits with checkpoints', () => {
  twoPhaseCommitConformance(() => {
    const target = freshPath()
    return {
      instance: (job) => new TwoPhaseCommitFileSink(nodeFileSystem, target, job),
      async documents() {
        const there = await nodeFileSystem.inspect(target)
        if (there === undefined) return []
        const text = readFileSync(target, 'utf8')
        return text === '' ? [] : text.replace(/\n$/, '').split('\n')
      },
    }
  })

  it('is what the file connector makes', async () => {
    const target = freshPath()
    const context = { directory: folder, job: 'job', sink: 'alerts' }
    const options = { path: target.slice(folder.length + 1) }
    const sink = connectors.get('file')!.sink!.createTwoPhaseCommit!(options, context)
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    await sink.close()
    expect(readFileSync(target, 'utf8')).toBe(lines('a'))
  })

  it('goes on behind what is in the file, on a line of its own', async () => {
    const system = await simulatedFiles()
    const other = await system.openFile(path, 'new')
    await other.append(Buffer.from('a line\nhalf a line'))
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    await sink.commit(2, [alertOf('b')])
    expect(await textOf(system, path)).toBe(`a line\nhalf a line\n${lines('a', 'b')}`)
  })

  it('begins a new file where the old one is moved away or emptied', async () => {
    const system = await simulatedFiles()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    await system.rename(path, '/data/alerts.1.ndjson')
    await sink.commit(2, [alertOf('b')])
    await (await system.openFile(path, 'existing')).truncate(0)
    await sink.commit(3, [alertOf('c')])
    await system.rename(path, '/data/alerts.2.ndjson')
    const next = new TwoPhaseCommitFileSink(system, path, 'job')
    const marker = await next.init()
    await next.commit(4, [alertOf('d')])
    const names = ['/data/alerts.1.ndjson', '/data/alerts.2.ndjson', path]
    const contents = await Promise.all(names.map((each) => textOf(system, each)))
    expect([marker, ...contents]).toEqual([{ checkpoint: 3 }, lines('a'), lines('c'), lines('d')])
  })

  it('writes the lines that a crash had kept back even if the file was moved away', async () => {
    const system = await simulatedFiles()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    system.watch = {
      before: (operation) => {
        if (operation === 'writeAt') throw new FileSystemError('EIO', path, 'EIO')
      },
    }
    await expect(sink.commit(2, [alertOf('b')])).rejects.toMatchObject({ retryable: true })
    system.watch = {}
    await system.rename(path, '/data/alerts.1.ndjson')
    expect(await new TwoPhaseCommitFileSink(system, path, 'job').init()).toEqual({ checkpoint: 2 })
    expect(await textOf(system, path)).toBe(lines('b'))
  })

  it.each([
    ['ENOSPC', true, /the disk is full; free some space/],
    ['EIO', true, /the disk said no/],
    ['EACCES', false, /no permission; change its permissions/],
  ] as const)('says whether trying again may help: %s', async (code, retryable, message) => {
    const system = await simulatedFiles()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    system.watch = {
      before: (_, at) => {
        throw new FileSystemError(code, at, 'the disk said no')
      },
    }
    await expect(sink.commit(1, [alertOf('a')])).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(message),
      retryable,
    })
    system.watch = {}
    await expect(sink.commit(1, [alertOf('a')])).rejects.toThrow('has not been initialised')
    expect(await sink.init()).toBeUndefined()
  })

  it('refuses what is no regular file', async () => {
    mkdirSync(join(folder, 'a-folder'))
    const make = (at: string) => new TwoPhaseCommitFileSink(nodeFileSystem, at, 'job')
    await expect(make(join(folder, 'a-folder')).init()).rejects.toMatchObject({
      message: expect.stringMatching(/it is a folder; name a file in it$/),
    })
    await expect(make(join(folder, 'none', 'a')).init()).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(/there is no folder .*none; create it/),
    })
    await expect(make('/dev/null').init()).rejects.toMatchObject({
      message: expect.stringMatching(
        /it is no regular file, so nothing can be written to it exactly/,
      ),
    })
  })

  it('refuses a file of another job, and a mark that is damaged, whatever byte it is', async () => {
    const system = await simulatedFiles()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(12, [alertOf('a')])
    await expect(new TwoPhaseCommitFileSink(system, path, 'other').init()).rejects.toMatchObject({
      code: 'SINK_MARKER',
      message: `${path} belongs to job job, and this is job other; choose another path, or remove ${path}.commit if that job will not run again`,
    })
    const whole = await system.readFile(`${path}.commit`)
    const outcomes: unknown[] = []
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole)
      damaged[at]! ^= 1
      await setContent(system, `${path}.commit`, damaged)
      const opened = new TwoPhaseCommitFileSink(system, path, 'job').init()
      outcomes.push(await opened.catch((error) => error.code))
    }
    expect(outcomes).toEqual(Array(whole.length).fill('SINK_MARKER'))
    await setContent(system, `${path}.commit`, whole.subarray(0, 5))
    await expect(sink.init()).rejects.toMatchObject({
      message: expect.stringContaining(`${path}.commit is damaged`),
    })
  })
})

/**
 * A run of three checkpoints that crashes at every operation, and once more while it recovers. The
 * alerts of a checkpoint are known from the moment that it is durable.
 */
describe('a file sink that crashes', () => {
  const checkpoints = [1, 2, 4]
  const alertsOf = (checkpoint: number) =>
    Array.from({ length: checkpoint }, (_, i) => alertOf(`${checkpoint}.${i}`))
  const textUpTo = (marker: number) =>
    checkpoints
      .filter((checkpoint) => checkpoint <= marker)
      .flatMap((checkpoint) => alertsOf(checkpoint).map(({ document }) => `${document}\n`))
      .join('')
  const expected = textUpTo(Infinity)

  /** Recovers and goes on; what it finds wrong goes to `faults`. */
  async function run({ files: system }: SimulatedMachine, faults: string[]): Promise<void> {
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    const marker = (await sink.init())?.checkpoint ?? 0
    let held = await textOf(system, path)
    if (held !== textUpTo(marker)) faults.push(`marker ${marker}, but the file holds ${held}`)
    for (const checkpoint of checkpoints) {
      if (checkpoint > marker) await sink.commit(checkpoint, alertsOf(checkpoint))
      held = await textOf(system, path)
      if (!held.startsWith(textUpTo(checkpoint))) faults.push(`${checkpoint} is not there: ${held}`)
    }
    if (held !== expected) faults.push(`at the end the file holds ${held}`)
  }

  it.each([
    ['kill', 6],
    ['power', 25],
  ] as const)('at any operation holds each alert once: %s', async (crash, seeds) => {
    const faults: string[] = []
    const crashes = await crashEverywhere(crash, seeds, () => (machine) => run(machine, faults))
    expect(faults).toEqual([])
    expect(crashes).toBeGreaterThan(seeds * 50)
  })

  it('is a file that only grows, by what was there before, however often it is killed', async () => {
    const faults: string[] = []
    await crashEverywhere('kill', 6, () => {
      let before = ''
      return async (machine) => {
        const look = async () => {
          const held = await textOf(machine.files, path)
          if (!expected.startsWith(held) || !held.startsWith(before)) faults.push(held)
          before = held
        }
        await look()
        const sink = new TwoPhaseCommitFileSink(machine.files, path, 'job')
        const marker = (await sink.init())?.checkpoint ?? 0
        await look()
        for (const checkpoint of checkpoints) {
          if (checkpoint > marker) await sink.commit(checkpoint, alertsOf(checkpoint))
          await look()
        }
      }
    })
    expect(faults).toEqual([])
  })

  it('holds each alert once though the disk fails at any time', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const machine = await machineWithFolder(seed)
      machine.faults = { ioError: 0.08, diskFull: 0.04 }
      const sink = new TwoPhaseCommitFileSink(machine.files, path, 'job')
      for (let settled = false; !settled; ) {
        try {
          const marker = (await sink.init())?.checkpoint ?? 0
          for (const checkpoint of checkpoints) {
            if (checkpoint > marker) await sink.commit(checkpoint, alertsOf(checkpoint))
          }
          settled = true
        } catch (error) {
          expect(error).toMatchObject({ code: 'OUTPUT_UNWRITABLE', retryable: true })
        }
      }
      // What was committed must have reached the disk.
      const { files: system } = machine.reopen()
      expect(await textOf(system, path)).toBe(expected)
      expect(await new TwoPhaseCommitFileSink(system, path, 'job').init()).toEqual({
        checkpoint: 4,
      })
    }
  })
})
