import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'
import { main } from '../../app/cli.ts'
import type { Terminal } from '../../app/terminal.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const folders: string[] = []
afterAll(() => {
  process.chdir(root)
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const binary = join(root, 'bin/tocsin.js')

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process. */
export function tocsin(...args: readonly string[]): Promise<Ran> {
  return tocsinOn({ onInterrupt: () => () => undefined }, ...args)
}

/** The same, on a terminal on which a user may press Ctrl-C. */
export async function tocsinOn(
  { onInterrupt }: Pick<Terminal, 'onInterrupt'>,
  ...args: readonly string[]
): Promise<Ran> {
  let out = ''
  let err = ''
  const code = await main(args, {
    print: (text) => {
      out += text
    },
    say: (text) => {
      err += text
    },
    colors: { print: false, say: false },
    progressColumns: null,
    onInterrupt,
  })
  return { code, out, err }
}

/** Runs the binary as a user would, in a folder. */
export function runBinary(folder: string, args: readonly string[], input = ''): Ran {
  const { status, stdout, stderr } = spawnSync(process.execPath, [binary, ...args], {
    cwd: folder,
    input,
    encoding: 'utf8',
  })
  return { code: status, out: stdout, err: stderr }
}

/** Starts the binary; its input stays open. */
export function startBinary(folder: string, args: readonly string[]) {
  return spawn(process.execPath, [binary, ...args], { cwd: folder })
}

/** Builds, unless the build is newer than every source. */
export function buildOnce(): void {
  const built = join(root, 'dist/app/cli.js')
  const newest = Math.max(...['src', 'connectors', 'app'].map(newestIn))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'ignore' })
}

function newestIn(folder: string): number {
  const entries = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return Math.max(...entries.map((entry) => statSync(join(root, folder, entry)).mtimeMs))
}

/** A new folder with these files, until the file's tests are done; gives its path. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'tocsin-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

/** What a run has left out, by its state folder: rows without when they were kept. */
export function leftOutIn(stateFolder: string): Record<string, unknown>[] {
  const folder = join(stateFolder, 'side-output')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /^\d+-\d+\.ndjson$/.test(name))
    .sort()
    .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n').filter(Boolean))
    .map((line) => {
      const { kept_at: _, ...row } = JSON.parse(line)
      return row
    })
}

/** Events as NDJSON. */
export function ndjson(...events: readonly unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join('')
}
