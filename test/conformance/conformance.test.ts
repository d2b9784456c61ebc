import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { caseFiles, readCases } from './case-files.ts'
import { runCase } from './run-case.ts'

const cases = fileURLToPath(new URL('cases', import.meta.url))
const files = caseFiles(cases).map((file) => relative(cases, file))

describe("sequences give Flink CEP's answers", () => {
  it('to the cases of its own tests, and to random ones', () => {
    const counts = new Map<string, number>()
    for (const file of files) {
      const folder = file.split(/[\\/]/)[0] as string
      counts.set(folder, (counts.get(folder) ?? 0) + readCases(join(cases, file)).length)
    }
    expect(Object.fromEntries(counts)).toEqual({ 'flink-cep': 132, 'flink-fuzz': 1691 })
  })

  it.each(files)(
    '%s',
    (file) => {
      const failing = readCases(join(cases, file))
        .filter((testCase) => runCase(testCase).length > 0)
        .map(({ name }) => name)
      expect(failing).toEqual([])
    },
    120_000,
  )
})
