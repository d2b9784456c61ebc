import { describe, expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { formatProblem } from '../../src/rule/rule-problem.ts'

/** The problems of one file `r.yaml` as lines, without the file's name. */
function problemsOf(text: string): string[] {
  return loadCheckedRules([{ path: 'r.yaml', text }]).problems.map((problem) =>
    formatProblem(problem).replace('r.yaml:', ''),
  )
}

/** A sequence rule whose items stand in a line each, from line 6. */
function sequence(items: string[], rest = 'within: 10m'): string {
  const lines = items.map((item) => `    ${item}`).join(',\n')
  return `id: r\nfrom: [s, t]\nby: k\ndetect: { ${rest},\n  sequence: [\n${lines} ]}\n`
}

describe('one mistake is one problem, with its place and what was expected', () => {
  test.each([
    [
      'not YAML',
      'id: [a\nfrom: s\n',
      [
        '2:1: Flow sequence in block collection must be sufficiently indented and end with a ] (RULE_SYNTAX)',
      ],
    ],
    ['a key twice', 'id: a\nid: b\n', ['2:1: Map keys must be unique (RULE_SYNTAX)']],
    [
      'an alias to itself',
      'id: &a [*a]\n',
      ['1:9: more than 64 levels in one document (RULE_SYNTAX)'],
    ],
    ['no map', '- id: a\n', ['1:1: expected a map, got a list (RULE_SCHEMA)']],
    [
      'a misspelt keyword of a required one',
      'id: r\nfrom: s\nby: k\ndetect:\n  wihtin: 10m\n  sequence: [{ step: a }]\n',
      ['5:3: `wihtin` is not known here: did you mean `within`? (RULE_SCHEMA at detect.wihtin)'],
    ],
    [
      'a bare number for a duration',
      'id: r\nfrom: s\nby: k\ndetect:\n  within: 10\n  sequence: [{ step: a }]\n',
      [
        '5:11: expected a duration such as `500ms`, `10m` or `9m30s`: the bare number 10 has no unit (RULE_SCHEMA at detect.within)',
      ],
    ],
    [
      'a duration of nothing',
      'id: r\nfrom: s\nby: k\ndetect:\n  within: 0s\n  sequence: [{ step: a }]\n',
      ['5:11: expected a duration of more than 0 (RULE_SCHEMA at detect.within)'],
    ],
    [
      'no time limit',
      'id: r\nfrom: s\nby: k\ndetect:\n  sequence: [{ step: a }]\n',
      [
        '5:3: `within` is missing: the longest time from first to last event, or `unbounded: true` (RULE_SCHEMA at detect)',
      ],
    ],
    [
      'a time limit that is none',
      'id: r\nfrom: s\nby: k\ndetect: { within: 1s, unbounded: true, sequence: [{ step: a }] }\n',
      [
        '4:23: `unbounded: true` says that there is no `within`: leave one out (RULE_SCHEMA at detect.unbounded)',
      ],
    ],
    [
      'two kinds of detection',
      'id: r\nfrom: s\nby: k\ndetect: { event: {}, sequence: [{ step: a }], within: 1s }\n',
      [
        '4:9: expected exactly one of `event`, `sequence`, `aggregate`, `absence`, `state`, got `event`, `sequence` (RULE_SCHEMA at detect)',
      ],
    ],
    [
      'no kind of detection',
      'id: r\nfrom: s\nby: k\ndetect: {}\n',
      [
        '4:9: expected exactly one of `event`, `sequence`, `aggregate`, `absence`, `state`, got none (RULE_SCHEMA at detect)',
      ],
    ],
    [
      'a misspelt kind of detection',
      'id: r\nfrom: s\nby: k\ndetect: { evnt: {} }\n',
      ['4:11: `evnt` is not known here: did you mean `event`? (RULE_SCHEMA at detect.evnt)'],
    ],
    [
      'a keyword of a sequence at an event',
      'id: r\nfrom: s\nby: k\ndetect: { event: {}, within: 1s }\n',
      ['4:22: `within` goes with `sequence`, not with `event` (RULE_SCHEMA at detect.within)'],
    ],
    [
      'a word that is not among those',
      'id: r\nfrom: s\nby: k\nseverity: hgih\ndetect: { event: {} }\n',
      [
        '4:11: expected one of `info`, `low`, `medium`, `high`, `critical`, got `hgih`: did you mean `high`? (RULE_SCHEMA at severity)',
      ],
    ],
    [
      'a step where events are judged alone',
      'id: r\nfrom: s\nby: k\nfilter: a.x == 1\ndetect:\n  within: 1s\n  sequence: [{ step: a }, { step: b }]\n  cancelled_by: { where: size(b) == 1 && event.b == 1 }\n',
      [
        '4:9: `a` is a step, and here events are judged alone; a field of that name is `event.a` (RULE_EXPRESSION at filter)',
        '8:31: `b` is a step, and here events are judged alone; a field of that name is `event.b` (RULE_EXPRESSION at detect.cancelled_by.where)',
      ],
    ],
    [
      'a step that comes later, but for one of a loop',
      'id: r\nfrom: s\nby: k\ndetect:\n  within: 1s\n  sequence:\n    - { step: a, where: n > b.n }\n    - group: g\n      sequence: [{ step: b, where: n > c.n && d.n > 1 }, { step: c }]\n      times: 2\n    - { step: d, where: n > d.n && n > a.n }\n',
      [
        '7:29: `b` comes later and has no event yet; steps before this one and its own may be named (RULE_EXPRESSION at detect.sequence[0].where)',
        '9:47: `d` comes later and has no event yet; steps before this one and its own may be named (RULE_EXPRESSION at detect.sequence[1].sequence[0].where)',
      ],
    ],
    [
      'a configuration for a rule',
      'streams: { s: {} }\nsinks: {}\n',
      [
        '1:10: `streams` belongs in a configuration, and this is read as a rule: name it with --config (RULE_SCHEMA)',
      ],
    ],
    [
      'a boolean for an expression',
      'id: r\nfrom: s\nby: k\ndetect: { event: { where: true } }\n',
      [
        '4:27: expected a CEL expression, as text, got the boolean true (RULE_SCHEMA at detect.event.where)',
      ],
    ],
    [
      'a missing keyword',
      'id: r\nfrom: s\ndetect: { event: {} }\n',
      [
        '1:1: `by` is missing: The key: events with different keys do not meet. (RULE_SCHEMA at by)',
      ],
    ],
    [
      'a stream that has no path',
      'id: r\nfrom: [s, t]\nby: { u: { s: user } }\ndetect: { event: {} }\n',
      ['3:10: no path for `t`, which `from` names (RULE_REFERENCE at by.u)'],
    ],
    [
      'a path for a misspelt stream',
      'id: r\nfrom: [auth, payments]\nby: { u: { auth: a, paymnts: b } }\ndetect: { event: {} }\n',
      [
        '3:21: the rule does not read the stream `paymnts`: did you mean `payments`? (RULE_REFERENCE at by.u.paymnts)',
      ],
    ],
    [
      'a path with a gap',
      'id: r\nfrom: s\nby: a..b\ndetect: { event: {} }\n',
      ['3:5: expected names with dots between them, got `a..b` (RULE_SCHEMA at by)'],
    ],
    [
      'a date that is none',
      'id: r\nfrom: s\nby: k\ndetect: { event: {} }\nexceptions: [{ name: n, where: x, expires: 2026-02-30 }]\n',
      ['5:44: `2026-02-30` is not in the calendar (RULE_SCHEMA at exceptions[0].expires)'],
    ],
    [
      'a field twice in a list',
      'id: r\nfrom: s\nby: k\ndetect: { event: {} }\nalert: { fields: [x, x] }\n',
      ['5:22: the field `x` stands twice (RULE_SCHEMA at alert.fields[1])'],
    ],
    [
      'a keyword that is not built',
      'id: r\nfrom: s\nby: k\ndetect: { event: {} }\nalert: { group_wait: 30s }\n',
      [
        '5:10: not yet: `alert.group_wait` is known, but not built (RULE_NOT_YET at alert.group_wait)',
      ],
    ],
    [
      'the shape of a keyword that is not built',
      'id: r\nfrom: s\nby: k\ndetect: { absence: { of: {}, for: 5 } }\n',
      [
        '4:11: not yet: `detect.absence` is known, but not built: this version detects `event` and `sequence` (RULE_NOT_YET at detect.absence)',
        '4:35: expected a duration such as `500ms`, `10m` or `9m30s`: the bare number 5 has no unit (RULE_SCHEMA at detect.absence.for)',
      ],
    ],
    [
      'a table in an expression',
      'id: r\nfrom: s\nby: k\ndetect: { event: { where: "x == \'tables.a\' || x in tables.a" } }\n',
      ['4:52: not yet: `tables` is known, but not built (RULE_NOT_YET at detect.event.where)'],
    ],
    [
      'one keyword that is not built in several places',
      'id: r\nfrom: s\nby: k\ndetect:\n  event: { where: x in tables.a }\nalert: { fields: { c: "tables.b[x].c" } }\n' +
        'tests:\n  - { name: a, tables: { a: [] }, events: [], expect: [] }\n',
      ['5:24: not yet: `tables` is known, but not built (RULE_NOT_YET at detect.event.where)'],
    ],
    [
      'a timeout without a sequence',
      'id: r\nfrom: s\nby: k\ndetect: { event: {} }\non_timeout: {}\n',
      ['5:1: `on_timeout` needs a `sequence` (RULE_SCHEMA at on_timeout)'],
    ],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(text)).toEqual(expected)
  })
})

