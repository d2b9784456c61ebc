import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { folderWith, ndjson, tocsin } from './command-line.ts'

const rule = 'id: each\nfrom: s\nby: k\ndetect: { event: {} }\n'
const one = '{"ts":1,"k":"a"}'
const two = '{"ts":2,"k":"a"}'

/** Replays files as the partitions of stream `s`; what became of their records. */
async function replay(...contents: readonly (string | Buffer)[]) {
  const at = folderWith({ 'rule.yaml': rule })
  const inputs = contents.flatMap((content, index) => {
    const isGzip = typeof content !== 'string' && content.readUInt16BE() === 0x1f8b
    const path = join(at, `${index}.ndjson${isGzip ? '.gz' : ''}`)
    writeFileSync(path, content)
    return ['--input', `s=${path}`]
  })
  const ran = await tocsin(
    ...['replay', '--rules', join(at, 'rule.yaml'), '--format', 'json'],
    ...['--output', join(at, 'alerts'), '--side-output', join(at, 'side'), ...inputs],
  )
  const lines = (path: string) =>
    readFileSync(join(at, path), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  if (ran.code !== 0) return { code: ran.code, err: ran.err.replaceAll(`${at}/`, '') }
  const { events, late, invalid } = JSON.parse(ran.out)
  return {
    counts: [events, late, invalid],
    times: lines('alerts').map(({ event_time }) => event_time),
    deadLetters: lines('side/dead-letters.ndjson').map(({ cause, partition, offset }) =>
      [cause, partition, offset].join(' '),
    ),
  }
}

const fine = { counts: [2, 0, 0], times: [1, 2], deadLetters: [] }

describe('a replay of odd files', () => {
  it.each([
    ['lines ended by CRLF', [`${one}\r\n${two}\r\n`], fine],
    ['a last line without its end', [`${one}\n${two}`], fine],
    ['a byte order mark', [`\ufeff${one}\n${two}\n`], fine],
    ['blank lines', [`\n\n${one}\n  \n\t\r\n${two}\n\n`], fine],
    ['spaces around records', [`  ${one}\t\n ${two} \n`], fine],
    ['an empty file', [''], { counts: [0, 0, 0], times: [], deadLetters: [] }],
    ['an empty file beside another', ['', `${one}\n${two}\n`, ''], fine],
    ['gzip', [gzipSync(`${one}\n${two}`)], fine],
    ['gzip of nothing', [gzipSync(''), `${one}\n${two}\n`], fine],
    ['gzip in two members', [Buffer.concat([gzipSync(`${one}\n`), gzipSync(two)])], fine],
    [
      'ties over partitions, and duplicates',
      [`${two}\n${two}\n`, `${one}\n${two}\n`],
      { counts: [4, 0, 0], times: [1, 2, 2, 2], deadLetters: [] },
    ],
    [
      'a partition that is all late but its first',
      [`{"ts":9,"k":"a"}\n${one}\n${two}\n`, `${one}\n${two}\n`],
      { counts: [3, 2, 0], times: [1, 2, 9], deadLetters: [] },
    ],
    [
      'bytes that are no text',
      [
        Buffer.concat([
          Buffer.from(`${one}\n`),
          Buffer.from([0, 255, 254, 10, 128, 13, 10]),
          Buffer.from(two),
        ]),
      ],
      { counts: [2, 0, 2], times: [1, 2], deadLetters: ['json 0 1', 'json 0 2'] },
    ],
    [
      'a record over two lines, and records that are no objects',
      [`{"ts":1,\n"k":"a"}\n${one}\n[]\n5\n"x"\nnull\n${two}\n{"ts":3,"k":"a"} x\n`],
      {
        counts: [2, 0, 7],
        times: [1, 2],
        deadLetters: [0, 1, 3, 4, 5, 6, 8].map((offset) => `json 0 ${offset}`),
      },
    ],
    [
      'times that are none',
      [
        ndjson(
          { k: 'a' },
          { ts: null, k: 'a' },
          { ts: {}, k: 'a' },
          { ts: 'x', k: 'a' },
          { ts: 1e16, k: 'a' },
          { ts: 1, k: 'a' },
          { ts: '2', k: 'a' },
        ),
      ],
      {
        counts: [2, 0, 5],
        times: [1, 2],
        deadLetters: [0, 1, 2, 3, 4].map((offset) => `time 0 ${offset}`),
      },
    ],
    [
      'one JSON list in place of lines',
      [JSON.stringify(Array(2).fill(JSON.parse(one)))],
      { counts: [0, 0, 1], times: [], deadLetters: ['json 0 0'] },
    ],
  ] as const)('reads %s', async (_, contents, expected) => {
    expect(await replay(...contents)).toEqual(expected)
  })

  it('goes on behind a line of 50 MB', async () => {
    const long = `{"ts":1,"k":"${'x'.repeat(50_000_000)}"}`
    const expected = { counts: [2, 0, 1], times: [1, 2], deadLetters: ['too_long 0 1'] }
    expect(await replay(`${one}\n${long}\n${two}\n`)).toEqual(expected)
    expect(await replay(gzipSync(`${one}\n${long}\n${two}\n`, { level: 1 }))).toEqual(expected)
  })

  it('ends with 3 where a file cannot be read to its end', async () => {
    const whole = gzipSync(Array(5000).fill(one).join('\n'))
    expect(await replay(whole.subarray(0, whole.length - 20))).toEqual({
      code: 3,
      err: expect.stringMatching(
        /^error: 0\.ndjson\.gz cannot be read further: unexpected end of file \(at or after line [1-9]\d+\) \(INPUT_UNREADABLE\)\n$/,
      ),
    })
    const garbage = Buffer.concat([gzipSync(one).subarray(0, 10), Buffer.alloc(100, 7)])
    expect(await replay(garbage)).toMatchObject({ code: 3 })
  })

  it('says so where nothing of it is an event', async () => {
    const at = folderWith({ 'rule.yaml': rule, 'p.ndjson': ndjson({ time: 1, k: 'a' }) })
    const { code, err } = await tocsin(
      ...['replay', '--rules', join(at, 'rule.yaml'), '--input', `s=${join(at, 'p.ndjson')}`],
    )
    expect([code, err]).toEqual([
      0,
      "warning: no record was an event; the first dead letter is s/0/0: time field 'ts' is missing\n",
    ])
  })
})
