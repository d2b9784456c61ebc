import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stepItemsOf } from '../../src/rule/rule.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { mutations } from '../harness/mutate-rules.ts'

const folder = join(import.meta.dirname, 'fixtures/reference-rules')
const texts = readdirSync(folder)
  .sort()
  .map((name) => readFileSync(join(folder, name), 'utf8'))

test('no edit of a rule makes the loader fail, and each problem has a place in the file', {
  timeout: 60_000,
}, () => {
  let loaded = 0
  let refused = 0
  for (const { text, edit } of mutations(1, 600, texts)) {
    const lines = text.split('\n')
    const { rules, problems, warnings } = loadCheckedRules([{ path: 'r.yaml', text }])
    for (const { line, column, message } of [...problems, ...warnings]) {
      const inFile = line >= 1 && line <= lines.length && column >= 1
      const inLine = inFile && column <= (lines[line - 1]?.length ?? 0) + 1
      expect({ edit, line, column, inLine }).toEqual({ edit, line, column, inLine: true })
      expect(message).not.toBe('')
    }
    const keys = problems.map(({ code, path, line, column }) => `${code} ${path} ${line}:${column}`)
    expect({ edit, keys }).toEqual({ edit, keys: [...new Set(keys)] })
    if (problems.length > 0) refused += 1
    for (const { rule, expressions } of rules) {
      loaded += 1
      if (rule.detect.kind !== 'sequence') continue
      const conditions = stepItemsOf(rule.detect.items).flatMap((step) => step.test.where ?? [])
      expect(conditions.filter(({ path }) => !expressions.has(path))).toEqual([])
    }
  }
  // Both outcomes must be frequent, else the edits say nothing.
  expect(loaded).toBeGreaterThan(30)
  expect(refused).toBeGreaterThan(200)
})

test('the edits of a seed are the same again', () => {
  expect([...mutations(7, 20, texts)]).toEqual([...mutations(7, 20, texts)])
  expect([...mutations(7, 20, texts)]).not.toEqual([...mutations(8, 20, texts)])
})
