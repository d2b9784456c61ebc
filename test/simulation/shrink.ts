import { type Hazard, hazards, type ScenarioLimits, scenarioOf } from './scenario.ts'
import { simulate } from './simulate.ts'

/** The least of a scenario that still fails. */
export interface LeastFailure {
  readonly limits: ScenarioLimits
  readonly problems: readonly string[]
}

/** Leaves out of a failing scenario one hazard after the other, and then events, while it fails. */
export async function shrink(seed: number, limits: ScenarioLimits): Promise<LeastFailure> {
  let least: LeastFailure = { limits, problems: await problemsOf(seed, limits) }
  const attempt = async (smaller: ScenarioLimits) => {
    const problems = await problemsOf(seed, smaller)
    if (problems.length === 0) return false
    least = { limits: smaller, problems }
    return true
  }
  for (const hazard of hazards) {
    const without: readonly Hazard[] = least.limits.without ?? []
    if (!without.includes(hazard)) await attempt({ ...least.limits, without: [...without, hazard] })
  }
  for (let events = 64; events >= 1; events >>= 1) {
    if (events < (least.limits.events ?? Infinity)) await attempt({ ...least.limits, events })
  }
  return least
}

async function problemsOf(seed: number, limits: ScenarioLimits): Promise<readonly string[]> {
  return (await simulate(scenarioOf(seed, limits))).problems
}
