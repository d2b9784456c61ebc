import { SimulatedCrash, SimulatedMachine } from './simulated-machine.ts'

/**
 * Runs work on a machine with the folder `/data`: it dies at the first operation, then at the second
 * of a fresh run, and so on until a run is through; under each seed anew. After each death it is
 * started again, dies once more, at an operation that follows from the seed, and then gets through.
 * @returns how often it died
 */
export async function crashEverywhere(
  crash: 'power' | 'kill',
  seeds: number,
  start: () => (machine: SimulatedMachine) => Promise<void>,
): Promise<number> {
  let crashes = 0
  for (let seed = 0; seed < seeds; seed++) {
    for (let crashAt = 1; ; crashAt++) {
      const work = start()
      let machine = await machineWithFolder(seed * 1000 + crashAt)
      machine.faults = { crash, crashAt: machine.operations + crashAt }
      if (await survives(machine, work)) break
      crashes++
      machine = machine.reopen({ crash, crashAt: 1 + ((seed * 31 + crashAt * 7) % 60) })
      if (await survives(machine, work)) continue
      crashes++
      await work(machine.reopen())
    }
  }
  return crashes
}

/** A machine without faults that has the folder `/data`, durably. */
export async function machineWithFolder(seed = 1): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed })
  await machine.files.makeDirectory('/data')
  await machine.files.syncDirectory('/')
  return machine
}

async function survives(
  machine: SimulatedMachine,
  work: (machine: SimulatedMachine) => Promise<void>,
): Promise<boolean> {
  try {
    await work(machine)
    return true
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error
    return false
  }
}
