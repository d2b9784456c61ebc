import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { afterAll, describe, expect, it } from 'vitest'
import { FileSink } from '../../connectors/file/sink.ts'
import { StdoutSink } from '../../connectors/stdout/sink.ts'
import type { Sink } from '../../src/connector/sink.ts'

const folder = mkdtempSync(join(tmpdir(), 'tocsin-sink-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What every sink must keep; `written` tells what the outside has after the close. */
function sinkConformance(make: () => { readonly sink: Sink; written(): string }): void {
  it('writes one document a line, in order', async () => {
    const { sink, written } = make()
    await sink.open()
    await sink.write(['{"a":1}', '{"a":2}'])
    await sink.write([])
    await sink.write(['{"ä":"€"}'])
    await sink.close()
    expect(written()).toBe('{"a":1}\n{"a":2}\n{"ä":"€"}\n')
  })

  it('writes nothing when there is nothing', async () => {
    const { sink, written } = make()
    await sink.open()
    await sink.close()
    expect(written()).toBe('')
  })

  it('writes texts whose bytes are more than their chars', async () => {
    const { sink, written } = make()
    const documents = ['{"a":1}', ...Array.from({ length: 50 }, (_, i) => `"${'€'.repeat(i)}😀"`)]
    await sink.open()
    await sink.write(documents)
    await sink.close()
    expect(written()).toBe(documents.map((document) => `${document}\n`).join(''))
  })

  it('takes more than fits into a buffer', async () => {
    const { sink, written } = make()
    const document = JSON.stringify({ pad: 'x'.repeat(1000) })
    await sink.open()
    for (let i = 0; i < 200; i++) await sink.write(Array(5).fill(document))
    await sink.close()
    expect(written()).toBe(`${document}\n`.repeat(1000))
  })
}

let files = 0
const freshPath = () => join(folder, `alerts-${files++}.ndjson`)

describe('a file sink', () => {
  sinkConformance(() => {
    const path = freshPath()
    return { sink: new FileSink(path), written: () => readFileSync(path, 'utf8') }
  })

  it('shows its file only when it is closed, over the one that was there', async () => {
    const path = freshPath()
    writeFileSync(path, 'old\n')
    const sink = new FileSink(path)
    await sink.open()
    await sink.write(['new'])
    const during = readFileSync(path, 'utf8')
    await sink.close()
    expect([during, readFileSync(path, 'utf8')]).toEqual(['old\n', 'new\n'])
    expect(readdirSync(folder).filter((name) => name.endsWith('.partial'))).toEqual([])
  })

  it('starts anew over what a run that was killed left behind', async () => {
    const path = freshPath()
    writeFileSync(`${path}.partial`, 'left behind\n')
    const sink = new FileSink(path)
    await sink.open()
    await sink.write(['new'])
    await sink.close()
    expect([readFileSync(path, 'utf8'), existsSync(`${path}.partial`)]).toEqual(['new\n', false])
  })

  it('keeps a link and replaces what it points at', async () => {
    const path = freshPath()
    const link = freshPath()
    writeFileSync(path, 'old\n')
    symlinkSync(path, link)
    const sink = new FileSink(link)
    await sink.open()
    await sink.write(['new'])
    await sink.close()
    expect(readFileSync(path, 'utf8')).toBe('new\n')
  })

  it('can be closed twice', async () => {
    const path = freshPath()
    const sink = new FileSink(path)
    await sink.open()
    await sink.close()
    await sink.close()
    expect(readFileSync(path, 'utf8')).toBe('')
  })

  it.each([
    [
      'a folder that is not there',
      () => join(folder, 'none', 'a.ndjson'),
      /there is no folder .*none; create it, or choose another path$/,
    ],
    ['a folder', () => folder, /it is a folder; name a file in it$/],
    [
      'a file as folder',
      () => {
        const path = freshPath()
        writeFileSync(path, '')
        return join(path, 'a')
      },
      /there is no folder/,
    ],
  ])('says what cannot be written and what to do: %s', async (_name, path, message) => {
    const name = path()
    const error = await new FileSink(name).open().catch((reason) => reason)
    expect(error).toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(message),
    })
    expect(error.message).toContain(`cannot write ${name}: `)
  })

  // The superuser may write everywhere.
  it.skipIf(process.getuid?.() === 0)('says that it lacks the permission', async () => {
    const closed = join(folder, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o500)
    await expect(new FileSink(join(closed, 'a')).open()).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: expect.stringMatching(/no permission; change its permissions/),
    })
  })
})

describe('a stdout sink', () => {
  sinkConformance(() => {
    const stream = new PassThrough({ highWaterMark: 8 * 1024 * 1024 })
    return { sink: new StdoutSink(stream), written: () => String(stream.read() ?? '') }
  })

  it('says that its reader has gone', async () => {
    const stream = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
      },
    })
    const sink = new StdoutSink(stream)
    await sink.open()
    await expect(sink.write(['a'])).rejects.toMatchObject({
      code: 'OUTPUT_UNWRITABLE',
      message: 'cannot write to stdout: its reader has gone; write to a file instead',
    })
  })
})
