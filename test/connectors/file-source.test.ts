import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { fileSource } from '../../connectors/file/source.ts'
import type { RecordBatch } from '../../src/stream/record-batch.ts'
import {
  readAll,
  readBatches,
  readPositions,
  readSource,
  replayConformance,
  sourceConformance,
} from './source-conformance.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-file-source-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
function file(content: string | Buffer, extension = '.ndjson'): string {
  const path = join(folder, `${files++}${extension}`)
  writeFileSync(path, content)
  return path
}

/** The texts of the batch that was given first, which is released then. */
function takeTexts(held: RecordBatch[]): string[] {
  const { bytes, count, starts, ends, release } = held.shift() as RecordBatch
  const given = Array.from({ length: count }, (_, row) =>
    bytes.toString('utf8', starts[row], ends[row]),
  )
  release?.()
  return given
}

async function texts(content: string | Buffer, extension?: string) {
  const records = await readSource(fileSource([file(content, extension)]))
  return records.map(({ offset, text }) => [offset, text])
}

const lines = Array.from({ length: 500 }, (_, i) => `{"i":${i},"pad":"${'x'.repeat(i % 50)}"}`)

describe('a file source', () => {
  describe('over plain files', () => {
    const paths = [file(lines.join('\n')), file(lines.slice(7).join('\r\n'))]
    sourceConformance(() => fileSource(paths, { blockBytes: 1000, batchBytes: 300 }))
    replayConformance(() => fileSource(paths, { blockBytes: 1000 }))
  })

  describe('over gzip files', () => {
    const path = file(gzipSync(lines.join('\n')), '.ndjson.gz')
    sourceConformance(() => fileSource([path], { blockBytes: 1000 }))
    replayConformance(() => fileSource([path], { blockBytes: 1000 }))
  })

  it('makes each file a partition, in the order given', async () => {
    const paths = [file('{"b":1}\n'), file('{"a":1}\n{"a":2}\n')]
    expect(await readSource(fileSource(paths))).toEqual([
      { partition: 0, offset: 0, text: '{"b":1}' },
      { partition: 1, offset: 0, text: '{"a":1}' },
      { partition: 1, offset: 1, text: '{"a":2}' },
    ])
  })

  it.each([
    ['nothing', '', []],
    ['a newline only', '\n', []],
    [
      'a last line without newline',
      'a\nb',
      [
        [0, 'a'],
        [1, 'b'],
      ],
    ],
    [
      'CRLF',
      'a\r\nb\r\n',
      [
        [0, 'a'],
        [1, 'b'],
      ],
    ],
    [
      'CRLF without the last newline',
      'a\r\nb\r',
      [
        [0, 'a'],
        [1, 'b'],
      ],
    ],
    [
      'blank lines, which count',
      'a\n\n \t\n\r\nb\n\n',
      [
        [0, 'a'],
        [4, 'b'],
      ],
    ],
    [
      'a byte order mark',
      '\ufeffa\nb\n',
      [
        [0, 'a'],
        [1, 'b'],
      ],
    ],
    ['a byte order mark and no more', '\ufeff', []],
    [
      'a byte order mark in the second line, which is no mark',
      'a\n\ufeffb',
      [
        [0, 'a'],
        [1, '\ufeffb'],
      ],
    ],
    ['spaces around a record', ' a \n', [[0, ' a ']]],
    [
      'characters of several bytes',
      'ä€😀\nß',
      [
        [0, 'ä€😀'],
        [1, 'ß'],
      ],
    ],
  ])('reads %s', async (_name, content, expected) => {
    expect(await texts(content)).toEqual(expected)
    expect(await texts(gzipSync(content), '.gz')).toEqual(expected)
  })

  it('reads the same lines whatever the size of its blocks and batches', async () => {
    const line = fc.string({
      unit: fc.constantFrom('a', '"', ' ', '\t', 'ä', '\u2028'),
      maxLength: 30,
    })
    const newline = fc.constantFrom('\n', '\r\n')
    const text = fc.array(fc.tuple(line, newline), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(
        text,
        line,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        async (parts, last, blockBytes, batchBytes) => {
          const path = file([...parts.flat(), last].join(''))
          const expected = [...parts.map(([each]) => each), last]
            .map((each, offset) => ({ partition: 0, offset, text: each }))
            .filter(({ text }) => /[^ \t]/.test(text))
          expect(await readSource(fileSource([path], { blockBytes, batchBytes }))).toEqual(expected)
        },
      ),
      { numRuns: 300 },
    )
  })

  it('makes no batches of what little is left of a block', async () => {
    const path = file(`${'x'.repeat(9)}\n`.repeat(103))
    const [reader] = await fileSource([path], { blockBytes: 2000, batchBytes: 500 }).open('s')
    expect((await readBatches(reader!)).map(({ count }) => count)).toEqual([52, 51])
    await reader!.close()
  })

  it('gives a buffer back only when all batches of its block are released', async () => {
    const content = Array.from({ length: 200 }, (_, i) => `{"i":${i}}`)
    const source = fileSource([file(content.join('\n'))], { blockBytes: 100, batchBytes: 30 })
    const [reader] = await source.open('s')
    const held: RecordBatch[] = []
    const texts: string[] = []
    for (;;) {
      const polled = await reader!.pollBatch()
      if (polled.kind !== 'batch') break
      held.push(polled.batch)
      // Three batches stay open, as where a checkpoint is waited for.
      if (held.length > 3) texts.push(...takeTexts(held))
    }
    while (held.length > 0) texts.push(...takeTexts(held))
    expect(texts).toEqual(content)
    await reader!.close()
  })

  it('carries a line over that is longer than a block', async () => {
    const long = 'x'.repeat(10_000)
    const path = file(`a\n${long}\nb\n`)
    expect(
      (await readSource(fileSource([path], { blockBytes: 64 }))).map(({ text }) => text),
    ).toEqual(['a', long, 'b'])
  })

  describe.each([
    ['in one block', 1 << 20],
    ['over several blocks', 16],
  ])('marks a line that is too long, and goes on: %s', (_name, blockBytes) => {
    const long = 'x'.repeat(5000)
    it.each([
      ['between others', `a\n${long}\nb\n`, [0, 1, 2], [1]],
      ['first and last', `${long}\r\na\n${long}`, [0, 1, 2], [0, 2]],
      ['two together', `a\n${long}\n${long}\n\nb`, [0, 1, 2, 4], [1, 2]],
      ['of blanks', `${' '.repeat(5000)}\n\n \nb`, [0, 3], [0]],
      ['alone, without a newline', long, [0], [0]],
      ['behind a mark', `\ufeff${long}\nb`, [0, 1], [0]],
      ['by one byte', `${'x'.repeat(2049)}\n${'x'.repeat(2048)}\n`, [0, 1], [0]],
    ])('%s', async (_where, text, offsets, tooLong) => {
      const [reader] = await fileSource([file(text)], { blockBytes, lineBytesMax: 2048 }).open('s')
      const batches = await readBatches(reader!)
      const reason =
        'the line is longer than 2048 bytes, is it one JSON document a line? ' +
        'only its first 1024 bytes are kept'
      expect(batches.flatMap((batch) => [...batch.offsets])).toEqual(offsets)
      expect(
        batches.flatMap((batch) =>
          [...(batch.faults ?? [])].map(([row, fault]) => [batch.offsets[row], fault]),
        ),
      ).toEqual(tooLong.map((offset) => [offset, { cause: 'too_long', reason }]))
      expect(
        batches.flatMap(({ starts, ends, faults: marks = new Map() }) =>
          [...marks.keys()].map((row) => ends[row]! - starts[row]!),
        ),
      ).toEqual(tooLong.map(() => 1024))
      for (const { bytes, ends } of batches) for (const end of ends) expect(bytes[end]).toBe(0x0a)
    })
  })

  it('accepts a line of exactly the limit', async () => {
    const path = file('x'.repeat(1024))
    const source = fileSource([path], { blockBytes: 100, lineBytesMax: 1024 })
    expect(await readSource(source)).toHaveLength(1)
  })

  it.each([
    [
      'no file',
      () => join(folder, 'none.ndjson'),
      /^cannot open .*none\.ndjson: there is no such file$/,
    ],
    ['a folder', () => folder, /^cannot open .*: it is a folder$/],
  ])('says which input cannot be opened: %s', async (_name, path, message) => {
    await expect(fileSource([path()]).open('s')).rejects.toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: expect.stringMatching(message),
    })
  })

  it.each([
    ['not gzip', Buffer.from('a\nb\n'), /incorrect header check \(at or after line 1\)$/],
    ['cut short', gzipSync(lines.join('\n')).subarray(0, 100), /unexpected end of file/],
  ])('says that a gzip file is broken: %s', async (_name, content, message) => {
    const source = fileSource([file(content, '.gz')])
    await expect(readSource(source)).rejects.toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: expect.stringMatching(message),
    })
  })

  it('tells how far it is, in bytes of the file', async () => {
    const content = gzipSync(lines.join('\n'))
    const [plain] = await fileSource([file('a\nb\n')]).open('s')
    const [zipped] = await fileSource([file(content, '.gz')]).open('s')
    expect([plain!.progress(), zipped!.progress()]).toEqual([
      { read: 0, total: 4 },
      { read: 0, total: content.length },
    ])
    for (const reader of [plain!, zipped!]) while ((await reader.pollBatch()).kind !== 'end');
    expect([plain!.progress(), zipped!.progress()]).toEqual([
      { read: 4, total: 4 },
      { read: content.length, total: content.length },
    ])
    await plain!.close()
    await zipped!.close()
  })

  describe('from a position', () => {
    it('goes on with the same records, whatever stands in the file', async () => {
      const line = fc.string({
        unit: fc.constantFrom('a', '\u00e4', ' ', '\u20ac', '\ufeff'),
        maxLength: 12,
      })
      const text = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')), { maxLength: 12 })
      const size = fc.integer({ min: 1, max: 20 })
      const sizes = fc.tuple(size, size, size)
      await fc.assert(
        fc.asyncProperty(text, line, sizes, fc.boolean(), async (parts, last, [a, b, c], gz) => {
          const content = [...parts.flat(), last].join('')
          const path = gz ? file(gzipSync(content), '.gz') : file(content)
          // Some lines are too long, and some of those longer than a block.
          const limits = { lineBytesMax: 15, batchBytes: c }
          const all = await readSource(fileSource([path], limits))
          const [reader] = await fileSource([path], { ...limits, blockBytes: a }).open('s')
          for (const position of await readPositions(reader!)) {
            const source = fileSource([path], { ...limits, blockBytes: b })
            const [resumed] = await source.open('s', new Map([[0, position]]))
            expect(await readAll(resumed!)).toEqual(
              all.filter(({ offset }) => offset >= position.offset),
            )
          }
        }),
        { numRuns: 150 },
      )
    })

    it('tells how far it is in the whole file', async () => {
      const position = { offset: 1, byte: 2 }
      const [reader] = await fileSource([file('a\nbc\n')]).open('s', new Map([[0, position]]))
      expect(reader!.progress()).toEqual({ read: 2, total: 5 })
      await reader!.close()
    })

    it.each([
      ['the file is shorter', 'a\nb\n', { offset: 3, byte: 6 }, /the file is shorter$/],
      ['no line begins there', 'a\nbcdef\n', { offset: 2, byte: 4 }, /no line begins there; the/],
      ['it is of another source', 'a\n', { offset: 3 }, /the position names no byte$/],
    ])('refuses one where %s', async (_, content, position, message) => {
      const paths = [file(content), file(gzipSync(content), '.gz')]
      for (const path of paths) {
        await expect(fileSource([path]).open('s', new Map([[0, position]]))).rejects.toMatchObject({
          code: 'SOURCE_POSITION',
          message: expect.stringMatching(message),
        })
      }
      await expect(fileSource(paths).open('s', new Map([[2, position]]))).rejects.toMatchObject({
        code: 'SOURCE_POSITION',
        message: 's has no file 2 any more; bring back the files in their order',
      })
    })

    it('goes on behind a last line without newline, as long as the file ends there', async () => {
      const at = new Map([[0, { offset: 2, byte: 3 }]])
      const open = (content: string) =>
        Promise.all([
          fileSource([file(content)]).open('s', at),
          fileSource([file(gzipSync(content), '.gz')]).open('s', at),
        ])
      const readers = (await open('a\nb')).flat()
      expect(await Promise.all(readers.map(readAll))).toEqual([[], []])
      await expect(open('a\nbc')).rejects.toMatchObject({ code: 'SOURCE_POSITION' })
    })
  })
})
