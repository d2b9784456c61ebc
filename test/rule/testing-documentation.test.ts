import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readEventLines } from '../../src/rule/event-lines.ts'
import { explainRule } from '../../src/rule/explain.ts'
import { explainEvents } from '../../src/rule/explain-events.ts'
import { explainedRunText } from '../../src/rule/explained-run-text.ts'
import { explanationMermaid } from '../../src/rule/explanation-mermaid.ts'
import { explanationText } from '../../src/rule/explanation-text.ts'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { runRuleTests } from '../../src/rule/rule-test-runner.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'

/** Fenced blocks of a page, in order. */
function blocksOf(page: string): string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')
  return [...text.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) => block ?? '')
}

function load(text: string) {
  const { rules, problems } = loadCheckedRules([{ path: 'example.yaml', text }])
  expect(problems).toEqual([])
  return rules[0]!
}

describe('testing-rules.md', () => {
  const [cards = '', orders = '', rising = '', failure = ''] = blocksOf('testing-rules.md')

  test.each([
    ['card-testing', cards, 2],
    ['unpaid-order', orders, 2],
    ['rising', rising, 1],
  ])('the tests of %s pass', (id, text, count) => {
    const results = runRuleTests(load(text))
    expect(results.map(({ rule, mismatches }) => [rule, mismatches])).toEqual(
      new Array(count).fill([id, []]),
    )
  })

  test('a failure says what the page says', () => {
    const [result] = runRuleTests(load(cards.replace('merchant: m2', 'merchant: m1')))
    const lines = [
      ...(result?.mismatches ?? []).map(({ message }) => message),
      ...(result?.notes ?? []),
    ]
    expect(lines.map((line) => `${line}\n`).join('')).toBe(failure)
  })
})

describe('explain.md', () => {
  const [rule = '', text = '', mermaid = '', events = '', run = ''] = blocksOf('explain.md')

  test('shows the explanation of its rule', () => {
    const explanation = explainRule(load(rule))
    expect(explanationText(explanation)).toBe(text)
    expect(explanationMermaid(explanation)).toBe(mermaid)
  })

  test('shows what the rule made of its events', () => {
    const checked = load(rule)
    const lines = readEventLines(events, checked.rule)
    expect(lines.problems).toEqual([])
    const time = { field: ['ts'], unit: 's', watermarks: defaultWatermarkStrategy } as const
    const explained = explainEvents(checked, lines.events, {
      streams: new Map([['payments', time]]),
    })
    expect(explainedRunText(explained, (at) => `${at / 1000} s`)).toBe(run)
  })
})
