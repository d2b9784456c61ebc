import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = join(fileURLToPath(import.meta.url), '../..')
const page = readFileSync(join(root, 'docs/guarantees.md'), 'utf8')

/** The rows of tables that say what shows them: first cell and last cell. */
function rows(): (readonly [string, string])[] {
  const tables = page.split('\n\n').filter((block) => /^\|.*\| shown by \|\n/.test(block))
  return tables
    .flatMap((table) => table.trimEnd().split('\n').slice(2))
    .map((row) => row.split('|').map((cell) => cell.trim()))
    .map((cells) => [cells[1] as string, cells.at(-2) as string])
}

/** Files of tests, and the titles that are named behind them. */
function testsIn(text: string): { file: string; title: string | undefined }[] {
  const named = text.matchAll(/`(test\/[^`]+\.ts)`(?: › ([^;|]+))?/g)
  return [...named].map(([, file, title]) => ({ file: file as string, title: title?.trim() }))
}

describe('docs/guarantees.md', () => {
  it.each(rows())('shows: %s', (_, shownBy) => {
    const tests = testsIn(shownBy)
    expect(tests).not.toEqual([])
    expect(tests.filter(({ file, title = '' }) => !holds(file, title))).toEqual([])
  })

  it('names no test that is not there', () => {
    const files = testsIn(page).map(({ file }) => file)
    expect(files.length).toBeGreaterThan(30)
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([])
  })
})

function holds(file: string, title: string): boolean {
  const path = join(root, file)
  return existsSync(path) && readFileSync(path, 'utf8').includes(title)
}
