import { describe, expect, it } from 'vitest'
import { compileEventCheck } from '../../src/expression/event-schema.ts'
import { memorySource } from '../harness/memory-source.ts'
import { positions, runSplits, type SplitRunStream } from '../harness/split-run.ts'

/** What became of the records of one split, in one batch. */
async function outcome(records: readonly unknown[], stream: Partial<SplitRunStream> = {}) {
  const run = await runSplits({
    s: { source: memorySource([records.map((each) => [each])]), ...stream },
  })
  return {
    alerts: positions(run.alerts),
    rejected: run.rejected.map(({ kind, cause, offset, reason }) => [
      offset,
      cause ?? kind,
      reason,
    ]),
  }
}

describe('records that are no events', () => {
  it('go to dead letters with their position and what is wrong, and move no clock', async () => {
    const { alerts, rejected } = await outcome([
      { ts: 1000, k: 'a' },
      'no json',
      '[]',
      { k: 'a' },
      { ts: null, k: 'a' },
      { ts: 'soon', k: 'a' },
      '{"ts": NaN, "k": "a"}',
      { ts: 9e15, k: 'a' },
      { ts: 1e300, k: 'a' },
      { ts: 2000 },
      { ts: 1500, k: 'a' },
      '\u0000\u0001\u0002\ufffd',
      { ts: 2500, k: 'a' },
    ])
    expect(alerts).toEqual(['s/0/0@1000', 's/0/12@2500'])
    expect(rejected).toEqual([
      [1, 'json', "unexpected 'o' at byte 1"],
      [2, 'json', expect.stringContaining('object')],
      [3, 'time', "time field 'ts' is missing"],
      [4, 'time', "time field 'ts' is null"],
      [5, 'time', 'time field \'ts\' is no number of ms: "soon"'],
      [6, 'json', "unexpected 'N' at byte 7"],
      [7, 'time', "time field 'ts' is out of range"],
      [8, 'time', "time field 'ts' is out of range"],
      // It has a time, and so it moved the clock, but no key for the rule.
      [9, 'key', "key 'k' is missing"],
      [10, 'late', 'event time is at or below the watermark 1999'],
      [11, 'json', expect.stringContaining('byte 0')],
    ])
  })

  it('are counted by what is wrong', async () => {
    const source = memorySource([[['x', 'y', { ts: 1 }, {}, { ts: 2, k: 'a' }]]])
    const { summary } = await runSplits({ s: { source } })
    expect([summary.deadLetters, [...summary.deadLettersByCause].sort()]).toEqual([
      4,
      [
        ['json', 2],
        ['key', 1],
        ['time', 1],
      ],
    ])
  })

  it('are those that the schema of the stream refuses, whatever their time is', async () => {
    const check = compileEventCheck({
      type: 'object',
      required: ['amount'],
      properties: { amount: { type: 'number' } },
    })
    const { alerts, rejected } = await outcome(
      [
        { ts: 1000, k: 'a', amount: 1 },
        { ts: 9000, k: 'a', amount: '1' },
        { ts: 9000, k: 'a' },
        { k: 'a', amount: 'x' },
        'no json',
        { ts: 500, k: 'a', amount: 'x' },
        { ts: 2000, k: 'a', amount: 1 },
      ],
      { check },
    )
    expect(alerts).toEqual(['s/0/0@1000', 's/0/6@2000'])
    expect(rejected).toEqual([
      [1, 'schema', "field 'amount' must be number, but is string"],
      [2, 'schema', "field 'amount' is missing"],
      [3, 'schema', "field 'amount' must be number, but is string"],
      [4, 'json', expect.any(String)],
      [5, 'schema', "field 'amount' must be number, but is string"],
    ])
  })

  it('are those that their source marks, though what is there may be JSON', async () => {
    const source = memorySource([[['{"ts":1,"k":"a"}', '{"ts":2,"k"', { ts: 3, k: 'a' }]]])
    const cut = {
      bounded: true,
      async open(stream: string) {
        const readers = await source.open(stream)
        return readers.map((reader) => ({
          ...reader,
          async pollBatch() {
            const result = await reader.pollBatch()
            if (result.kind !== 'batch') return result
            const faults = new Map([
              [0, { cause: 'too_long', reason: 'too long' } as const],
              [1, { cause: 'format', reason: 'no Avro' } as const],
            ])
            return { kind: 'batch' as const, batch: { ...result.batch, faults } }
          },
        }))
      },
    }
    const { alerts, rejected } = await runSplits({ s: { source: cut } })
    expect(positions(alerts)).toEqual(['s/0/2@3'])
    expect(rejected.map(({ offset, cause, reason }) => [offset, cause, reason])).toEqual([
      [0, 'too_long', 'too long'],
      [1, 'format', 'no Avro'],
    ])
  })
})

