import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { buildOnce, folderWith, runBinary, startBinary } from './command-line.ts'
import { alertsIn, checkpointOf, durable, payments, rule, turn } from './durable-folder.ts'

const mounted: string[] = []
const running: ChildProcess[] = []

beforeAll(buildOnce)
afterEach(async () => {
  for (const child of running.splice(0)) {
    const isOver = child.exitCode !== null || child.signalCode !== null
    const closed = isOver ? null : once(child, 'close')
    child.kill('SIGKILL')
    await closed
  }
  for (const path of mounted.splice(0)) spawnSync('umount', [path])
})

/** A disk of its own at a path; false, said: this user may not have one. */
function mountDisk(path: string, mebibytes: number): boolean {
  mkdirSync(path, { recursive: true })
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path])
  if (status === 0) mounted.push(path)
  else process.stderr.write('no file system may be mounted here: a full disk is not tried\n')
  return status === 0
}

/** Takes all the room that there is. */
function fill(path: string): void {
  const file = openSync(path, 'a')
  try {
    for (const size of [1 << 20, 4096, 1]) {
      const bytes = Buffer.alloc(size)
      try {
        for (;;) writeSync(file, bytes)
      } catch {
        // Full, but for less than this.
      }
    }
  } finally {
    closeSync(file)
  }
}

// Nothing is late and nothing suppressed: that is kept elsewhere.
const fromFile = durable.replace('4s', '5s')
const fromStdin = fromFile.replace('file: { path: payments.ndjson }', 'stdin: {}')
const jobs: readonly (readonly [what: string, config: string, said: string])[] = [
  ['checkpoints', fromFile, 'no checkpoint can be taken, and nothing more is read: '],
  ['what comes in', fromStdin, 'what comes in cannot be kept, and is not read: '],
]

describe('a run on a disk that is full', () => {
  it.each(jobs)(
    'keeps its last checkpoint, and goes on when there is room for %s',
    async (...job) => {
      const [, config, reason] = job
      const files = {
        'payments.ndjson': payments(100_000),
        'rules/testing.yaml': rule.replace(/alert: .*\n/, ''),
      }
      const whole = folderWith({ ...files, 'tocsin.yaml': config })
      const at = folderWith({ ...files, 'tocsin.yaml': config })
      if (!mountDisk(join(at, 'state'), 96)) return
      runBinary(whole, ['run'], config === fromStdin ? files['payments.ndjson'] : '')
      const child = startBinary(at, ['run'])
      running.push(child)
      const closed = once(child, 'close')
      if (config === fromStdin) createReadStream(join(at, 'payments.ndjson')).pipe(child.stdin)
      let said = ''
      child.stderr.on('data', (chunk) => {
        said += chunk
      })
      while (!existsSync(join(at, 'state/checkpoints/checkpoint'))) await turn()
      const filler = join(at, 'state/filler')
      const stalls = () => said.match(/nothing more is read|is not read/g)?.length ?? 0
      while (stalls() < 4 && child.exitCode === null) {
        // What a compaction gives back is taken too.
        fill(filler)
        await turn()
      }
      expect([child.exitCode, said]).toEqual([null, expect.stringContaining(reason)])
      expect(checkpointOf(at)).toBeGreaterThan(0)
      rmSync(filler)
      expect([(await closed)[0], alertsIn(at)]).toEqual([0, alertsIn(whole)])
    },
    120_000,
  )
})
