import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { TwoPhaseCommitFileSink } from '../../connectors/file/two-phase-commit-sink.ts'
import { nodeFileSystem } from '../../connectors/node-file-system.ts'
import { connectors } from '../../connectors/registry.ts'
import { FileSystemError } from '../../src/connector/file-system.ts'
import { CrashError, CrashingFileSystem, type CrashKind } from '../harness/crashing-file-system.ts'
import { alertOf, twoPhaseCommitConformance } from './two-phase-commit-sink-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-commit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const freshPath = () => join(folder, `alerts-${files++}.ndjson`)
const lines = (...names: string[]) => names.map((name) => `${alertOf(name).document}\n`).join('')
const path = '/data/alerts.ndjson'

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
    const context = { directory: folder, job: 'job' }
    const options = { path: target.slice(folder.length + 1) }
    const sink = connectors.get('file')!.sink!.createTwoPhaseCommit!(options, context)
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    await sink.close()
    expect(readFileSync(target, 'utf8')).toBe(lines('a'))
  })

  it('goes on behind what is in the file, on a line of its own', async () => {
    const system = new CrashingFileSystem()
    const other = await system.openFile(path, 'new')
    await other.append(Buffer.from('a line\nhalf a line'))
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    await sink.commit(2, [alertOf('b')])
    expect(String(system.contentOf(path))).toBe(`a line\nhalf a line\n${lines('a', 'b')}`)
  })

  it('begins a new file where the old one is moved away or emptied', async () => {
    const system = new CrashingFileSystem()
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
    const contents = ['/data/alerts.1.ndjson', '/data/alerts.2.ndjson', path].map((each) =>
      String(system.contentOf(each)),
    )
    expect([marker, ...contents]).toEqual([{ checkpoint: 3 }, lines('a'), lines('c'), lines('d')])
  })

  it('writes the lines that a crash had kept back even if the file was moved away', async () => {
    const system = new CrashingFileSystem()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(1, [alertOf('a')])
    system.fault = (operation) =>
      operation === 'writeAt' ? new FileSystemError('EIO', path, 'EIO') : undefined
    await expect(sink.commit(2, [alertOf('b')])).rejects.toMatchObject({ retryable: true })
    system.fault = () => undefined
    await system.rename(path, '/data/alerts.1.ndjson')
    expect(await new TwoPhaseCommitFileSink(system, path, 'job').init()).toEqual({ checkpoint: 2 })
    expect(String(system.contentOf(path))).toBe(lines('b'))
  })

  it.each([
    ['ENOSPC', true, /the disk is full; free some space/],
    ['EIO', true, /the disk said no/],
    ['EACCES', false, /no permission; change its permissions/],
  ] as const)('says whether trying again may help: %s', async (code, retryable, message) => {
    const system = new CrashingFileSystem()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    system.fault = (_, at) => new FileSystemError(code, at, 'the disk said no')
    await expect(sink.commit(1, [alertOf('a')])).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(message),
      retryable,
    })
    system.fault = () => undefined
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
    const system = new CrashingFileSystem()
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    await sink.init()
    await sink.commit(12, [alertOf('a')])
    await expect(new TwoPhaseCommitFileSink(system, path, 'other').init()).rejects.toMatchObject({
      code: 'SINK_MARKER',
      message: `${path} belongs to job job, and this is job other; choose another path, or remove ${path}.commit if that job will not run again`,
    })
    const { length } = system.contentOf(`${path}.commit`)!
    const outcomes: unknown[] = []
    for (let at = 0; at < length; at++) {
      const flip = (content: Buffer) => {
        content[at]! ^= 1
        return content
      }
      system.damage(`${path}.commit`, flip)
      const opened = new TwoPhaseCommitFileSink(system, path, 'job').init()
      outcomes.push(await opened.catch((error) => error.code))
      system.damage(`${path}.commit`, flip)
    }
    expect(outcomes).toEqual(Array(length).fill('SINK_MARKER'))
    const cut = (content: Buffer) => content.subarray(0, 5)
    system.damage(`${path}.commit`, cut)
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
  async function run(system: CrashingFileSystem, faults: string[]): Promise<void> {
    const sink = new TwoPhaseCommitFileSink(system, path, 'job')
    const marker = (await sink.init())?.checkpoint ?? 0
    const held = String(system.contentOf(path) ?? '')
    if (held !== textUpTo(marker)) faults.push(`marker ${marker}, but the file holds ${held}`)
    let longest = held.length
    system.onChange = () => {
      const content = String(system.contentOf(path) ?? '')
      if (!expected.startsWith(content) || content.length < longest) faults.push('a line changed')
      longest = content.length
    }
    for (const checkpoint of checkpoints) {
      if (checkpoint > marker) await sink.commit(checkpoint, alertsOf(checkpoint))
    }
    if (String(system.contentOf(path)) !== expected) faults.push('not all is there at the end')
  }

  async function crash(system: CrashingFileSystem, faults: string[]): Promise<boolean> {
    try {
      await run(system, faults)
      return false
    } catch (error) {
      if (!(error instanceof CrashError)) throw error
      return true
    }
  }

  it.each([
    ['process', 1],
    ['power', 3],
  ] as const)('at any operation holds each alert once: %s', async (kind: CrashKind, seeds) => {
    const faults: string[] = []
    let crashes = 0
    for (const after of [false, true]) {
      for (let first = 1; ; first++) {
        const system = new CrashingFileSystem()
        system.crashAt = first
        system.after = after
        if (!(await crash(system, faults))) break
        for (let seed = 0; seed < seeds; seed++) {
          for (let second = 1; ; second++) {
            const restarted = system.restart(kind, seed)
            restarted.crashAt = second
            restarted.after = after
            crashes++
            if (!(await crash(restarted, faults))) break
            await run(restarted.restart(kind, seed + second), faults)
          }
        }
      }
    }
    expect(faults).toEqual([])
    expect(crashes).toBeGreaterThan(1000)
  })
})