describe('the items of a sequence must go together', () => {
  test.each([
    [
      'a step without a name',
      ['{ where: x }'],
      '6:5: expected exactly one of `step`, `absent`, `group`, got none (RULE_SCHEMA at detect.sequence[0])',
    ],
    [
      'a misspelt step',
      ['{ stpe: a }'],
      '6:7: `stpe` is not known here: did you mean `step`? (RULE_SCHEMA at detect.sequence[0].stpe)',
    ],
    [
      'a name twice',
      ['{ step: a }', '{ step: a }'],
      '7:13: the name `a` stands twice in the sequence, first in line 6 (RULE_PATTERN at detect.sequence[1].step)',
    ],
    [
      'a reserved name',
      ['{ step: event }'],
      '6:13: `event` has a meaning of its own in expressions: choose another name (RULE_PATTERN at detect.sequence[0].step)',
    ],
    [
      'absent first',
      ['{ absent: a }', '{ step: b }'],
      '6:15: an `absent` item cannot be the first: nothing comes before it (RULE_PATTERN at detect.sequence[0].absent)',
    ],
    [
      'absent after optional',
      ['{ step: a }', '{ step: b, optional: true }', '{ absent: c }'],
      '8:15: an `absent` item cannot follow `b`, which may be left out (RULE_PATTERN at detect.sequence[2].absent)',
    ],
    [
      'absent with any',
      ['{ step: a }', '{ absent: b, contiguity: any }', '{ step: c }'],
      '7:30: an `absent` item is `strict` or `relaxed`: nothing can be skipped for it (RULE_PATTERN at detect.sequence[1].contiguity)',
    ],
    [
      'absent with times',
      ['{ step: a }', '{ absent: b, times: 2 }', '{ step: c }'],
      '7:18: an `absent` item cannot have `times` (RULE_PATTERN at detect.sequence[1].times)',
    ],
    [
      'absent optional',
      ['{ step: a }', '{ absent: b, optional: true }', '{ step: c }'],
      '7:18: an `absent` item cannot have `optional` (RULE_PATTERN at detect.sequence[1].optional)',
    ],
    [
      'until on a closed loop',
      ['{ step: a, times: 3, until: x == 1 }'],
      '6:26: `until` needs an open loop: `times` has a maximum of 3 (RULE_PATTERN at detect.sequence[0].until)',
    ],
    [
      'until without a loop',
      ['{ step: a, until: x == 1 }'],
      '6:16: `until` needs `times`: the item takes one event only (RULE_PATTERN at detect.sequence[0].until)',
    ],
    [
      'greedy without a loop',
      ['{ step: a, greedy: true }'],
      '6:16: `greedy` needs `times`: the item takes one event only (RULE_PATTERN at detect.sequence[0].greedy)',
    ],
    [
      'greedy with inner any',
      ['{ step: a, times: 2, inner: any, greedy: true }'],
      '6:38: `greedy` does not go with `inner: any`, which may leave out what fits (RULE_PATTERN at detect.sequence[0].greedy)',
    ],
    [
      'greedy on a group',
      ['{ group: g, times: 2, greedy: true, sequence: [{ step: a }] }'],
      '6:27: a `group` cannot have `greedy` (RULE_PATTERN at detect.sequence[0].greedy)',
    ],
    [
      'a maximum below the minimum',
      ['{ step: a, times: 4..2 }'],
      '6:23: the maximum of `times`, 2, is below the minimum, 4 (RULE_PATTERN at detect.sequence[0].times)',
    ],
    [
      'no repetition at all',
      ['{ step: a, times: 0..0 }'],
      '6:23: the maximum of `times` must be at least 1 (RULE_PATTERN at detect.sequence[0].times)',
    ],
    [
      'a negative minimum',
      ['{ step: a, times: { min: -1 } }'],
      '6:30: expected a whole number of at least 0, got the number -1 (RULE_SCHEMA at detect.sequence[0].times.min)',
    ],
    [
      'times without a bound',
      ['{ step: a, times: { within: 1m } }'],
      '6:23: `times` needs `min` or `max` (RULE_SCHEMA at detect.sequence[0].times)',
    ],
    [
      'a step of a stream not read',
      ['{ step: a, from: tt }'],
      '6:22: the rule does not read the stream `tt`: did you mean `t`? (RULE_REFERENCE at detect.sequence[0].from)',
    ],
    [
      'a limit beyond the whole',
      ['{ step: a }', '{ step: b, within: 11m }'],
      "7:24: the step's `within` is longer than that of the whole sequence (RULE_PATTERN at detect.sequence[1].within)",
    ],
    [
      'a group without items',
      ['{ group: g }'],
      '6:5: `sequence` is missing: the items of the group (RULE_SCHEMA at detect.sequence[0])',
    ],
    [
      'a group with a condition',
      ['{ group: g, where: x == 1, sequence: [{ step: a }] }'],
      '6:17: a `group` cannot have `where` (RULE_PATTERN at detect.sequence[0].where)',
    ],
  ])('%s', (_, items, expected) => {
    expect(problemsOf(sequence(items))).toEqual([expected])
  })

  test.each([
    [
      'an unknown step',
      'skip_to_last: bb',
      '4:53: no step is named `bb`: did you mean `b`? (RULE_REFERENCE at detect.after_match.skip_to_last)',
    ],
    [
      'an absent item',
      'skip_to_first: c',
      '4:54: `c` is an `absent` item, which takes no event (RULE_PATTERN at detect.after_match.skip_to_first)',
    ],
    [
      'a group',
      'skip_to_first: g',
      '4:54: `g` is a group: name one of its steps (RULE_PATTERN at detect.after_match.skip_to_first)',
    ],
  ])('after_match names %s', (_, skip, expected) => {
    const items = [
      '{ step: a }',
      '{ step: b }',
      '{ absent: c }',
      '{ group: g, sequence: [{ step: d }] }',
    ]
    const text = sequence(items, `within: 10m, after_match: { ${skip} }`)
    expect(problemsOf(text)).toEqual([expected])
  })

  test('a relaxed absent item at the end needs a time limit', () => {
    const items = ['{ step: a }', '{ absent: b }']
    expect(problemsOf(sequence(items, 'unbounded: true'))).toEqual([
      '7:15: a relaxed `absent` item at the end needs a time limit: give `within` (RULE_PATTERN at detect.sequence[1].absent)',
    ])
    expect(
      problemsOf(sequence(['{ step: a }', '{ absent: b, within: 5s }'], 'unbounded: true')),
    ).toEqual([])
    expect(problemsOf(sequence(items))).toEqual([])
  })
})

