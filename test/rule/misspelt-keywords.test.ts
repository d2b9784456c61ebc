import { expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'

const whole = `id: whole
version: 2
title: whole
description: all that there is
severity: high
mode: live
tags: [a.b]
from: [auth, payments]
by: { user: { auth: id, payments: owner.id } }
filter: amount > 1
detect:
  within: 10m
  limit: 10
  max_matches: 10
  emit_order: start
  after_match: { skip_to_last: last }
  cancelled_by: { from: auth, where: type == "mfa" }
  sequence:
    - step: first
      from: auth
      where: type == "login"
      times: { min: 2, within: 1m }
      inner: strict
      greedy: true
      until: type == "logout"
    - absent: none
      match: { required: [type] }
    - group: both
      optional: true
      sequence:
        - step: last
          contiguity: strict
          within: 5s
alert:
  dedupe: { by: [user], for: 1h }
  fields: { amount: last.amount }
  to: [alerts]
on_timeout:
  severity: low
exceptions:
  - { name: own, where: amount == 1, expires: 2027-01-01 }
tests:
  - name: one
    start: 2026-01-01
    end: 1h
    events:
      - { at: 0s, from: auth, event: { type: login }, repeat: { times: 2, every: 1s } }
    expect:
      - { at: 1s, by: { user: u }, state: firing, steps: { first: [0] }, counts: { last: 1 } }
  - name: two
    generate: { count: 2, every: 1s, from: auth, event: {} }
    expect: []
`

/** Every keyword of the language in the rule above, where it stands. */
const keywords = [...whole.matchAll(/(?<=^ *(?:- )?|[{,] )[a-z_]{2,}(?=:(?: |$))/gm)].filter(
  ({ 0: name, index }) => !isName(name, index),
)

/** Names that the author chose, which stand where keywords do. */
function isName(name: string, index: number): boolean {
  const before = whole.slice(whole.lastIndexOf('\n', index), index)
  if (/(?:event: \{|steps: \{|counts: \{|fields: \{|auth: id,|by: \{(?: user: \{)?) $/.test(before))
    return true
  return name === 'user'
}

test('the rule itself has no mistake', () => {
  const { problems, rules } = loadCheckedRules([{ path: 'r.yaml', text: whole }])
  expect(problems).toEqual([])
  expect(rules.map(({ rule }) => rule.id)).toEqual(['whole'])
  expect(keywords.length).toBeGreaterThan(60)
})

test('each keyword that is misspelt is one problem, at its place, with the keyword meant', () => {
  const answers = keywords.map(({ 0: keyword, index }) => {
    const misspelt = keyword.length > 3 ? misspell(keyword) : `${keyword}e`
    const text = whole.slice(0, index) + misspelt + whole.slice(index + keyword.length)
    const { problems } = loadCheckedRules([{ path: 'r.yaml', text }])
    const line = whole.slice(0, index).split('\n').length
    return {
      answer: problems.map((problem) => [problem.line, problem.message.match(/`\w+`/)?.[0]]),
      wanted: [[line, `\`${misspelt}\``]],
    }
  })
  expect(answers.map(({ answer }) => answer)).toEqual(answers.map(({ wanted }) => wanted))
})

function misspell(word: string): string {
  const swapped = `${word[0]}${word[2]}${word[1]}${word.slice(3)}`
  return swapped === word ? `${word}${word.at(-1)}` : swapped
}
