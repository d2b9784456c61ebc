import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { CollectingSink } from '../harness/collecting-sink.ts'
import { memorySource } from '../harness/memory-source.ts'
import { manualEnvironment } from '../harness/program.ts'
import { runSpendingBurst } from './spending-burst-program.ts'

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8')

it('is the program that the documentation shows', () => {
  const [, shown = ''] = /```ts\n(import .*?)```/s.exec(read('../../docs/datastream-api.md')) ?? []
  expect(withoutImports(shown)).toBe(withoutImports(read('spending-burst-program.ts')))
})

it('finds bursts of spending, each once, and gives tiny and late payments apart', async () => {
  const { env } = manualEnvironment()
  const minute = 60_000
  const pay = (at: number, card: string, amount: number, status = 'approved') => ({
    ...{ ts: at * minute, card, amount, status },
  })
  const payments = memorySource([
    [
      [pay(0, 'c1', 1), pay(1, 'c2', 700), pay(2, 'c1', 800), pay(3, 'c1', 900, 'declined')],
      [pay(5, 'c1', 300), pay(9, 'c2', 200), pay(9, 'c3', 1.5), pay(11, 'c1', 5000)],
      [pay(10, 'c1', 9999), pay(12, 'c2', 900)],
    ],
  ])
  const sinks = {
    bursts: new CollectingSink(),
    tiny: new CollectingSink(),
    late: new CollectingSink(),
  }
  const summary = await runSpendingBurst(env, payments, sinks)
  expect({
    bursts: sinks.bursts.values,
    tiny: sinks.tiny.values,
    late: sinks.late.values,
    summary,
  }).toEqual({
    bursts: [
      { card: 'c1', spent: 1101, until: 10 * minute },
      { card: 'c1', spent: 5000, until: 21 * minute },
    ],
    tiny: [
      { card: 'c1', amount: 1 },
      { card: 'c3', amount: 1.5 },
    ],
    late: [{ offset: 8, reason: `event time is at or below the watermark ${11 * minute - 5001}` }],
    summary: { events: 9, late: 1, lateAfterIdle: 0, deadLetters: 0, openKeys: 0 },
  })
})

/** What follows the imports: those of the documentation name the package. */
function withoutImports(program: string): string {
  return program.slice(program.indexOf('interface '))
}
