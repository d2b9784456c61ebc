// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { parseYAMLDocuments } from '../../src/rule/yaml-document.ts'

/** Where `@` stands in each document, and where `locate` puts that character of the text. */
function places(text: string): { readonly marked: string; readonly located: string } {
  const before = text.slice(0, text.indexOf('@'))
  const line = before.split('\n').length
  const column = before.length - before.lastIndexOf('\n')
  const [document] = parseYAMLDocuments('f', text).documents
  const value = String((document?.value as { w: unknown } | undefined)?.w)
  const at = document?.locate('w', value.indexOf('@'))
  return { marked: `${line}:${column}`, located: `${at?.line}:${at?.column}` }
}

test.each([
  ['plain', 'w: a == @b\n'],
  ['plain over lines', 'w: a &&\n  b   &&\n\n  c == @d\n'],
  ['plain over wide gaps', 'w: a &&\n\n\n\n  b == @d\n'],
  ['plain in a flow map', '{ w: a == @b, x: 1 }\n'],
  ['double quoted', 'w: "a == @b"\n'],
  ['double quoted with escapes', 'w: "\\"a\\" \\t \\u00e9 \\x41 \\U0001F600 == @b"\n'],
  ['double quoted over lines', 'w: "a &&  \n   b \\\n   && c\n\n   && @d"\n'],
  ['single quoted', "w: 'a == ''x'' && @b'\n"],
  ['single quoted over lines', "w: 'a ==\n  ''x'' && @b'\n"],
  ['literal block', 'w: |\n  a &&\n    b &&\n\n  c == @d\nx: 1\n'],
  ['literal block with an indent given', 'w: |2\n    a &&\n  b == @d\n'],
  ['folded block', 'w: >-\n  a &&\n  b &&\n  c == @d\nx: 1\n'],
  ['folded block with gaps and deeper lines', 'w: >\n\n  a &&\n\n    b &&\n\n\n  c == @d\n'],
  ['with other text before it', '# one\nx: [1, "two"]\nw: a == @b\n'],
  ['with CRLF', 'x: 1\r\nw: >-\r\n  a &&\r\n  c == @d\r\n'],
])('a character of a scalar, %s, is found in the file', (_, text) => {
  const { marked, located } = places(text)
  expect(located).toBe(marked)
})

test('a mistake in an expression points at the character', () => {
  const text = `id: r
from: s
by: k
title: "of \${{ a.x }} and \${{ b +* 1 }}"
filter: x ==
detect:
  within: 1m
  sequence:
    - step: a
      match: { properties: { x: { minimum: low } } }
    - step: b
      where: >-
        x > 1
        && y == nowhere(a.x)
`
  const { problems } = loadCheckedRules([{ path: 'r.yaml', text }])
  expect(
    problems.map(({ code, line, column, path }) => `${line}:${column} ${code} ${path}`),
  ).toEqual([
    '4:34 RULE_EXPRESSION title',
    '5:13 RULE_EXPRESSION filter',
    '10:44 RULE_SCHEMA detect.sequence[0].match.properties.x.minimum',
    '14:17 RULE_EXPRESSION detect.sequence[1].where',
  ])
})

test('with a schema of the stream, fields are checked, and steps not named like them', () => {
  const text = `id: r
from: s
by: card
detect:
  within: 1m
  sequence:
    - { step: amount, where: amuont > 1 }
    - { step: b, where: amount.card == cart }
`
  const schema = {
    type: 'object',
    properties: { card: { type: 'string' }, amount: { type: 'number' } },
  }
  const { problems } = loadCheckedRules([{ path: 'r.yaml', text }], {
    schemas: new Map([['s', { ...schema, additionalProperties: false }]]),
  })
  expect(
    problems.map(({ line, column, code, suggestion }) => [line, column, code, suggestion]),
  ).toEqual([
    [7, 15, 'RULE_PATTERN', undefined],
    [7, 30, 'RULE_EXPRESSION', 'amount'],
    [8, 40, 'RULE_EXPRESSION', 'card'],
  ])
})

test('with a schema of the stream, the key is a field that it has', () => {
  const text = 'id: r\nfrom: s\nby: { card: crad, at: place.id }\ndetect: { event: {} }\n'
  const schema = {
    properties: { card: {}, place: { type: 'object' } },
    additionalProperties: false,
  }
  const { problems } = loadCheckedRules([{ path: 'r.yaml', text }], {
    schemas: new Map([['s', schema]]),
  })
  expect(problems.map(({ line, code, message }) => [line, code, message])).toEqual([
    [3, 'RULE_REFERENCE', 'the schema of the stream `s` has no field `crad`: did you mean `card`?'],
  ])
})
