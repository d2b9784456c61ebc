import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs'
import { isRuleFile, type RuleFile, TocsinError } from '../src/index.ts'

/**
 * The rule files of paths: of a folder those that count as rules, of a file that file, each once.
 * @throws {TocsinError} USAGE for a path that is not there or cannot be read
 */
export function readRuleFolder(paths: readonly string[]): RuleFile[] {
  return ruleFilePaths(paths).map((path) => ({ path, text: readText(path) }))
}

/**
 * Their paths alone.
 * @throws as readRuleFolder
 */
export function ruleFilePaths(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap(pathsUnder))]
}

/**
 * The text of a file.
 * @throws {TocsinError} USAGE: a command line names the file
 */
export function readText(path: string): string {
  return attempt(path, () => readFileSync(path, 'utf8'))
}

function pathsUnder(path: string): string[] {
  const trimmed = path.replace(/(?<=[^/])\/+$/, '')
  if (!attempt(path, () => statSync(path)).isDirectory()) return [trimmed]
  const prefix = trimmed === '.' ? '' : trimmed === '/' ? '/' : `${trimmed}/`
  const entries = attempt(path, () => readdirSync(path, { recursive: true, withFileTypes: true }))
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => pathBelow(path, entry))
    .filter((below) => isRuleFile(below) && !below.split('/').includes('node_modules'))
    .sort()
    .map((below) => `${prefix}${below}`)
}

function pathBelow(root: string, entry: Dirent): string {
  const folder = entry.parentPath ?? entry.path
  const below = folder.slice(root.length).replaceAll('\\', '/').replace(/^\/+/, '')
  return below === '' ? entry.name : `${below}/${entry.name}`
}

function attempt<Result>(path: string, read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason =
      code === 'ENOENT'
        ? 'there is no such file or folder'
        : code === 'EACCES'
          ? 'no permission to read it'
          : message
    throw new TocsinError('USAGE', `cannot read ${path}: ${reason}`, { cause: error })
  }
}
