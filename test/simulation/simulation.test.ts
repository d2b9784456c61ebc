import { describe, expect, it } from 'vitest'
import { enumerateCrashes } from './enumerate-crashes.ts'
import { scenarioOf } from './scenario.ts'
import { simulate } from './simulate.ts'

/** `npm run simulate -- --seeds N` runs any number. */
const seeds = Number(process.env.TOCSIN_SIMULATE_SEEDS ?? 200)

describe('a job on a simulated machine', () => {
  it(`loses, doubles and changes nothing in ${seeds} random scenarios`, async () => {
    const sum = { lost: 0, duplicate: 0, different: 0 }
    const problems: string[] = []
    const met = new Set<string>()
    for (let seed = 1; seed <= seeds; seed++) {
      const outcome = await simulate(scenarioOf(seed))
      sum.lost += outcome.lost
      sum.duplicate += outcome.duplicate
      sum.different += outcome.different
      for (const problem of outcome.problems) {
        problems.push(`npm run simulate -- --seed ${seed}: ${problem}`)
      }
      if (outcome.crashes > 0) met.add('crash')
      if (outcome.stops > 0) met.add('stop')
      for (const code of outcome.refusals) met.add(code)
    }
    expect(problems.slice(0, 5)).toEqual([])
    expect(sum).toEqual({ lost: 0, duplicate: 0, different: 0 })
    expect([...met]).toEqual(
      expect.arrayContaining(['crash', 'stop', 'STATE_DISK_FULL', 'STATE_IO', 'STATE_CORRUPT']),
    )
  }, 120_000)

  it.each(['kill', 'power'] as const)(
    'gives the same after a %s at any operation, and another in any operation of the recovery',
    async (crash) => {
      const { problems, singles, pairs } = await enumerateCrashes(crash, { pairsOfEach: 9 })
      expect(problems.slice(0, 5)).toEqual([])
      expect([singles > 60, pairs > 200]).toEqual([true, true])
    },
    120_000,
  )
})
