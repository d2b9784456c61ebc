import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/errors.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { ruleSchema } from '../../src/rule/rule-schema.ts'

const docs = join(import.meta.dirname, '../../docs')
const language = readFileSync(join(docs, 'rule-language.md'), 'utf8')

/** What the page says is understood where it is left out. */
const understood = { id: 'example', from: 'payments', by: 'card', detect: '{ event: {} }' }

/** Fenced examples: the text, whether it is of a later version, and the line where it begins. */
const examples = [...language.matchAll(/^```yaml( not-yet)?\n(.*?)^```$/gms)].map((block) => ({
  line: language.slice(0, block.index).split('\n').length + 1,
  notYet: block[1] !== undefined,
  text: whole(block[2] ?? ''),
}))

function whole(text: string): string {
  const missing = Object.entries(understood).filter(
    ([name]) => !new RegExp(`^${name}:`, 'm').test(text),
  )
  return text + missing.map(([name, value]) => `${name}: ${value}\n`).join('')
}

test.each(examples)('the example in line $line of rule-language.md', ({ text, notYet }) => {
  const { rules, problems } = loadCheckedRules([{ path: 'example.yaml', text }])
  if (notYet) {
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.filter(({ code }) => code !== 'RULE_NOT_YET')).toEqual([])
  } else {
    expect(problems).toEqual([])
    expect(rules.length).toBe(1)
  }
})

test('every keyword of the schema is in an example', () => {
  const text = examples.map((example) => example.text).join('\n')
  const missing = keywordsOf(ruleSchema as Node).filter(
    (keyword) => !new RegExp(`(?:^|[{\\s,-])${keyword}:`, 'm').test(text),
  )
  // Windows come with `aggregate`; `$schema` is the editors'.
  expect(missing.sort()).toEqual(
    [
      '$schema',
      'consecutive',
      'gap',
      'hopping',
      'session',
      'size',
      'slide',
      'tumbling',
      'skip_to_first',
      'values',
    ].sort(),
  )
})

test('every error code has its row in errors.md, with cause and cure', () => {
  const rows = readFileSync(join(docs, 'errors.md'), 'utf8').matchAll(
    /^\| `(\w+)` \| (.+) \| (.+) \|$/gm,
  )
  expect([...rows].map(([, code]) => code)).toEqual(Object.keys(errorCodes))
})

type Node = Record<string, unknown>

function keywordsOf(node: Node): string[] {
  const names = Object.entries(node).flatMap(([key, child]) => {
    if (key === 'examples' || typeof child !== 'object' || child === null) return []
    const own = key === 'properties' ? Object.keys(child) : []
    return [...own, ...keywordsOf(child as Node)]
  })
  return [...new Set(names)]
}
