import { expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { formatProblem } from '../../src/rule/rule-problem.ts'
import { runRuleTests } from '../../src/rule/rule-test-runner.ts'

function warningsOf(text: string): string[] {
  const { problems, warnings } = loadCheckedRules([{ path: 'r.yaml', text }])
  expect(problems).toEqual([])
  return warnings.map((warning) => formatProblem(warning).replace('r.yaml:', ''))
}

const head = 'id: r\nfrom: s\nby: k\n'

test('values that YAML 1.1 reads otherwise', () => {
  const tests = `tests:
  - name: first
    expect: []
    events:
      - { at: 0s, event: { k: NO, t: 1:30, o: 0123, plain: 12, d: 2027-01-01, quoted: "NO" } }
      - { at: 0s, event: { on: x } }
`
  expect(warningsOf(`${head}detect: { event: {} }\n${tests}`)).toEqual([
    '9:31: `NO` is "NO" here (YAML 1.2), but false to YAML 1.1: quote it (RULE_LINT at tests[0].events[0].event.k)',
    '9:38: `1:30` is "1:30" here (YAML 1.2), but a number of base 60 to YAML 1.1: quote it (RULE_LINT at tests[0].events[0].event.t)',
    '9:47: `0123` is 123 here (YAML 1.2), but an octal number to YAML 1.1: quote it (RULE_LINT at tests[0].events[0].event.o)',
    '10:28: `on` is "on" here (YAML 1.2), but true to YAML 1.1: quote it (RULE_LINT at tests[0].events[1].event.on)',
  ])
})

test('a file with nothing in it', () => {
  expect(warningsOf('# off for now\n')).toEqual([
    '1:1: there is nothing in this file, or comments only (RULE_LINT)',
  ])
})

test('what may grow, with its bound', () => {
  const detect = `detect:
  within: 10m
  limit: 50
  sequence:
    - { step: a, times: { min: 1 } }
    - { step: b, contiguity: any }
    - { step: c, times: 3, inner: any }
    - { step: d, times: 3 }
`
  expect(warningsOf(head + detect)).toEqual([
    '8:25: an open loop keeps every event that fits within the time limit: up to n events for each of 50 first events a key (`limit`) (RULE_LINT at detect.sequence[0].times)',
    '9:30: `contiguity: any` branches at every event that fits: up to 50 first events a key (`limit`), each with one partial match for each event that fits within the time limit (RULE_LINT at detect.sequence[1].contiguity)',
    '10:35: `inner: any` keeps every choice of the n events that fit: up to 2^n partial matches for each of 50 first events a key (`limit`) (RULE_LINT at detect.sequence[2].inner)',
  ])
})

test('keywords that have no effect where they stand', () => {
  const detect = `detect:
  within: 10m
  after_match: { skip_to_first: a }
  sequence:
    - { step: a, contiguity: strict, within: 5s }
    - { step: b, times: 2, within: 5s }
    - { group: g, sequence: [{ step: c }, { absent: d }] }
    - { step: k }
`
  expect(warningsOf(head + detect).map((line) => line.replace(/ \(RULE_LINT.*/, ''))).toEqual([
    '6:33: `a` begins every match: skipping to it drops nothing',
    '8:30: `contiguity` says nothing of the first item: no item comes before it',
    '8:46: `within` says nothing of the first step',
    '9:36: `within` has no effect on a loop: `times: { within }` limits its repetitions',
    '10:53: an `absent` item at the end of a group guards nothing, neither between its rounds nor behind it: put it after the group',
    '11:15: `k` is a name of the key too: in `alert` it stands for the step',
  ])
})

test.each([
  [
    'may not be left out at the end',
    [greedy(), '{ step: b, optional: true, where: x }'],
    '8:15: `b` is not left out behind the greedy `a`: a match then ends with an event that `a` does not take; without `greedy` it may be',
  ],
  [
    'nor several of them',
    [greedy(), '{ step: b, times: "0..1", where: x }', '{ step: c, optional: true }'],
    '8:15: `b` is not left out behind the greedy `a`: a match then ends with an event that `a` does not take; without `greedy` it may be',
  ],
  [
    'is narrowed with what follows it',
    [greedy('"2..4"'), '{ group: g, optional: true, sequence: [{ step: b }] }', '{ step: c }'],
    '8:16: `g` may be left out behind the greedy `a`, which Flink CEP refuses: here no event that `a` can take goes to `g` or to what follows it',
  ],
  ['is nothing new behind a fixed number', [greedy('2'), '{ step: b, optional: true }'], null],
  ['or a step between', [greedy(), '{ step: b }', '{ step: c, optional: true }'], null],
])('what may be left out behind a greedy loop %s', (_, items, expected) => {
  const sequence = items.map((item) => `    - ${item}\n`).join('')
  const found = warningsOf(`${head}detect:\n  within: 10m\n  sequence:\n${sequence}`)
  const told = found.filter((line) => !line.includes('an open loop keeps'))
  expect(told.map((line) => line.replace(/ \(RULE_LINT.*/, ''))).toEqual(
    expected === null ? [] : [expected],
  )
})

function greedy(times = '{ min: 1 }'): string {
  return `{ step: a, times: ${times}, greedy: true, where: z }`
}

test('what is optional behind a greedy loop is taken, where it ends the sequence', () => {
  const rule = (last: string) => `${head}detect:
  within: 10m
  after_match: no_skip
  sequence:
    - { step: a, times: { min: 1 }, greedy: true, where: n == 1 }
    - ${last}
tests:
  - name: t
    events: [{ at: 0s, event: { k: 1, n: 1 } }, { at: 1s, event: { k: 1, n: 2 } }]
    expect: [{ at: 1s, steps: { a: [0], b: [1] } }]
`
  for (const last of ['{ step: b, optional: true, where: n == 2 }', '{ step: b, where: n == 2 }']) {
    const { rules } = loadCheckedRules([{ path: 'r.yaml', text: rule(last) }])
    expect(runRuleTests(rules[0]!).map(({ passed }) => passed)).toEqual([true])
  }
})