describe('tests in a rule are checked against it', () => {
  const head =
    'id: r\nfrom: [s, t]\nby: k\nalert: { fields: { f: a.x } }\ndetect: { within: 1m, sequence: [{ step: a }, { absent: n }, { step: b }] }\ntests:\n'
  test.each([
    [
      'no events',
      '  - { name: n, expect: [] }',
      '7:5: expected exactly one of `events`, `generate`, `events_file`, got none (RULE_SCHEMA at tests[0])',
    ],
    [
      'no stream',
      '  - { name: n, expect: [], events: [{ at: 0s, event: {} }] }',
      '7:37: `from` is missing: the rule reads several streams (RULE_SCHEMA at tests[0].events[0])',
    ],
    [
      'a number for a time',
      '  - { name: n, expect: [], events: [{ at: 0, from: s, event: {} }] }',
      '7:43: expected a duration such as `500ms`, `10m` or `9m30s`: the bare number 0 has no unit (RULE_SCHEMA at tests[0].events[0].at)',
    ],
    [
      'an unknown step',
      '  - { name: n, events: [], expect: [{ counts: { n: 0 } }] }',
      '7:49: the rule has no step named `n` (RULE_REFERENCE at tests[0].expect[0].counts.n)',
    ],
    [
      'an unknown part of the key',
      '  - { name: n, events: [], expect: [{ by: { kk: 1 } }] }',
      '7:45: the rule has no part of the key named `kk`: did you mean `k`? (RULE_REFERENCE at tests[0].expect[0].by.kk)',
    ],
    [
      'an unknown field',
      '  - { name: n, events: [], expect: [{ fields: { ff: 1 } }] }',
      '7:49: the rule has no field of the alert named `ff`: did you mean `f`? (RULE_REFERENCE at tests[0].expect[0].fields.ff)',
    ],
    [
      'a value of let',
      '  - { name: n, events: [], expect: [{ values: { v: 1 } }] }',
      '7:49: the rule has no value of `let` named `v` (RULE_REFERENCE at tests[0].expect[0].values.v)',
    ],
    [
      'an index beyond',
      '  - { name: n, events: [{ at: 0s, from: s, event: {}, repeat: { times: 2, every: 1s } }], expect: [{ steps: { a: [2] } }] }',
      "7:114: there is no event 2: the last of the test's events is 1 (RULE_REFERENCE at tests[0].expect[0].steps.a)",
    ],
    [
      'too many events',
      '  - { name: n, generate: { from: s, count: 1000001, every: 1s, event: {} }, expect: [] }',
      '7:5: a test may have at most 1000000 events, got 1000001 (RULE_SCHEMA at tests[0])',
    ],
  ])('%s', (_, text, expected) => {
    expect(problemsOf(`${head}${text}\n`)).toEqual([expected])
  })
})

