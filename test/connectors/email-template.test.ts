import { describe, expect, it } from 'vitest'
import { parseTemplate } from '../../connectors/email/template.ts'

const values = {
  title: '<b>"Tom" & \'Jerry\'</b>',
  n: 0,
  yes: true,
  no: null,
  deep: { a: { b: 'c' } },
  list: [{ name: 'x', n: 1 }, { name: 'y' }],
  words: ['p', 'q'],
  empty: [],
  constructor: 'own',
}

function render(text: string, lengthMax = 1000): string {
  return parseTemplate(text).render(values, (value) => `[${value}]`, lengthMax)
}

describe('a template', () => {
  it.each([
    ['plain { } text $' + '{x}', 'plain { } text $' + '{x}'],
    ['{{title}}{{ n }}{{yes}}', `[${values.title}][0][true]`],
    ['{{deep.a.b}} {{deep.a}} {{no}} {{missing.a}}', '[c] [{"b":"c"}] [] []'],
    ['{{#list}}{{name}}{{n}};{{/list}}', '[x][1];[y][0];'],
    ['{{#words}}{{.}}{{/words}}', '[p][q]'],
    ['{{#deep}}{{#a}}{{b}}{{/a}}{{/deep}}', '[c]'],
    ['{{#yes}}a{{/yes}}{{#no}}b{{/no}}{{#empty}}c{{/empty}}{{#n}}d{{/n}}', 'a'],
    ['{{^yes}}a{{/yes}}{{^no}}b{{/no}}{{^empty}}c{{/empty}}{{^missing}}d{{/missing}}', 'bcd'],
    ['{{toString}}{{__proto__}}{{deep.constructor}}{{words.length}}', '[][][][2]'],
    ['{{constructor}}', '[own]'],
    ['a\n{{#list}}\n  {{name}}\n{{/list}}\nb', 'a\n  [x]\n  [y]\nb'],
    ['{{deep.a.b}}}}', '[c]}}'],
  ])('%j', (text, expected) => {
    expect(render(text)).toBe(expected)
  })

  it.each([
    ['a\n{{#list}}', 'line 2: {{#list}} is not closed'],
    ['{{/list}}', 'line 1: {{/list}} closes a section, and none is open'],
    ['{{#a}}{{#b}}{{/a}}', 'line 1: {{/a}} closes a section, and `b` is open'],
    ['\n\n{{a', 'line 3: {{ is not closed by }}'],
    ['{{{title}}}', 'line 1: {{{title}} is no place for a value'],
    ['{{&title}}', 'line 1: {{&title}} is no place for a value'],
    ['{{> file}}', 'line 1: {{> file}} is no place for a value'],
    ['{{=<% %>=}}', 'line 1: {{=<% %>=}} is no place for a value'],
    ['{{a + b}}', 'line 1: {{a + b}} is no place for a value'],
    ['{{}}', 'line 1: {{}} is no place for a value'],
  ])('%j is refused', (text, message) => {
    expect(() => parseTemplate(text)).toThrow(message)
  })

  it('is cut where it grows too long', () => {
    expect(render('{{#list}}12345{{/list}}{{n}}', 7)).toBe('1234512…')
  })
})
