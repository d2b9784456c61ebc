import { expect, test } from 'vitest'
import type { Rule } from '../../src/rule/rule.ts'
import { diffRules } from '../../src/rule/rule-diff.ts'
import { loadRules } from '../../src/rule/rule-loader.ts'

const text = `id: r
from: [s, t]
by: k
filter: x > 1
detect:
  within: 10m
  sequence:
    - { step: a, times: 2, match: { required: [x, y], properties: { x: { minimum: 1, maximum: 2 } } } }
    - { step: b, where: y == a.y }
`

function ruleOf(edited: string): Rule {
  const { rules, problems } = loadRules([{ path: 'r.yaml', text: edited }])
  expect(problems).toEqual([])
  return rules[0] as Rule
}

const original = ruleOf(text)

test('the fingerprint is stable', () => {
  expect(original.fingerprint).toBe('788ff9fc9699bcf2eed555693ca7226f')
})

test.each([
  ['a title', `${text}title: another\n`],
  ['a version', `${text}version: 7\n`],
  ['alert fields', `${text}alert: { fields: { x: b.x }, to: [z] }\n`],
  ['exceptions', `${text}exceptions: [{ name: n, where: b.x == 1 }]\n`],
  ['tests', `${text}tests: [{ name: n, events: [], expect: [] }]\n`],
  ['the order of streams', text.replace('[s, t]', '[t, s]')],
  ['a default that is written out', text.replace('within: 10m', 'within: 10m\n  limit: 1000')],
  ['a duration in other units', text.replace('10m', '600s')],
  ['a number of times as a range', text.replace('times: 2', 'times: 2..2')],
  [
    'the order of keywords of a schema',
    text.replace('minimum: 1, maximum: 2', 'maximum: 2, minimum: 1'),
  ],
  ['comments and space', `# comment\n${text.replace('filter: x > 1', 'filter: "  x > 1 "')}`],
])('%s keeps the state', (_, edited) => {
  expect(ruleOf(edited).fingerprint).toBe(original.fingerprint)
})

test.each([
  ['a stream', text.replace('[s, t]', '[s, u]')],
  ['the key', text.replace('by: k', 'by: j')],
  ['the name of a part of the key', text.replace('by: k', 'by: { j: k }')],
  ['the filter', text.replace('x > 1', 'x > 2')],
  ['no filter', text.replace('filter: x > 1\n', '')],
  ['the time limit', text.replace('10m', '11m')],
  ['a condition', text.replace('y == a.y', 'y != a.y')],
  ['a schema', text.replace('minimum: 1', 'minimum: 0')],
  ['a name', text.replaceAll('step: b', 'step: c')],
  ['a quantifier', text.replace('times: 2', 'times: 2..3')],
  ['what a match drops', text.replace('10m', '10m\n  after_match: no_skip')],
])('%s makes another rule of it', (_, edited) => {
  expect(ruleOf(edited).fingerprint).not.toBe(original.fingerprint)
})

test('the difference of two sets of rules says which edits keep state', () => {
  const named = (id: string, from = text) => ruleOf(from.replace('id: r', `id: ${id}`))
  const difference = diffRules(
    [named('gone'), named('same'), named('kept'), named('anew'), named('tested')],
    [
      named('same', `# a comment\n${text}`),
      named('kept', `${text}title: other\nseverity: high\n`),
      named('anew', `${text.replace('10m', '5m')}title: other\n`),
      named('tested', `${text}tests: [{ name: n, events: [], expect: [] }]\n`),
      named('new'),
    ],
  )
  expect(difference).toEqual({
    added: ['new'],
    removed: ['gone'],
    changed: [
      { id: 'anew', keepsState: false, keywords: ['detect', 'title'] },
      { id: 'kept', keepsState: true, keywords: ['title', 'severity'] },
      { id: 'tested', keepsState: true, keywords: ['tests'] },
    ],
    unchanged: ['same'],
  })
})
