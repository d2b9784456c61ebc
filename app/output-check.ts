import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TocsinError } from '../src/index.ts'

/**
 * An output takes the place of the file that is there: this must be none that is read.
 * @param inputs as `--input` has them, `STREAM=FILE`
 * @param rulesPath a rule file, or a folder of them
 * @throws {TocsinError} USAGE, naming the input or the rule file.
 */
export function refuseToOverwrite(
  output: string | undefined,
  inputs: readonly string[],
  rulesPath: string,
): void {
  if (output === undefined || !existsSync(output) || !statSync(output).isFile()) return
  const target = realpathSync(output)
  const files = inputs.map((input) => input.slice(input.indexOf('=') + 1))
  const same = [...files, ...ruleFilesAt(rulesPath)].find(
    (path) => existsSync(path) && realpathSync(path) === target,
  )
  if (same === undefined) return
  const message = `--output ${output} would take the place of ${same}, which is read: name another file`
  throw new TocsinError('USAGE', message)
}

function ruleFilesAt(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true })
    .map((name) => join(path, String(name)))
    .filter((file) => /\.(ya?ml|json)$/.test(file))
}
