import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { stdinSource } from '../../connectors/stdin/source.ts'
import { readAll, sourceConformance } from './source-conformance.ts'

describe('a stdin source', () => {
  describe('over a stream with several chunks', () => {
    sourceConformance(() => {
      const stream = new PassThrough({ highWaterMark: 8 * 1024 * 1024 })
      for (let i = 0; i < 30_000; i++) stream.write(`{"i":${i},"pad":"0123456789"}\n`)
      stream.end()
      return stdinSource(stream)
    })
  })

  it('gives what is there without waiting for more, and says when there is nothing', async () => {
    const stream = new PassThrough()
    const [reader] = await stdinSource(stream).open('s')
    expect(await reader!.pollBatch()).toEqual({ kind: 'idle', untilMs: 0 })
    stream.write('{"a":1}\n{"a":')
    expect(await reader!.pollBatch()).toMatchObject({ kind: 'batch', batch: { count: 1 } })
    expect(await reader!.pollBatch()).toEqual({ kind: 'idle', untilMs: 0 })
    stream.end('2}')
    expect(await readAll(reader!)).toEqual([{ partition: 0, offset: 1, text: '{"a":2}' }])
  })

  it('names itself when the stream breaks', async () => {
    const stream = new PassThrough()
    const [reader] = await stdinSource(stream).open('s')
    stream.destroy(new Error('wire cut'))
    await expect(reader!.pollBatch()).rejects.toMatchObject({
      code: 'INPUT_UNREADABLE',
      message: 'stdin cannot be read further: wire cut (at or after line 1)',
    })
  })
})
