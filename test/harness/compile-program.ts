import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A program that Node runs. */
export interface CompiledProgram {
  /** Its file. */
  readonly path: string
  /** Removes it. */
  remove(): void
}

/** Compiles a file of the repository with all that it imports, for a process of its own. */
export function compileProgram(file: string): CompiledProgram {
  const outDir = mkdtempSync(join(tmpdir(), 'tocsin-program-'))
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  const changed = { outDir, rootDir: root, noEmit: false, noCheck: true }
  ts.createProgram([file], { ...options, ...changed }).emit()
  ts.sys.writeFile(join(outDir, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(outDir, 'node_modules'))
  return {
    path: join(outDir, relative(root, file).replace(/\.ts$/, '.js')),
    remove: () => rmSync(outDir, { recursive: true }),
  }
}
