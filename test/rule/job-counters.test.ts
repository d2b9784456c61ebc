import { expect, it } from 'vitest'
import type { SourceReader } from '../../src/connector/source.ts'
import { JobCounters } from '../../src/rule/job-counters.ts'

it('what readers leave out is counted once, over all lives of a job', () => {
  const readerOf = (leftOut: Record<string, number>): SourceReader => ({
    split: { stream: 's', partition: 0 },
    pollBatch: async () => ({ kind: 'end' }),
    progress: () => ({ read: 0, total: undefined }),
    leftOut: () => leftOut,
    close: async () => {},
  })
  const first = new JobCounters(() => new Map())
  const counts = { duplicate: 2, retained: 0 }
  const readers = [readerOf(counts), readerOf({ duplicate: 1 })]
  for (const reader of readers) first.noteLeftOut(reader)
  counts.duplicate = 5
  counts.retained = 1
  for (const reader of readers) first.noteLeftOut(reader)
  const second = new JobCounters(() => new Map())
  second.restore(first.save())
  second.noteLeftOut(readerOf({ duplicate: 1 }))
  expect(Object.fromEntries(second.totals().metrics)).toEqual({
    'left_out.duplicate': 7,
    'left_out.retained': 1,
  })
})
