import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** A file that breaks one law, and the reports that are expected for it. */
interface Breach {
  readonly law: string
  readonly file: string
  readonly text: string
  readonly reports: readonly string[]
}

const breaches: readonly Breach[] = [
  // The layer rule: denied by default.
  breach('a folder without a row', 'src/extra/thing.ts', `export const thing = 1`, ['layer']),
  breach('a file in src without a row', 'src/thing.ts', `export const thing = 1`, ['layer']),
  breach('a folder in a folder', 'src/nfa/deep/thing.ts', `export const thing = 1`, ['layer']),
  layer('stream imports nobody', 'src/stream/a.ts', '../decode/decoder.ts'),
  layer('decode does not know state', 'src/decode/a.ts', '../state/heap.ts'),
  layer('pattern does not know nfa', 'src/pattern/a.ts', '../nfa/nfa.ts'),
  layer('nfa does not know operator', 'src/nfa/a.ts', '../operator/cep-operator.ts'),
  layer('window does not know time', 'src/window/a.ts', '../time/clock.ts'),
  layer('operator does not know rule', 'src/operator/a.ts', '../rule/rule.ts'),
  layer('runtime does not know rule', 'src/runtime/a.ts', '../rule/rule.ts'),
  layer('rule does not know api', 'src/rule/a.ts', '../api/data-stream.ts'),
  layer('api does not know rule', 'src/api/a.ts', '../rule/rule.ts'),
  layer('nobody goes through the door', 'src/rule/b.ts', '../index.ts'),
  layer('src knows no connector', 'src/operator/b.ts', '../../connectors/registry.ts'),
  layer('src knows no app', 'src/runtime/b.ts', '../../app/cli.ts'),
  layer('src knows no test', 'src/runtime/c.ts', '../../test/harness/harness.ts'),
  layer('src knows no rules', 'src/rule/c.ts', '../../rules/card-testing.json'),
  layer('src reads no files', 'src/rule/d.ts', 'node:fs'),
  layer('src knows no network', 'src/connector/a.ts', 'node:net'),
  layer('src starts no threads', 'src/runtime/d.ts', 'node:worker_threads'),
  layer('src takes no random bytes', 'src/stream/b.ts', 'node:crypto'),
  layer('a package only where it has a row', 'src/nfa/b.ts', 'yaml'),
  layer('src knows no broker', 'src/operator/c.ts', '@confluentinc/kafka-javascript'),
  layer(
    'a connector knows no engine',
    'connectors/file/a.ts',
    '../../src/operator/cep-operator.ts',
  ),
  layer('a connector knows no other', 'connectors/file/b.ts', '../kafka/source.ts'),
  layer('app has one door', 'app/a.ts', '../src/nfa/nfa.ts'),
  layer('app has one door to connectors', 'app/b.ts', '../connectors/file/source.ts'),
  breach('an import() counts', 'src/nfa/c.ts', `export const later = import('../rule/rule.ts')`, [
    'layer',
  ]),
  breach('a type import counts', 'src/nfa/d.ts', `export type R = import('../rule/rule.ts').Rule`, [
    'layer',
  ]),
  // The data path is synchronous.
  ...['decode', 'operator', 'nfa', 'window'].map((folder) =>
    breach(
      `no await in ${folder}`,
      `src/${folder}/wait.ts`,
      `export async function wait(p: Promise<void>): Promise<void> {\n  await p\n}`,
      ['synchronous', 'synchronous'],
    ),
  ),
  // No hidden inputs.
  hidden('Date', 'src/time/a.ts', 'Date.now()'),
  hidden('new Date()', 'src/time/b.ts', 'new Date()'),
  hidden('setTimeout', 'src/time/c.ts', 'setTimeout(() => 1, 1)'),
  hidden('setInterval', 'src/time/d.ts', 'setInterval(() => 1, 1)'),
  hidden('setImmediate', 'src/time/e.ts', 'setImmediate(() => 1)'),
  hidden('process', 'src/time/f.ts', 'process.env'),
  hidden('performance', 'src/time/g.ts', 'performance.now()'),
  hidden('fetch', 'src/time/h.ts', `fetch('x')`),
  hidden('globalThis', 'src/time/i.ts', 'globalThis.fetch'),
  breach('Math.random', 'src/time/j.ts', 'export const value = Math.random()', ['hidden-input']),
  breach('Math.random by name', 'src/time/k.ts', `export const { random } = Math`, [
    'hidden-input',
  ]),
  breach('console', 'src/time/l.ts', `console.log('x')`, ['lint/suspicious/noConsole']),
  // The language that the house speaks.
  breach('default export', 'src/stream/c.ts', 'export default 1', ['lint/style/noDefaultExport']),
  breach('enum', 'src/stream/d.ts', 'export enum Color {\n  red = 0,\n}', ['lint/style/noEnum']),
  breach('any', 'src/stream/e.ts', 'export const value: any = 1', [
    'lint/suspicious/noExplicitAny',
  ]),
  breach(
    'parameter property',
    'src/stream/f.ts',
    'export class Box {\n  constructor(readonly value: number) {}\n}',
    ['lint/style/noParameterProperties'],
  ),
  breach(
    'import type',
    'src/nfa/e.ts',
    `import { Event } from '../stream/event.ts'\n\nexport type Taken = Event | null`,
    ['lint/style/useImportType'],
  ),
  breach('barrel', 'src/nfa/f.ts', `export * from './nfa.ts'`, [
    'lint/performance/noBarrelFile',
    'lint/performance/noReExportAll',
  ]),
  breach(
    'a file over 500 lines',
    'src/nfa/g.ts',
    Array.from({ length: 501 }, (_, i) => `export const line${i} = ${i}`).join('\n'),
    ['lint/style/noExcessiveLinesPerFile'],
  ),
  breach(
    'a function over 70 lines',
    'src/nfa/h.ts',
    `export function long(): void {\n${'  long()\n'.repeat(71)}}`,
    ['lint/complexity/noExcessiveLinesPerFunction'],
  ),
  breach('file name', 'src/nfa/FileName.ts', 'export const value = 1', [
    'lint/style/useFilenamingConvention',
  ]),
]

