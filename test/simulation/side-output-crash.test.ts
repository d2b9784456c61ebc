import { beforeAll, describe, expect, it } from 'vitest'
import { openSideOutputLog } from '../../src/checkpoint/side-output-log.ts'
import { PartialWriteError, type Sink } from '../../src/connector/sink.ts'
import { ConnectorError } from '../../src/errors.ts'
import { withoutDetection } from './comparison.ts'
import { machineWithFolder } from './crash-runs.ts'
import { generatedPartitions, runDurableJob } from './durable-job.ts'
import { SimulatedCrash, type SimulatedMachine } from './simulated-machine.ts'

const partitions = generatedPartitions(11, 60)
const directory = '/data/side-output'
const refused = new ConnectorError('OUTPUT_UNWRITABLE', 'refused', { retryable: false })

/** Takes all alerts but those of one rule. */
function secondSink(taken: string[]): Sink {
  return {
    open: async () => undefined,
    write: async (documents) => {
      const failures = new Map(
        documents.flatMap((document, index) =>
          document.includes('"rule":"pair"') ? [[index, refused] as const] : [],
        ),
      )
      taken.push(...documents.filter((_, index) => !failures.has(index)).map(withoutDetection))
      if (failures.size > 0) throw new PartialWriteError('refused', failures)
    },
    close: async () => undefined,
  }
}

async function run(machine: SimulatedMachine, taken: string[]): Promise<void> {
  const { files, time } = machine
  const options = { files, directory, clock: time, segmentBytes: 600 }
  const sideOutput = await time.run(openSideOutputLog(options))
  await runDurableJob(machine, partitions, { secondSink: secondSink(taken), sideOutput })
}

/** What the log holds in the end, in order. */
async function rowsOf({ files }: SimulatedMachine): Promise<string[]> {
  const names = (await files.list(directory)).filter((name) => name.endsWith('.ndjson'))
  let text = ''
  for (const name of names) text += (await files.readFile(`${directory}/${name}`)).toString()
  return text.split('\n').filter(Boolean)
}

async function dies(machine: SimulatedMachine, taken: string[]): Promise<boolean> {
  try {
    await run(machine, taken)
    return false
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error
    return true
  }
}

let faultless: { readonly rows: readonly string[]; readonly taken: readonly string[] }
let operations: number

beforeAll(async () => {
  const machine = await machineWithFolder()
  const taken: string[] = []
  await run(machine, taken)
  operations = machine.operations
  faultless = { rows: (await rowsOf(machine)).sort(), taken: taken.sort() }
})

describe('what is left out by a job that dies', () => {
  it('is of all kinds, in several segments', () => {
    const kinds = ['"kind":"late"', '"by":', '"rule":"pair"']
    const counts = kinds.map((kind) => faultless.rows.filter((row) => row.includes(kind)).length)
    expect(counts.every((count) => count > 2)).toBe(true)
    expect(new Set(faultless.rows).size).toBe(faultless.rows.length)
    expect(faultless.taken.length).toBeGreaterThan(5)
  })

  for (const crash of ['power', 'kill'] as const) {
    it(`is kept, each once, after a ${crash} at any operation`, async () => {
      let crashes = 0
      for (let crashAt = 1; crashAt <= operations; crashAt++) {
        const taken: string[] = []
        const machine = await machineWithFolder(crashAt)
        machine.faults = { crash, crashAt: machine.operations + crashAt }
        if (!(await dies(machine, taken))) continue
        crashes++
        const second = machine.reopen({ crash, crashAt: 1 + ((crashAt * 7) % 40) })
        if (await dies(second, taken)) crashes++
        const last = second.reopen()
        await run(last, taken)
        const rows = (await rowsOf(last)).sort()
        const outcome = { rows, taken: [...new Set(taken)].sort() }
        expect(outcome, `crash at ${crashAt}`).toEqual(faultless)
      }
      expect(crashes).toBeGreaterThan(operations * 0.9)
    }, 120_000)
  }

  it('is not sent again where the job had come to its end', async () => {
    const machine = await machineWithFolder()
    const taken: string[] = []
    await run(machine, taken)
    const again: string[] = []
    await run(machine.reopen(), again)
    expect(again).toEqual([])
  })
})
