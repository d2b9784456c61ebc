import { PassThrough } from 'node:stream'
import { beforeAll, describe, expect, it } from 'vitest'
import { stdinSource } from '../../connectors/stdin/source.ts'
import { type FileSystem, FileSystemError } from '../../src/connector/file-system.ts'
import type { Source } from '../../src/connector/source.ts'
import { ingestLogSource } from '../../src/runtime/ingest-log-source.ts'
import { ManualClock } from '../../src/time/clock.ts'
import {
  readAll,
  readBatches,
  readSource,
  replayConformance,
  sourceConformance,
} from '../connectors/source-conformance.ts'
import { type MemoryPoll, memorySource } from '../harness/memory-source.ts'
import { watchedFiles } from '../harness/watched-files.ts'
import { crashEverywhere, machineWithFolder } from '../simulation/crash-runs.ts'

const scheduler = { sleep: async () => {} }
const directory = '/data'
const batchOf = (from: number, count = 20) =>
  Array.from({ length: count }, (_, i) => `{"i":${from + i}}`)
const batches = Array.from({ length: 30 }, (_, i) => batchOf(i * 20))

const simulatedFiles = async () => watchedFiles((await machineWithFolder()).files)

function logged(source: Source, files: FileSystem, clock = new ManualClock(5000)) {
  return ingestLogSource(source, { files, directory, clock, scheduler, segmentBytes: 2000 })
}

