import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildOnce, folderWith, runBinary } from './command-line.ts'
import {
  alertsIn,
  checkpointOf,
  durable,
  killWhen,
  payments,
  rule,
  runUntilKilled,
} from './durable-folder.ts'

const retaining = durable.replace('10ms', '10ms, retained: 2')

beforeAll(buildOnce)

/** Damages the database of a folder that was killed; says how. */
const damages: Readonly<Record<string, (database: string) => void>> = {
  'a MANIFEST that is cut': (database) => {
    const name = readdirSync(database).find((each) => each.startsWith('MANIFEST')) as string
    const path = join(database, name)
    truncateSync(path, Math.floor(readFileSync(path).length * 0.6))
  },
  'tables with changed bytes': (database) => {
    for (const name of readdirSync(database).filter((each) => each.endsWith('.sst'))) {
      const bytes = readFileSync(join(database, name))
      bytes[20] = (bytes[20] as number) ^ 1
      // Another file: the copies have a link to the one that was whole.
      writeFileSync(join(database, `${name}.new`), bytes)
      renameSync(join(database, `${name}.new`), join(database, name))
    }
  },
}

describe('a run whose newest checkpoint is damaged', () => {
  const files = { 'payments.ndjson': payments(100_000), 'rules/testing.yaml': rule }
  const whole = folderWith({ ...files, 'tocsin.yaml': durable })
  beforeAll(() => {
    runBinary(whole, ['run'])
  })

  for (const [what, damage] of Object.entries(damages)) {
    it(`goes back to a retained one by itself and says so: ${what}`, async () => {
      const at = await killedFolder(files)
      damage(join(at, 'state/checkpoints/db'))
      let last = runBinary(at, ['run'])
      // Where only reading meets the damage, the next start looks closely.
      if (last.code !== 0) last = runBinary(at, ['run'])
      expect([last.code, last.err]).toEqual([
        0,
        expect.stringMatching(/^warning: .*; the job goes back to retained checkpoint \d+/m),
      ])
      expect(readdirSync(join(at, 'state/checkpoints'))).toContain('damaged-1')
      expect(alertsIn(at)).toEqual(alertsIn(whole))
    }, 60_000)
  }

  it('refuses to start where nothing is retained, and names the choices', async () => {
    const at = folderWith({ ...files, 'tocsin.yaml': durable })
    expect(await runUntilKilled(at, 1, 20)).toBe(true)
    damages['a MANIFEST that is cut']?.(join(at, 'state/checkpoints/db'))
    const { code, err } = runBinary(at, ['run'])
    expect([code, err]).toEqual([3, expect.stringMatching(/\((CHECKPOINT|STATE)_CORRUPT\)$/m)])
  }, 60_000)
})

/** A folder whose run was killed while its newest checkpoint was retained. */
async function killedFolder(files: Readonly<Record<string, string>>): Promise<string> {
  for (let tries = 0; tries < 10; tries++) {
    const at = folderWith({ ...files, 'tocsin.yaml': retaining })
    const folder = join(at, 'state/checkpoints/retained')
    const isRetained = () => existsSync(join(folder, String(checkpointOf(at))))
    if ((await killWhen(at, isRetained)) && isRetained()) return at
  }
  throw new Error('the run is too fast to be killed')
}
