import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../src/errors.ts'

const page = fileURLToPath(new URL('../docs/errors.md', import.meta.url))

describe('docs/errors.md', () => {
  const rows = readFileSync(page, 'utf8')
    .split('\n')
    .flatMap((line) => /^\| `([A-Z_]+)` \|(.*)\|(.*)\|$/.exec(line) ?? [])
  const codes = rows.filter((_, index) => index % 4 === 1)
  const cells = rows.filter((_, index) => index % 4 >= 2)

  it('has a row for each code, and no other', () => {
    expect([...codes].sort()).toEqual(Object.keys(errorCodes).sort())
  })

  it('gives each a cause and a cure', () => {
    expect(cells.filter((cell) => cell.trim() === '')).toEqual([])
  })
})