describe('the watermark of a split', () => {
  it.each([
    [
      'negative times',
      [
        { ts: -2, k: 'a' },
        { ts: -1, k: 'a' },
        { ts: 0, k: 'a' },
      ],
      {},
      ['s/0/0@-2', 's/0/1@-1', 's/0/2@0'],
      [],
    ],
    [
      'ties and duplicates',
      [
        { ts: 5, k: 'a' },
        { ts: 5, k: 'a' },
        { ts: 5, k: 'a' },
      ],
      {},
      ['s/0/0@5', 's/0/1@5', 's/0/2@5'],
      [],
    ],
    [
      'one at the very bound',
      [
        { ts: 10, k: 'a' },
        { ts: 7, k: 'a' },
        { ts: 6, k: 'a' },
      ],
      { outOfOrdernessMs: 3 },
      ['s/0/1@7', 's/0/0@10'],
      [[2, 'late', 'event time is at or below the watermark 6']],
    ],
    [
      'the year 9999',
      [
        { ts: 253_402_300_799_999, k: 'a' },
        { ts: 1, k: 'a' },
      ],
      {},
      ['s/0/0@253402300799999'],
      [[1, 'late', 'event time is at or below the watermark 253402300799998']],
    ],
    [
      'the last time there is',
      [{ ts: 8.64e15, k: 'a' }],
      { outOfOrdernessMs: 1000 },
      ['s/0/0@8640000000000000'],
      [],
    ],
    [
      'parts of a millisecond',
      [
        { ts: 1.9, k: 'a' },
        { ts: 1.1, k: 'a' },
      ],
      {},
      ['s/0/0@1', 's/0/1@1'],
      [],
    ],
    [
      'seconds with fractions',
      [
        { ts: 1.001, k: 'a' },
        { ts: 1.002, k: 'a' },
        { ts: 1.0005, k: 'a' },
      ],
      { unit: 's' },
      ['s/0/0@1001', 's/0/1@1002'],
      [[2, 'late', 'event time is at or below the watermark 1001']],
    ],
  ] as const)('with %s', async (_, records, stream, alerts, rejected) => {
    expect(await outcome(records, stream)).toEqual({ alerts, rejected })
  })

  it('is its own: all of a split may be late, and none of the other', async () => {
    const source = memorySource([
      [
        [
          { ts: 9000, k: 'a' },
          { ts: 10, k: 'a' },
          { ts: 11, k: 'a' },
        ],
      ],
      [[{ ts: 20, k: 'a' }], [{ ts: 21, k: 'a' }]],
      [],
    ])
    const { alerts, summary } = await runSplits({ s: { source } })
    expect(positions(alerts)).toEqual(['s/1/0@20', 's/1/1@21', 's/0/0@9000'])
    expect(summary).toMatchObject({ events: 3, late: 2 })
  })

  it('goes on where the same records come again', async () => {
    const again = [
      { ts: 1, k: 'a' },
      { ts: 2, k: 'a' },
    ]
    const source = memorySource([[again], [again]])
    const { alerts } = await runSplits({ s: { source } })
    expect(positions(alerts)).toEqual(['s/0/0@1', 's/1/0@1', 's/0/1@2', 's/1/1@2'])
  })
})
