import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PatternMeasurement } from './measure-pattern.ts'

/** Runs a script beside this one; its last argument is the file that it leaves its result in. */
export function measureInChild(
  script: string,
  folder: string,
  parameters: readonly string[],
): PatternMeasurement {
  const resultFile = join(folder, 'result.json')
  const path = fileURLToPath(new URL(script, import.meta.url))
  execFileSync(process.execPath, [path, ...parameters, resultFile], { stdio: 'inherit' })
  return JSON.parse(readFileSync(resultFile, 'utf8')) as PatternMeasurement
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] as number
}
