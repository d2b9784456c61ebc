import { expect, it } from 'vitest'
import { SourceProblems } from '../../app/source-problems.ts'

it('tells of a trouble once for all partitions of a stream, and when it is over', () => {
  const told: string[] = []
  const problems = new SourceProblems({
    warn: (text) => told.push(`warn ${text}`),
    info: (text) => told.push(`info ${text}`),
  })
  for (const partition of [0, 1, 2]) problems.note('payments', partition, 'b:9092 is away')
  problems.note('payments', 1, 'no leader')
  problems.note('clicks', 0, 'b:9092 is away')
  for (const partition of [0, 1, 2]) problems.note('payments', partition, undefined)
  problems.note('payments', 0, 'b:9092 is away')
  expect(told).toEqual([
    'warn payments: no records come: b:9092 is away; it is tried again',
    'warn payments: no records come: no leader; it is tried again',
    'warn clicks: no records come: b:9092 is away; it is tried again',
    'info payments: records come again',
    'warn payments: no records come: b:9092 is away; it is tried again',
  ])
})
