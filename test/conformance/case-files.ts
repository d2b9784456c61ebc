import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ConformanceCase } from './conformance-case.ts'

/** The case files below a folder, in order of name; a file is one itself. */
export function caseFiles(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path)
    .sort()
    .map((name) => join(path, name))
    .flatMap((inner) =>
      statSync(inner).isDirectory() || inner.endsWith('.json') ? caseFiles(inner) : [],
    )
}

/** The cases of a file. */
export function readCases(file: string): ConformanceCase[] {
  return JSON.parse(readFileSync(file, 'utf8')) as ConformanceCase[]
}
