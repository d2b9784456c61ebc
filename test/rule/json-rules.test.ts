import { describe, expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { formatProblem } from '../../src/rule/rule-problem.ts'

/** The problems of one file `r.json` as lines, without the file's name. */
function problemsOf(text: string): string[] {
  return loadCheckedRules([{ path: 'r.json', text }]).problems.map((problem) =>
    formatProblem(problem).replace('r.json:', ''),
  )
}

const quotes = 'names and texts stand in double quotes, with commas between; YAML is named `.yaml`'
const comments = 'JSON has no comments: name the file `.yaml`, where `#` begins one'

describe('a rule file that is named .json', () => {
  test('is JSON, with or without a byte order mark', () => {
    const rule = '{ "id": "r", "from": "s", "by": "k", "detect": { "event": {} } }'

    expect(problemsOf(rule)).toEqual([])
    expect(problemsOf(`\ufeff${rule}\n`)).toEqual([])
  })

  test.each([
    [
      'a comment',
      '{\n  // why\n  "id": "r" }',
      `2:3: this is not JSON: unexpected '/'; ${comments}`,
    ],
    [
      'a comment of YAML',
      '{ "id": "é" # why\n}',
      `1:13: this is not JSON: unexpected '#'; ${comments}`,
    ],
    [
      'a comma too many',
      '{ "id": "r",\n}',
      `2:1: this is not JSON: unexpected '}'; no comma follows the last item`,
    ],
    [
      'a comma too few',
      '{ "id": "r"\n  "by": "k" }',
      `2:3: this is not JSON: unexpected '"'; ${quotes}`,
    ],
    ['YAML', 'id: r\nfrom: s\n', `1:1: this is not JSON: unexpected 'i'; ${quotes}`],
    [
      'an open bracket',
      '\ufeff{ "id": "r"',
      '1:13: this is not JSON: unexpected end; a bracket or a quotation mark is not closed',
    ],
  ])('tells of %s where it stands', (_, text, problem) => {
    expect(problemsOf(text)).toEqual([`${problem} (RULE_SYNTAX)`])
  })

  test('may not name a key twice', () => {
    expect(problemsOf('{ "id": "r",\n  "id": "q" }')).toEqual([
      '2:3: Map keys must be unique (RULE_SYNTAX)',
    ])
  })
})
