import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Random } from '../../connectors/generator/random.ts'
import { rocksdbStateStore } from '../../connectors/rocksdb/state-store.ts'
import { type CompiledProgram, compileProgram } from '../harness/compile-program.ts'
import { content } from './state-store-conformance.ts'

const rounds = Number(process.env.TOCSIN_KILL_ROUNDS ?? 10)
const seed = Number(process.env.TOCSIN_SEED ?? 20260101)

let directory: string
let writer: CompiledProgram
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tocsin-kill-'))
  writer = compileProgram(fileURLToPath(new URL('killed-writer.ts', import.meta.url)))
})
afterAll(() => {
  writer.remove()
  rmSync(directory, { recursive: true })
})

it(`keeps acknowledged batches, each whole, over ${rounds} kills`, {
  timeout: 60_000 + rounds * 5000,
}, async () => {
  const random = new Random(seed)
  let last = 0
  for (let round = 0; round < rounds; round++) {
    const acknowledged = await writeUntilKilled(round, last + 1, random.integer(1, 12))
    // What was not synced lives on in the system's memory when a process is killed: without the
    // write-ahead log, as after a power cut, only what was flushed is left.
    if (round % 2 === 1) removeLogs()
    const batch = await wholeBatch()
    // At most three are written before a flush is acknowledged.
    expect([batch >= acknowledged, batch - acknowledged <= 3], `round ${round}`).toEqual([
      true,
      true,
    ])
    last = batch
  }
  expect(last).toBeGreaterThanOrEqual(rounds)
})

/** Starts the writer and kills it as it acknowledges for the n-th time; the last that it has said. */
async function writeUntilKilled(round: number, first: number, kills: number): Promise<number> {
  const args = [writer.path, `${directory}/db`, String(seed + round), String(first)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let acknowledged = 0
  let heard = 0
  // What it says until it is dead counts too.
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Number(line)
    if (++heard === kills) child.kill('SIGKILL')
  }
  expect((await exited)[1]).toBe('SIGKILL')
  return acknowledged
}

function removeLogs(): void {
  for (const name of readdirSync(`${directory}/db`)) {
    if (/^\d+\.log$/.test(name)) rmSync(`${directory}/db/${name}`)
  }
}

/** The number of the batch that the store is at, after a check that it is there whole and alone. */
async function wholeBatch(): Promise<number> {
  const store = await rocksdbStateStore()(`${directory}/db`, { firstStart: false })
  const rows = await content(store)
  await store.close()
  const batch = Number.parseInt(rows[0]?.[1] ?? '', 10)
  const keys = [
    'batch',
    ...Array.from({ length: batch % 5 }, (_, i) => `extra-${i}`),
    ...Array.from({ length: 150 }, (_, i) => `row-${i}`).sort(),
  ]
  expect(rows.map(([key]) => key)).toEqual(keys)
  expect(new Set(rows.map(([, value]) => value)).size).toBe(1)
  return batch
}
