import { expect, test } from 'vitest'
import { isRuleFile, isRuleTestFile } from '../../src/rule/rule-file.ts'
import { loadRules } from '../../src/rule/rule-loader.ts'
import { formatProblem } from '../../src/rule/rule-problem.ts'

const rule = (id: string) => `id: ${id}\nfrom: s\nby: k\ndetect: { event: {} }\n`
const tests = (name: string) =>
  `tests: [{ name: ${name}, events: [{ at: 1s, event: { k: 1 } }], expect: [{ steps: { event: [0] } }] }]\n`

function load(files: Record<string, string>) {
  return loadRules(Object.entries(files).map(([path, text]) => ({ path, text })))
}

test('tests in a file beside a rule are its tests, found by name, by path or by id', () => {
  const { rules, problems } = load({
    'rules/a.rule.yaml': `${rule('a')}${tests('own')}`,
    'rules/a.test.yaml': tests('by name'),
    'rules/b.yaml': rule('b'),
    'rules/b.test.yaml': tests('by short name'),
    'rules/sub/path.test.yaml': `rule: ../a.rule.yaml\n${tests('by path')}`,
    'rules/id.test.yaml': `rule: a\n${tests('by id')}---\nrule: ./b.yaml\n${tests('two')}`,
  })
  expect(problems).toEqual([])
  const named = rules.map(({ id, tests: all }) => [id, all.map(({ name, file }) => [name, file])])
  expect(named).toEqual([
    [
      'a',
      [
        ['own', 'rules/a.rule.yaml'],
        ['by name', 'rules/a.test.yaml'],
        ['by path', 'rules/sub/path.test.yaml'],
        ['by id', 'rules/id.test.yaml'],
      ],
    ],
    [
      'b',
      [
        ['by short name', 'rules/b.test.yaml'],
        ['two', 'rules/id.test.yaml'],
      ],
    ],
  ])
  const [, beside] = rules[0]?.tests ?? []
  expect(beside?.locate(`${beside.path}.events[0].at`)).toEqual({
    file: 'rules/a.test.yaml',
    line: 1,
    column: 41,
  })
})

test('a file of tests that is of no rule, or of several, is a mistake', () => {
  const { problems } = load({
    'a.yaml': `${rule('a')}---\n${rule('aa')}`,
    'a.test.yaml': tests('x'),
    'b.test.yaml': tests('x'),
    'c.test.yaml': `rule: ./d.yaml\n${tests('x')}`,
    'd.test.yaml': `rule: aaa\n${tests('x')}`,
    'e.test.yaml': `rule: a\ntests: [{ name: x, events: [], expect: [{ steps: { a: [] } }] }]\n`,
    'f.test.yaml': `rule: a\ntest: []\n`,
  })
  expect(problems.map(formatProblem)).toEqual([
    'a.test.yaml:1:1: `a.yaml` has 2 rules: say with `rule` the id of one (RULE_REFERENCE)',
    'b.test.yaml:1:1: no rule file has the same name: say with `rule` which rule the tests are of (RULE_REFERENCE)',
    'c.test.yaml:1:7: there is no rule file `./d.yaml` (RULE_REFERENCE at rule)',
    'd.test.yaml:1:7: no rule has the id `aaa`: did you mean `aa`? (RULE_REFERENCE at rule)',
    'e.test.yaml:2:52: the rule has no step named `a` (RULE_REFERENCE at tests[0].expect[0].steps.a)',
    'f.test.yaml:2:1: `test` is not known here: did you mean `tests`? (RULE_SCHEMA at test)',
  ])
})

test('which files of a folder are rules, and which are tests', () => {
  const paths = ['a.yaml', 'a.yml', 'b/c.json', '_a.yaml', '_b/c.yaml', 'a.md', 'b/_c.json', 'yaml']
  expect(paths.filter(isRuleFile)).toEqual(['a.yaml', 'a.yml', 'b/c.json'])
  expect(['a.test.yaml', 'b/a.test.json', 'a.yaml', 'test.yaml'].filter(isRuleTestFile)).toEqual([
    'a.test.yaml',
    'b/a.test.json',
  ])
})

test('several documents a file, and JSON', () => {
  const { rules, problems } = load({
    'a.yaml': `${rule('a')}---\n# nothing\n---\n${rule('b')}`,
    'c.json': '{\n\t"id": "c",\n\t"from": ["s"],\n\t"by": "k",\n\t"detect": { "event": {} }\n}\n',
    'd.json': '{\n\t"id": "d",\n\t"from": ["s"],\n\t"by": 5,\n\t"detect": { "event": {} }\n}\n',
  })
  expect(rules.map(({ id, file }) => [id, file])).toEqual([
    ['a', 'a.yaml'],
    ['b', 'a.yaml'],
    ['c', 'c.json'],
  ])
  expect(problems.map(formatProblem)).toEqual([
    'd.json:4:8: expected a path, a list of paths, or a map of names to streams and paths, got the number 5 (RULE_SCHEMA at by)',
  ])
})