/** Files that keep every law: the linters must stay silent, or a report above proves nothing. */
const lawful: readonly (readonly [string, string])[] = [
  ['src/errors.ts', 'export const errorCodes = {}'],
  ['src/index.ts', `export { compileNFA } from './nfa/nfa-compiler.ts'`],
  [
    'src/stream/ok.ts',
    `import { createHash } from 'node:crypto'\n\nexport const make = createHash`,
  ],
  [
    'src/rule/ok.ts',
    `import { nfa } from '../nfa/nfa.ts'\n\nexport const value = Math.max(nfa, 1)`,
  ],
  [
    'src/runtime/ok.ts',
    'export async function wait(p: Promise<void>): Promise<void> {\n  await p\n}',
  ],
  [
    'connectors/file/ok.ts',
    `import { open } from 'node:fs/promises'\nimport { errorCodes } from '../../src/errors.ts'\n\nexport const all = [open, errorCodes]`,
  ],
  [
    'connectors/registry.ts',
    `import { file } from './file/connector.ts'\n\nexport const all = [file]`,
  ],
  ['app/ok.ts', `import { compileNFA } from '../src/index.ts'\n\nexport const start = compileNFA`],
]

describe('each law, broken on purpose, is reported', () => {
  const house = mkdtempSync(join(tmpdir(), 'tocsin-laws-'))
  const reports = new Map<string, string[]>()

  beforeAll(() => {
    for (const name of ['biome.json', '.gitignore']) cpSync(join(root, name), join(house, name))
    const files = [...breaches.map(({ file, text }) => [file, text] as const), ...lawful]
    for (const [file, text] of files) {
      mkdirSync(dirname(join(house, file)), { recursive: true })
      writeFileSync(join(house, file), `${text}\n`)
    }
    for (const [file, law] of [...biomeReports(house), ...layerReports(house)]) {
      reports.set(file, [...(reports.get(file) ?? []), law].sort())
    }
  })
  afterAll(() => rmSync(house, { recursive: true, force: true }))

  it.each(breaches)('$law', ({ file, reports: expected }) => {
    expect(reports.get(file) ?? []).toEqual(expected)
  })

  it('and nothing is reported where none is broken', () => {
    expect(lawful.map(([file]) => [file, reports.get(file) ?? []])).toEqual(
      lawful.map(([file]) => [file, []]),
    )
  })

  it('by the one command that everybody runs', () => {
    const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts
    expect(scripts.lint).toBe('biome check . && node scripts/lint-layers.mjs')
  })
})

function breach(law: string, file: string, text: string, reports: readonly string[]): Breach {
  return { law, file, text, reports }
}

function layer(law: string, file: string, specifier: string): Breach {
  const text = `import { thing } from '${specifier}'\n\nexport const value = thing`
  return { law, file, text, reports: ['layer'] }
}

function hidden(law: string, file: string, expression: string): Breach {
  const text = `export const value = ${expression}`
  return { law, file, text, reports: ['lint/style/noRestrictedGlobals'] }
}

function biomeReports(house: string): (readonly [string, string])[] {
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome')
  const { stdout } = spawnSync(
    process.execPath,
    [biome, 'lint', '--reporter=github', '--max-diagnostics=none', '.'],
    { cwd: house, encoding: 'utf8' },
  )
  return [...stdout.matchAll(/^::error title=([^,]+),file=([^,]+),/gm)].map(
    ([, law, file]) => [relative(house, resolve(house, file!)), law!] as const,
  )
}

function layerReports(house: string): (readonly [string, string])[] {
  const script = join(root, 'scripts/lint-layers.mjs')
  const { stdout, stderr } = spawnSync(process.execPath, [script, house], { encoding: 'utf8' })
  if (stderr !== '') throw new Error(stderr)
  return [...stdout.matchAll(/^([^:]+):\d+:\d+ ([a-z-]+): /gm)].map(
    ([, file, law]) => [file!, law!] as const,
  )
}
