import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { explainRule } from '../../src/rule/explain.ts'
import { explanationDot } from '../../src/rule/explanation-dot.ts'
import { explanationMermaid } from '../../src/rule/explanation-mermaid.ts'
import { explanationText } from '../../src/rule/explanation-text.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'

const root = join(import.meta.dirname, '../..')
const golden = join(root, 'test/golden')

function rulesIn(folder: string) {
  const files = readdirSync(join(root, folder))
    .filter((name) => /\.yaml$/.test(name) && !name.endsWith('.test.yaml'))
    .sort()
    .map((name) => ({ path: name, text: readFileSync(join(root, folder, name), 'utf8') }))
  return loadCheckedRules(files)
}

const shipped = rulesIn('rules').rules.map((checked) => ({ name: checked.rule.id, checked }))
const reference = rulesIn('test/rule/fixtures/reference-rules')
  .rules.filter(({ rule }) => !shipped.some(({ name }) => name === rule.id))
  .map((checked) => ({ name: checked.rule.id, checked }))
const fixtures = rulesIn('test/rule/fixtures/patterns')
const patterns = fixtures.rules.map((checked) => ({
  name: checked.rule.id,
  checked,
}))

describe('the automaton of every pattern that is shipped or a fixture', () => {
  test('there are some', () => {
    expect(shipped.length).toBeGreaterThan(2)
    expect(fixtures.problems).toEqual([])
    expect(patterns.length).toBe(9)
  })

  test.each([...shipped, ...reference, ...patterns])('$name', async ({ name, checked }) => {
    const explanation = explainRule(checked)
    await expect(explanationText(explanation)).toMatchFileSnapshot(join(golden, `${name}.txt`))
    await expect(explanationMermaid(explanation)).toMatchFileSnapshot(join(golden, `${name}.mmd`))
    await expect(explanationDot(explanation)).toMatchFileSnapshot(join(golden, `${name}.dot`))
  })
})

function explained(id: string) {
  const found = [...shipped, ...patterns].find(({ name }) => name === id)
  if (found === undefined) throw new Error(`no rule ${id}`)
  return explainRule(found.checked)
}

describe('the explanation as data', () => {
  test('is plain JSON', () => {
    const explanation = explained('pattern-loops')
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation)
  })

  test('tells what is evaluated once an event from what needs the partial match', () => {
    const { conditions } = explained('pattern-odd-texts')
    expect(
      conditions.map(({ place, name, unary, iterative }) => ({ place, name, unary, iterative })),
    ).toEqual([
      {
        place: 'filter',
        name: '',
        unary: ['kind != "noise # | <b> \\\\ `x` ${{"'],
        iterative: [],
      },
      {
        place: 'step',
        name: 'quoted',
        unary: [String.raw`name == "a \"quoted\" name; with \\ and |" || note.contains("]]>")`],
        iterative: [],
      },
      {
        place: 'step',
        name: 'spread',
        unary: ['kind in ["x","y"]', 'size(name) >= 2', '!(has(note))', 'name matches "^[a-z]+$"'],
        iterative: ['amount > quoted.amount', 'size(quoted) == 1 || amount < 5'],
      },
    ])
  })

  test('places that ask the same share a predicate', () => {
    const rule = {
      path: 'r.yaml',
      text: 'id: r\nfrom: s\nby: k\ndetect:\n  within: 1m\n  sequence:\n    - { step: a, where: "x > 1" }\n    - { step: b, where: "1 < x && y == a.y" }\n    - { step: c, where: "x > 2" }\n',
    }
    const [checked] = loadCheckedRules([rule]).rules
    const { conditions } = explainRule(checked!)
    expect(conditions.map(({ name, predicate }) => [name, predicate])).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 1],
    ])
  })

  test('bounds what a key keeps', () => {
    const bounds = [
      'pattern-event',
      'pattern-strict',
      'pattern-any',
      'pattern-loops',
      'pattern-group',
    ]
    expect(
      bounds.map((id) => {
        const { limit, keptMs, perFirst } = explained(id).state
        return [id, limit, keptMs, perFirst]
      }),
    ).toEqual([
      ['pattern-event', 0, 0, '1'],
      ['pattern-strict', 1000, 600_000, '1'],
      ['pattern-any', 1000, 600_000, 'n^2'],
      ['pattern-loops', 1000, null, '2^n'],
      ['pattern-group', 1000, 3_600_000, 'n'],
    ])
  })
})

describe('drawings', () => {
  test('have no character of a condition that the language of the drawing would read', () => {
    const explanation = explained('pattern-odd-texts')
    // What is quoted is a label: nothing that Mermaid or HTML reads may be in it.
    const labels = [...explanationMermaid(explanation).matchAll(/"([^"]*)"/g)].map(([, l]) => l)
    expect(labels.length).toBeGreaterThan(5)
    expect(labels.filter((label) => /[<>&|`\\[\]{}"]|#(?!\d+;)/.test(label ?? ''))).toEqual([])
    for (const line of explanationDot(explanation).split('\n').slice(2, -2)) {
      expect(line).toMatch(
        /^ {2}"(?:[^"\\]|\\["\\])*"(?: -> "(?:[^"\\]|\\["\\])*")? \[label="(?:[^"\\]|\\["\\])*"(?:, [a-z=]+)?\]$/,
      )
    }
  })
})