describe('a source behind an ingest log', () => {
  describe('with a new log', () => {
    sourceConformance(async () => {
      const stream = new PassThrough({ highWaterMark: 8 * 1024 * 1024 })
      for (let i = 0; i < 30_000; i++) stream.write(`{"i":${i},"pad":"0123456789"}\n`)
      stream.end()
      return logged(stdinSource(stream), await simulatedFiles())
    })
  })

  describe('from what the log holds', () => {
    let files: FileSystem
    beforeAll(async () => {
      files = await simulatedFiles()
      await readSource(logged(memorySource([batches, batches.slice(4)]), files))
    })
    const none = () => logged(memorySource([[], []]), files)
    sourceConformance(none)
    replayConformance(none)
  })

  it('makes what came over stdin readable again, and goes on with what comes anew', async () => {
    const files = await simulatedFiles()
    const give = (...lines: string[]) => {
      const stream = new PassThrough()
      stream.end(lines.map((line) => `${line}\n`).join(''))
      return logged(stdinSource(stream), files)
    }
    const first = await readSource(give('a', '', 'b'))
    const second = await give('c').open('payments', new Map([[0, { offset: 1 }]]))
    expect([first.map(({ offset, text }) => [offset, text]), await readAll(second[0]!)]).toEqual([
      [
        [0, 'a'],
        [1, 'b'],
      ],
      [
        { partition: 0, offset: 1, text: 'b' },
        { partition: 0, offset: 2, text: 'c' },
      ],
    ])
  })

  it('keeps when a record was taken in, as the source says or by the clock', async () => {
    const files = await simulatedFiles()
    const timesOf = async (source: Source, clock?: ManualClock) => {
      const [reader] = await logged(source, files, clock).open('s')
      return (await readBatches(reader!)).flatMap(({ ingestTimes }) => [...ingestTimes!])
    }
    await timesOf(memorySource([[['a', 'b']]]), new ManualClock(7))
    const stamped = memorySource([[['c']]])
    const given: Source = {
      bounded: true,
      async open(stream) {
        const [reader] = await stamped.open(stream)
        const pollBatch = async () => {
          const result = await reader!.pollBatch()
          if (result.kind !== 'batch') return result
          return { ...result, batch: { ...result.batch, ingestTimes: Float64Array.of(3.5) } }
        }
        return [{ ...reader!, pollBatch }]
      },
    }
    await timesOf(given, new ManualClock(8))
    expect(await timesOf(memorySource([[]]), new ManualClock(9))).toEqual([7, 7, 3.5])
  })

  it('gives and acknowledges nothing that is not durable', async () => {
    const files = await simulatedFiles()
    const happened: string[] = []
    files.watch = {
      before: (operation) => {
        if (operation === 'sync') happened.push('sync')
      },
    }
    const source = memorySource([[['a'], ['b']]])
    const acknowledging: Source = {
      bounded: true,
      async open(stream) {
        const [reader] = await source.open(stream)
        const acknowledge = async () => {
          happened.push('acknowledge')
        }
        return [{ ...reader!, acknowledge }]
      },
    }
    // Until both are there.
    const turn = { sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) }
    const options = { files, directory, clock: new ManualClock(), scheduler: turn }
    const [reader] = await ingestLogSource(acknowledging, options).open('s')
    happened.length = 0
    for (let poll = 0; poll < 2; poll++) {
      const { kind } = await reader!.pollBatch()
      happened.push(kind)
    }
    // Both were there at once: one sync serves both.
    expect(happened).toEqual(['sync', 'acknowledge', 'batch', 'acknowledge', 'batch'])
    await reader!.close()
  })

  it('says that it is idle, and fails, as its input does, after what came before', async () => {
    const polls: MemoryPoll[] = [['a'], 'idle', ['b'], new Error('wire cut')]
    const source = memorySource([polls])
    const [reader] = await logged(source, await simulatedFiles()).open('s')
    const kinds: string[] = []
    const poll = async () => {
      kinds.push((await reader!.pollBatch()).kind)
    }
    await poll()
    await poll()
    if (kinds.at(-1) === 'idle') await poll()
    await expect(poll()).rejects.toThrow('wire cut')
    expect(kinds.filter((kind) => kind === 'batch')).toHaveLength(2)
    await reader!.close()
    expect(source.openReaders).toBe(0)

    const silent = memorySource([['idle', 'idle', ['a']]])
    const [quiet] = await logged(silent, await simulatedFiles()).open('s')
    const first = [await quiet!.pollBatch(), await quiet!.pollBatch()]
    expect(first).toEqual(Array(2).fill({ kind: 'idle', untilMs: 0 }))
    expect((await quiet!.pollBatch()).kind).toBe('batch')
    await quiet!.close()
  })

  it('fails where the log does', async () => {
    const files = await simulatedFiles()
    const [reader] = await logged(memorySource([[['a'], ['b']]]), files).open('s')
    files.watch = {
      before: (_, path) => {
        throw new FileSystemError('EIO', path, 'broken')
      },
    }
    await expect(reader!.pollBatch()).rejects.toMatchObject({ code: 'STATE_IO' })
    files.watch = {}
    await reader!.close()
  })

  it('cuts the log where a checkpoint has passed, and refuses what is not in it', async () => {
    const files = await simulatedFiles()
    const source = memorySource([batches])
    const [reader] = await logged(source, files).open('s')
    for (let i = 0; i < batches.length; i++) await reader!.pollBatch()
    const before = (await files.list('/data/s-0')).length
    await reader!.notifyCheckpointComplete!({ offset: 500 })
    await reader!.close()
    const names = await files.list('/data/s-0')
    const first = Number.parseInt(names[0]!, 10)
    expect([names.length < before, first > 300 && first <= 500]).toEqual([true, true])
    const opened = (offset: number) => {
      const inner = memorySource([[]])
      return logged(inner, files)
        .open('s', new Map([[0, { offset }]]))
        .catch((error) => [error.code, error.message, inner.openReaders])
    }
    const held = `its ingest log holds records ${first} to 599; bring back the log that belongs to the checkpoint`
    expect([await opened(first - 1), await opened(601)]).toEqual([
      ['SOURCE_POSITION', `cannot go on at record ${first - 1} of s/0: ${held}`, 0],
      ['SOURCE_POSITION', `cannot go on at record 601 of s/0: ${held}`, 0],
    ])
    const [resumed] = (await opened(600)) as Awaited<ReturnType<Source['open']>>
    expect(await readAll(resumed!)).toEqual([])
  })

  it.each([
    ['kill', 2],
    ['power', 6],
  ] as const)(
    'gives the same records at the same positions after a crash at any operation: %s',
    async (crash, seeds) => {
      const faults: string[] = []
      const crashes = await crashEverywhere(crash, seeds, () => {
        /** What was given on in any of the runs, by position. */
        const given = new Map<number, string>()
        let run = 0
        return async ({ files }) => {
          // Each run has other input, as stdin has.
          const input = Array.from({ length: 8 }, (_, i) => [`${run}.${i}`, 'x'.repeat(300)])
          run++
          const [reader] = await logged(memorySource([input]), files).open('payments')
          const again = new Map<number, string>()
          for (;;) {
            const polled = await reader!.pollBatch()
            if (polled.kind !== 'batch') break
            const { batch } = polled
            for (let row = 0; row < batch.count; row++) {
              const text = batch.bytes.toString('utf8', batch.starts[row], batch.ends[row])
              const offset = batch.offsets[row]!
              if ((given.get(offset) ?? text) !== text) faults.push(`${offset} is now ${text}`)
              again.set(offset, text)
              given.set(offset, text)
            }
          }
          if (again.size < given.size) faults.push(`${given.size - again.size} are gone`)
        }
      })
      expect(faults).toEqual([])
      expect(crashes).toBeGreaterThan(seeds * 20)
    },
  )
})
