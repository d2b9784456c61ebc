import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadCheckedRules, loadRules } from '../../src/rule/rule-loader.ts'

const folder = join(import.meta.dirname, 'fixtures/reference-rules')
const files = readdirSync(folder)
  .sort()
  .map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }))

test('the reference rules load, or say which keyword is not built yet', () => {
  const { rules, problems, warnings } = loadCheckedRules(files)
  expect(rules.map(({ rule }) => rule.id)).toEqual([
    'account-takeover',
    'brute-force-success',
    'card-testing',
  ])
  const notYet: Record<string, string[]> = {}
  for (const { file, path, code } of problems) {
    expect(code).toBe('RULE_NOT_YET')
    notYet[file] = [...(notYet[file] ?? []), path]
  }
  expect(notYet).toEqual({
    'bearing-drift.rule.yaml': ['detect.aggregate'],
    'impossible-travel.rule.yaml': ['exceptions[0].where'],
    'motor-overheat.rule.yaml': ['detect.state', 'alert.repeat_interval'],
    'sensor-silent.rule.yaml': [
      'detect.absence',
      'alert.resolve',
      'alert.group_by',
      'alert.group_wait',
      'alert.inhibited_by',
      'tests[0].tables',
    ],
    'spend-velocity.rule.yaml': ['lookup', 'detect.aggregate', 'alert.edge'],
  })
  expect(warnings.map(({ file, path }) => `${file} ${path}`)).toEqual([
    'brute-force-success.rule.yaml detect.sequence[0].times',
  ])
})

test('a reference rule becomes the model with its defaults', () => {
  const rule = loadRules(files).rules.find(({ id }) => id === 'brute-force-success')
  expect(rule).toMatchObject({
    version: 1,
    severity: 'high',
    mode: 'live',
    from: ['logins'],
    by: [{ name: 'user', paths: new Map([['logins', ['user']]]) }],
    filter: null,
    detect: {
      kind: 'sequence',
      withinMs: 600_000,
      afterMatch: { kind: 'skip_past_last' },
      cancelledBy: null,
      limit: 1000,
      maxMatches: 1000,
      emitOrder: 'at_once',
      items: [
        {
          kind: 'step',
          name: 'failures',
          negated: false,
          contiguity: 'relaxed',
          quantifier: {
            kind: 'times',
            min: 5,
            max: null,
            optional: false,
            greedy: false,
            inner: 'relaxed',
            withinMs: null,
          },
        },
        { kind: 'step', name: 'success', quantifier: { kind: 'single', optional: false } },
      ],
    },
    tests: [
      {
        name: 'five failures then success',
        start: Date.UTC(2026, 0, 1),
        endMs: null,
        input: {
          kind: 'events',
          events: [
            { atMs: 0, from: null, repeat: { times: 5, everyMs: 10_000 } },
            { atMs: 60_000, repeat: { times: 1, everyMs: 0 } },
          ],
        },
        expect: [
          {
            atMs: 60_000,
            by: { user: 'u1' },
            steps: null,
            counts: new Map([
              ['failures', 5],
              ['success', 1],
            ]),
          },
        ],
      },
      { name: 'four failures' },
    ],
  })
})