test('all mistakes of all files come at once, in order of place', () => {
  const { problems, rules } = loadCheckedRules([
    { path: 'b.yaml', text: 'id: x\nfrom: s\nby: k\ndetect: { evnt: {} }\nseverity: hgih\n' },
    {
      path: 'a.yaml',
      text: 'id: [\n---\nid: x\nfrom: s\nby: k\ndetect: { event: { where: "a ==" } }\n',
    },
    { path: 'c.yaml', text: 'id: y\nfrom: s\nby: k\ndetect: { event: {} }\n' },
  ])
  expect(problems.map(({ file, line, code }) => `${file}:${line} ${code}`)).toEqual([
    'b.yaml:4 RULE_SCHEMA',
    'b.yaml:5 RULE_SCHEMA',
    'a.yaml:2 RULE_SYNTAX',
    'a.yaml:3 RULE_DUPLICATE',
    'a.yaml:6 RULE_EXPRESSION',
  ])
  expect(rules.map(({ rule }) => rule.id)).toEqual(['y'])
})

test('two rules of one id: the second names the file of the first', () => {
  const text = '# first\nid: x\nfrom: s\nby: k\ndetect: { event: {} }\n'
  const { problems } = loadCheckedRules([
    { path: 'a.yaml', text },
    { path: 'sub/b.yaml', text },
  ])
  expect(problems.map(formatProblem)).toEqual([
    'sub/b.yaml:2:5: the id `x` is taken by the rule in a.yaml, line 2 (RULE_DUPLICATE at id)',
  ])
})

test('streams and sinks that are declared are the only ones, where they are known', () => {
  const text =
    'id: x\nfrom: paymnts\nby: k\ndetect: { event: {} }\nalert: { to: [alerts, oncal] }\n'
  const surroundings = { streams: ['payments'], sinks: ['alerts', 'oncall'] }
  const { problems } = loadCheckedRules([{ path: 'a.yaml', text }], surroundings)
  expect(problems.map(formatProblem)).toEqual([
    'a.yaml:2:7: no stream is named `paymnts`: did you mean `payments`? (RULE_REFERENCE at from)',
    'a.yaml:5:23: no sink is named `oncal`: did you mean `oncall`? (RULE_REFERENCE at alert.to[1])',
  ])
})
