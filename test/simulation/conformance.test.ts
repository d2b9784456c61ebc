import { describe } from 'vitest'
import { fileSystemConformance } from '../connectors/file-system-conformance.ts'
import { stateStoreConformance } from '../connectors/state-store-conformance.ts'
import { SimulatedMachine } from './simulated-machine.ts'

async function makeWorld() {
  const { files, openStateStore } = new SimulatedMachine({ seed: 1 })
  await files.makeDirectory('/work')
  return { files, open: openStateStore, directory: '/work', end: async () => {} }
}

describe('the simulated file system', () => {
  fileSystemConformance(makeWorld)
})

describe('the simulated state store', () => {
  stateStoreConformance(makeWorld)
})
