import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type FileSystem, FileSystemError } from '../../src/connector/file-system.ts'
import { setContent } from '../harness/watched-files.ts'
import { machineWithFolder } from '../simulation/crash-runs.ts'
import {
  contentOf,
  directory,
  openLog,
  recordsOf,
  simulatedFiles,
  textsOf,
} from './ingest-log-records.ts'

const segmentsOf = async (files: FileSystem) =>
  (await files.list(directory)).map((name) => `${directory}/${name}`)

/** Another disk with these files, one of them changed; `null`: it is missing. */
async function damaged(
  files: FileSystem,
  path: string,
  change: (content: Buffer) => Buffer | null,
) {
  const copy = await simulatedFiles()
  await copy.makeDirectory(directory)
  for (const each of await segmentsOf(files)) {
    const content = await files.readFile(each)
    const changed = each === path ? change(content) : content
    if (changed !== null) await setContent(copy, each, changed)
  }
  return copy
}

/** A log of so many groups with two records each, in one segment. */
async function logOf(groups: number) {
  const files = await simulatedFiles()
  const log = await openLog(files)
  const ends: number[] = []
  const path = (await segmentsOf(files))[0]!
  for (let group = 0; group < groups; group++) {
    await log.append(recordsOf([`{"group":${group}}`, 'b']))
    ends.push((await files.readFile(path)).length)
  }
  await log.close()
  return { files, path, ends, texts: (upTo: number) => groupTexts(upTo) }
}
const groupTexts = (upTo: number) =>
  Array.from({ length: upTo }, (_, group) => [`{"group":${group}}`, 'b']).flat()

