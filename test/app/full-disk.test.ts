import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
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

const quiet = rule.replace(/alert: .*\n/, '')
/** Nothing is late and nothing suppressed: that is kept elsewhere. */
const fromFile = durable.replace('4s', '5s')
const fromStdin = fromFile.replace('file: { path: payments.ndjson }', 'stdin: {}')
const { head, rest } = halves(payments(100_000))

interface FullDisk {
  readonly what: string
  readonly config: string
  /** What of the folder of the run is a small disk. */
  readonly disk: string
  readonly said: string
}

const disks: readonly FullDisk[] = [
  {
    what: 'checkpoints',
    config: fromFile,
    disk: 'state',
    said: 'no checkpoint can be taken, and nothing more is read: ',
  },
  {
    what: 'what comes in',
    config: fromStdin,
    // A disk of its own: on one with the checkpoints, these may be what finds no space, and then
    // nothing is read that the log could not keep.
    disk: 'state/ingest',
    said: 'what comes in cannot be kept, and is not read: ',
  },
]

describe('a run on a disk that is full', () => {
  it.each(disks)(
    'keeps its last checkpoint, and goes on when there is room for $what',
    async ({ config, disk, said: reason }) => {
      const files = { 'payments.ndjson': head + rest, 'rules/testing.yaml': quiet }
      const whole = folderWith({ ...files, 'tocsin.yaml': config })
      const at = folderWith({ ...files, 'tocsin.yaml': config })
      if (!mountDisk(join(at, disk), 96)) return
      runBinary(whole, ['run'], config === fromStdin ? head + rest : '')
      const child = startBinary(at, ['run'])
      running.push(child)
      const closed = once(child, 'close')
      let said = ''
      child.stderr.on('data', (chunk) => {
        said += chunk
      })
      child.stdin.write(config === fromStdin ? head : '')
      while (checkpointOf(at) === 0 && child.exitCode === null) await turn()
      // It stands still, so that the disk is full before there is nothing left to be done.
      child.kill('SIGSTOP')
      const filler = join(at, disk, 'filler')
      fill(filler)
      child.kill('SIGCONT')
      child.stdin.end(config === fromStdin ? rest : '')
      const stalls = () => said.split(reason).length - 1
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

/** Lines, and behind half of them the others. */
function halves(lines: string): { readonly head: string; readonly rest: string } {
  const at = lines.indexOf('\n', lines.length / 2) + 1
  return { head: lines.slice(0, at), rest: lines.slice(at) }
}
