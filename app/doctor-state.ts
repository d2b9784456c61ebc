import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { durableState } from '../connectors/registry.ts'
import { openCheckpointStore, retainedCheckpoints, TocsinError } from '../src/index.ts'
import { askForCopy, checkpointsIn } from './checkpoint-copies.ts'
import type { Config } from './config.ts'
import { hostClock } from './host.ts'
import { lockStateFolder } from './state-lock.ts'
import type { Terminal } from './terminal.ts'

/** What a check has found. */
export interface Finding {
  readonly check: string
  readonly outcome: 'fine' | 'warning' | 'failed'
  readonly detail: string
}

/** Reads all checkpoints of a job; of one that runs, a copy that it makes now. */
export async function stateFindings(config: Config, terminal: Terminal): Promise<Finding[]> {
  const { stateDirectory, checkpoints } = config
  if (checkpoints === null) {
    return [{ check: 'state', outcome: 'fine', detail: 'in memory: nothing is kept' }]
  }
  const directory = checkpointsIn(stateDirectory)
  if (!existsSync(directory)) {
    return [{ check: 'state', outcome: 'fine', detail: `${stateDirectory} has no checkpoint yet` }]
  }
  const findings = [spaceFinding(stateDirectory), timesFinding(directory)]
  const lock = await lockOrNull(stateDirectory, terminal)
  try {
    findings.push(
      lock === null ? await runningFinding(stateDirectory) : await scan('checkpoint', directory),
    )
    // Copies of a running job come and go: what has gone meanwhile is no finding.
    for (const number of await retainedCheckpoints(durableState.files, directory)) {
      const retained = join(directory, 'retained', String(number))
      const finding = await scan('retained', retained)
      if (lock !== null || existsSync(retained)) findings.push(finding)
    }
  } finally {
    lock?.release()
  }
  for (const name of readdirSync(directory).filter((each) => each.startsWith('damaged-'))) {
    const detail = `${join(directory, name)} was damaged and replaced; remove it when nobody needs it`
    findings.push({ check: 'damaged', outcome: 'warning', detail })
  }
  return findings
}

/** `null`: the job runs. */
async function lockOrNull(stateDirectory: string, terminal: Terminal) {
  try {
    return await lockStateFolder(stateDirectory, { onWatch: (text) => terminal.say(`${text}\n`) })
  } catch (error) {
    if (error instanceof TocsinError && error.code === 'STATE_LOCKED') return null
    throw error
  }
}

async function runningFinding(stateDirectory: string): Promise<Finding> {
  try {
    const copy = await askForCopy(stateDirectory)
    try {
      return await scan('checkpoint', copy.directory)
    } finally {
      copy.remove()
    }
  } catch (error) {
    return { check: 'checkpoint', outcome: 'failed', detail: (error as Error).message }
  }
}

async function scan(check: string, directory: string): Promise<Finding> {
  try {
    const store = await openCheckpointStore({ ...durableState, directory })
    try {
      const { rows, bytes } = await store.verify()
      const read = `${rows.toLocaleString('en-US')} rows, ${bytes.toLocaleString('en-US')} bytes`
      return { check, outcome: 'fine', detail: `${store.head.number}: ${read}, all checksums fit` }
    } finally {
      await store.close()
    }
  } catch (error) {
    return { check, outcome: 'failed', detail: (error as Error).message }
  }
}

/** Below this a checkpoint may find no room. */
const leastFreeBytes = 1 << 30

function spaceFinding(stateDirectory: string): Finding {
  const { bavail, bsize } = statfsSync(stateDirectory)
  const free = bavail * bsize
  const detail = `${(free / 2 ** 30).toFixed(1)} GiB are free`
  return { check: 'space', outcome: free < leastFreeBytes ? 'warning' : 'fine', detail }
}

/** A clock that has been put back lets processing time stand still. */
function timesFinding(directory: string): Finding {
  const written = statSync(directory).mtimeMs
  const aheadMs = written - hostClock.now()
  if (aheadMs < 60_000) return { check: 'clock of state', outcome: 'fine', detail: 'not ahead' }
  const detail = `the state was written ${Math.round(aheadMs / 1000)} s ahead of the clock`
  return { check: 'clock of state', outcome: 'failed', detail }
}
