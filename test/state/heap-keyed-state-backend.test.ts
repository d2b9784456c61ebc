import { describe } from 'vitest'
import { HeapKeyedStateBackend } from '../../src/state/heap-keyed-state-backend.ts'
import { backendConformance } from './backend-conformance.ts'
import { stateConformance } from './state-conformance.ts'

describe('the heap backend', () => {
  backendConformance(() => new HeapKeyedStateBackend())
})

describe('keyed state on the heap', () => {
  stateConformance(() => new HeapKeyedStateBackend())
})