describe('an ingest log', () => {
  it('gives records back with their ordinals and times, also to the next process', async () => {
    const files = await simulatedFiles()
    const log = await openLog(files)
    const firsts = [
      await log.append(recordsOf(['a', '', 'ä€😀'], 5)),
      await log.append(recordsOf(['{"x":"\\n"}'], 7.5)),
    ]
    const expected = [
      [0, 'a', 5],
      [1, '', 6],
      [2, 'ä€😀', 7],
      [3, '{"x":"\\n"}', 7.5],
    ]
    expect([firsts, log.first, log.end, await contentOf(log)]).toEqual([[0, 3], 0, 4, expected])
    await log.close()
    const next = await openLog(files)
    expect([next.first, next.end, await contentOf(next)]).toEqual([0, 4, expected])
    expect(await next.append(recordsOf(['b'], 9))).toBe(4)
    expect(await contentOf(next, 3)).toEqual([expected[3], [4, 'b', 9]])
  })

  it('ends each record with a newline byte, and each list with eight', async () => {
    const files = await simulatedFiles()
    const log = await openLog(files)
    await log.append(recordsOf(['abc', 'd']))
    const { bytes, ends } = (await log.read(0).next())!
    expect([bytes[ends[0]!], [...bytes.subarray(ends[1])]]).toEqual([10, Array(8).fill(10)])
  })

  it('keeps what is wrong with records', async () => {
    const log = await openLog(await simulatedFiles())
    const faults = new Map([
      [1, { cause: 'too_long', reason: 'it is longer than a line may be' } as const],
      [2, { cause: 'format', reason: 'its schema is not known' } as const],
    ])
    await log.append({ ...recordsOf(['a', 'b', 'c']), faults })
    await log.append(recordsOf(['d']))
    const seen: unknown[] = []
    for (const from of [0, 1, 2, 3]) {
      const records = (await log.read(from).next())!
      seen.push([
        records.count,
        [...(records.faults ?? [])].map(([row, { cause }]) => [row, cause]),
      ])
    }
    expect(seen).toEqual([
      [
        3,
        [
          [1, 'too_long'],
          [2, 'format'],
        ],
      ],
      [
        2,
        [
          [0, 'too_long'],
          [1, 'format'],
        ],
      ],
      [1, [[0, 'format']]],
      [1, []],
    ])
  })

  it('goes on reading when more is there', async () => {
    const log = await openLog(await simulatedFiles())
    const reader = log.read(0)
    const seen: unknown[] = [await reader.next()]
    for (const text of ['a', 'b']) {
      await log.append(recordsOf([text]))
      seen.push((await reader.next())?.first, await reader.next())
    }
    expect(seen).toEqual([undefined, 0, undefined, 1, undefined])
  })

  it('makes durable at once what comes within a few milliseconds, before it says so', async () => {
    const files = await simulatedFiles()
    const operations: string[] = []
    const sleeps: { readonly milliseconds: number; readonly wake: () => void }[] = []
    const log = await openLog(files, {
      groupMs: 7,
      groupBytes: 1000,
      scheduler: {
        sleep: (milliseconds) =>
          new Promise<void>((wake) => {
            sleeps.push({ milliseconds, wake })
          }),
      },
    })
    files.watch = { before: (operation) => operations.push(operation) }
    const acknowledged: number[] = []
    const append = (text: string) =>
      log.append(recordsOf([text])).then((first) => {
        operations.push(`acknowledged ${first}`)
        acknowledged.push(first)
      })
    const group = [append('a'), append('b'), append('c')]
    expect([sleeps.map(({ milliseconds }) => milliseconds), log.end]).toEqual([[7], 0])
    sleeps[0]!.wake()
    await Promise.all(group)
    expect(operations).toEqual([
      'append',
      'sync',
      'acknowledged 0',
      'acknowledged 1',
      'acknowledged 2',
    ])
    // What is large enough waits for nothing.
    await append('x'.repeat(1000))
    expect([sleeps.length, log.end]).toEqual([1, 4])
  })

  it('reads from every record on, through all its segments', async () => {
    const files = await simulatedFiles()
    const log = await openLog(files, { segmentBytes: 200 })
    const texts = Array.from({ length: 40 }, (_, i) => `record ${i}`)
    for (let at = 0; at < texts.length; at += 3)
      await log.append(recordsOf(texts.slice(at, at + 3)))
    expect((await segmentsOf(files)).length).toBeGreaterThan(5)
    for (const again of [log, await openLog(files, { segmentBytes: 200 })]) {
      for (let from = 0; from <= texts.length; from++) {
        expect(await textsOf(again, from)).toEqual(texts.slice(from))
      }
    }
  })

  it('forgets segments that a checkpoint has passed, oldest first', async () => {
    const files = await simulatedFiles()
    const log = await openLog(files, { segmentBytes: 100 })
    for (let i = 0; i < 10; i++) await log.append(recordsOf([`record ${i}`, 'x'.repeat(50)]))
    const before = await segmentsOf(files)
    const firsts: number[] = []
    for (const ordinal of [0, 1, 2, 7, 20]) {
      await log.truncate(ordinal)
      firsts.push(log.first)
    }
    expect([before.length, firsts, await segmentsOf(files)]).toEqual([
      10,
      [0, 0, 2, 6, 18],
      [`${directory}/0000000000000018.log`],
    ])
    expect(await log.append(recordsOf(['y']))).toBe(20)
    expect(await textsOf(await openLog(files))).toEqual(['record 9', 'x'.repeat(50), 'y'])
    expect(() => log.read(17)).toThrow('the log holds record 17')
    expect(() => log.read(22)).toThrow('the log holds record 22')
  })

  it('is what a list would be, whatever is done to it', async () => {
    const action = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.array(fc.string({ maxLength: 20 }), { minLength: 1, maxLength: 4 }),
      },
      { weight: 1, arbitrary: fc.constant('reopen' as const) },
      { weight: 1, arbitrary: fc.constant('truncate' as const) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 25 }),
        fc.integer({ min: 30, max: 400 }),
        async (actions, segmentBytes) => {
          const files = await simulatedFiles()
          let log = await openLog(files, { segmentBytes })
          const expected: string[] = []
          for (const each of actions) {
            if (each === 'reopen') {
              await log.close()
              log = await openLog(files, { segmentBytes })
            } else if (each === 'truncate') {
              await log.truncate(Math.floor(expected.length / 2))
            } else {
              const texts = each.map((text) => Buffer.from(text).toString())
              expect(await log.append(recordsOf(texts))).toBe(expected.length)
              expected.push(...texts)
            }
          }
          expect(log.first).toBeLessThanOrEqual(Math.floor(expected.length / 2))
          expect(await textsOf(log)).toEqual(expected.slice(log.first))
        },
      ),
      { numRuns: 200 },
    )
  })

  describe('at a torn end', () => {
    it.each([
      ['cut off', (content: Buffer, at: number) => content.subarray(0, at)],
      ['zeros', (content: Buffer, at: number) => Buffer.from(content).fill(0, at)],
      ['other bytes', (content: Buffer, at: number) => Buffer.from(content).fill(0xa5, at)],
    ])('keeps what was whole, at every byte of the last group: %s', async (_, tear) => {
      const { path, ends, ...made } = await logOf(3)
      const whole = await made.files.readFile(path)
      const begin = ends[1]!
      for (let at = begin; at < whole.length; at++) {
        const files = await damaged(made.files, path, (content) => tear(content, at))
        const log = await openLog(files)
        expect([log.end, await textsOf(log)]).toEqual([4, groupTexts(2)])
        expect(await log.append(recordsOf(['next']))).toBe(4)
        const again = await openLog(files)
        expect(await textsOf(again)).toEqual([...groupTexts(2), 'next'])
      }
    })

    it('makes a segment anew whose head was not whole', async () => {
      for (const size of [0, 1, 19, 20]) {
        const { files, path } = await logOf(1)
        const second = `${directory}/${'2'.padStart(16, '0')}.log`
        await (await files.openFile(second, 'new')).append(Buffer.alloc(size))
        const log = await openLog(files)
        expect(await log.append(recordsOf(['c']))).toBe(2)
        expect([await textsOf(log), await segmentsOf(files)]).toEqual([
          [...groupTexts(1), 'c'],
          [path, second],
        ])
      }
    })
  })

  describe('that is damaged where it had been durable', () => {
    it('says where, whatever bit is turned', async () => {
      const { files, path, ends } = await logOf(3)
      const silent: number[] = []
      const places = new Set<string>()
      for (let bit = 0; bit < ends[1]! * 8; bit++) {
        const turned = await damaged(files, path, (content) => {
          content[bit >> 3]! ^= 1 << (bit & 7)
          return content
        })
        const error = await openLog(turned).catch((reason) => reason)
        if (error.code !== 'INGEST_LOG_CORRUPT') silent.push(bit)
        places.add(String(error.message).replace(/: [^:]*$/, ''))
      }
      expect([silent, [...places]]).toEqual([
        [],
        [
          `${path} is damaged at byte 20, record 0`,
          `${path} is damaged at byte ${ends[0]}, record 2`,
        ],
      ])
    })

    it('says so when it is read, where that is not the last segment', async () => {
      const files = await simulatedFiles()
      const log = await openLog(files, { segmentBytes: 1 })
      for (const text of ['a', 'b', 'c']) await log.append(recordsOf([text]))
      const [first, second] = await segmentsOf(files)
      const whole = await files.readFile(second!)
      const outcomes = new Set<string>()
      for (let at = 0; at < whole.length; at++) {
        for (const change of [
          (content: Buffer) => content.subarray(0, at),
          (content: Buffer) => Buffer.from(content).fill(0, at),
        ]) {
          // The newlines at its end are what they are.
          if (change(whole).equals(whole)) continue
          const opened = await openLog(await damaged(files, second!, change))
          const error = await textsOf(opened).catch((reason) => reason)
          outcomes.add(String(error.message))
          expect(await textsOf(opened, 2)).toEqual(['c'])
        }
      }
      expect([...outcomes].sort()).toEqual([
        `${second} is damaged at byte 20, record 1: a group does not fit its checksum`,
        `${second} is damaged at byte 20, record 1: a group is cut short`,
        `${second} is damaged at byte 20, record 1: records are missing behind it`,
        `${second} is damaged at byte 20, record 1: the head of a group is broken`,
        `${second} is damaged at byte 20, record 1: the head of the file is broken`,
      ])
      const without = await damaged(files, second!, () => null)
      await expect(textsOf(await openLog(without))).rejects.toThrow(
        `${first} is damaged at byte ${whole.length}, record 1: records are missing behind it`,
      )
    })

    it('says so where a whole group stands that belongs elsewhere', async () => {
      for (const [from, to] of [
        [0, 1],
        [2, 1],
        [2, 0],
      ] as const) {
        const { files, path, ends } = await logOf(3)
        const begins = [20, ...ends]
        const moved = await damaged(files, path, (content) => {
          const group = Buffer.from(content.subarray(begins[from], begins[from + 1]))
          group.copy(content, begins[to])
          return content
        })
        await expect(openLog(moved)).rejects.toThrow(
          `damaged at byte ${begins[to]}, record ${to * 2}: record ${from * 2} stands there`,
        )
      }
    })

    it('names a version that it does not know', async () => {
      const { files, path } = await logOf(1)
      const header = Buffer.from('5453494c00000002000000000000000000000000', 'hex')
      header.writeUInt32BE(crc32(header.subarray(0, 16)), 16)
      const later = await damaged(files, path, (content) =>
        Buffer.concat([header, content.subarray(20)]),
      )
      await expect(openLog(later)).rejects.toThrow(
        'it has version 2 of the format, this Tocsin knows 1',
      )
    })
  })

  it.each([
    ['append', 'EIO', 'STATE_IO'],
    ['sync', 'EIO', 'STATE_IO'],
  ] as const)('takes nothing more after a failed %s: %s', async (failing, code, expected) => {
    const files = await simulatedFiles()
    const log = await openLog(files)
    await log.append(recordsOf(['a']))
    files.watch = {
      before: (operation, path) => {
        if (operation === failing) throw new FileSystemError(code, path, `${code} at ${path}`)
      },
    }
    const outcomes = await Promise.allSettled([
      log.append(recordsOf(['b'])),
      log.append(recordsOf(['c'])),
    ])
    files.watch = {}
    outcomes.push(...(await Promise.allSettled([log.append(recordsOf(['d']))])))
    expect(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'taken')),
    ).toEqual([expected, expected, expected])
    expect([log.end, await textsOf(log)]).toEqual([1, ['a']])
    await log.close()
  })

  it.each(['append', 'sync', 'open', 'truncate'] as const)(
    'writes what found no space again until there is some: %s',
    async (failing) => {
      const files = await simulatedFiles()
      const stalls: number[] = []
      const onStalled = (_: unknown, waitMs: number) => {
        stalls.push(waitMs)
        if (stalls.length === 4) files.watch = {}
      }
      // Each group begins a file.
      const log = await openLog(files, { segmentBytes: 1, onStalled })
      await log.append(recordsOf(['a']))
      files.watch = {
        before: (operation, path) => {
          if (operation === failing) throw new FileSystemError('ENOSPC', path, 'full')
        },
      }
      const firsts = await Promise.all([
        log.append(recordsOf(['b'])),
        log.append(recordsOf(['c', 'd'])),
      ])
      expect([firsts, stalls]).toEqual([
        [1, 2],
        [100, 200, 400, 800],
      ])
      await log.append(recordsOf(['e']))
      await log.close()
      const again = await openLog(files)
      expect(await textsOf(again)).toEqual(['a', 'b', 'c', 'd', 'e'])
      await again.close()
    },
  )

  it('comes through where space is scarce, and a part of a group may have been written', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const machine = await machineWithFolder(seed)
      let stalls = 0
      const onStalled = () => {
        stalls++
      }
      const log = await openLog(machine.files, { segmentBytes: 200, onStalled })
      machine.faults = { diskFull: 0.3 }
      for (let index = 0; index < 30; index++) await log.append(recordsOf([`record ${index}`]))
      machine.faults = {}
      await log.close()
      const again = await openLog(machine.reopen().files)
      const expected = Array.from({ length: 30 }, (_, index) => `record ${index}`)
      expect([stalls > 5, await textsOf(again)], `seed ${seed}`).toEqual([true, expected])
    }
  })

  it('does not wait for space when it is closed', async () => {
    const files = await simulatedFiles()
    let stalled = () => {}
    const isStalled = new Promise<void>((resolve) => {
      stalled = resolve
    })
    const log = await openLog(files, { onStalled: stalled })
    files.watch = {
      before: (operation, path) => {
        if (operation === 'append') throw new FileSystemError('ENOSPC', path, 'full')
      },
    }
    const appended = log.append(recordsOf(['a'])).catch(({ code }) => code)
    await isStalled
    await log.close()
    expect(await appended).toBe('STATE_DISK_FULL')
  })

  it('waits for what was appended when it is closed, and takes nothing after', async () => {
    const files = await simulatedFiles()
    const log = await openLog(files)
    const appended = log.append(recordsOf(['a']))
    await log.close()
    expect(await appended).toBe(0)
    await expect(log.append(recordsOf(['b']))).rejects.toThrow('the ingest log is closed')
  })
})
