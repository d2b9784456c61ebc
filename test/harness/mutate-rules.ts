// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { isCollection, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml'
import { seededRandom } from './record-generator.ts'

/** A random edit of one of the texts, and what was done, so that a failure can be repeated. */
export interface Mutation {
  readonly text: string
  readonly edit: string
}

/** `count` edited texts from a seed: characters, YAML nodes, misspelt keywords, other types. */
export function* mutations(
  seed: number,
  count: number,
  texts: readonly string[],
): Generator<Mutation> {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  for (let n = 0; n < count; n++) {
    const source = below(texts.length)
    let text = texts[source] ?? ''
    const names: string[] = []
    // Several edits reach what one cannot: a mistake that hides another.
    for (let edits = 1 + below(3); edits > 0; edits--) {
      const [name, edit] = editsByName[below(editsByName.length)] as (typeof editsByName)[number]
      text = edit(text, below)
      names.push(name)
    }
    yield { text, edit: `text ${source}, edit ${n} of seed ${seed}: ${names.join(', ')}` }
  }
}

type Below = (limit: number) => number

const editsByName: readonly (readonly [string, (text: string, below: Below) => string])[] = [
  ['delete characters', deleteCharacters],
  ['insert characters', insertCharacters],
  ['replace a character', replaceCharacter],
  ['misspell a word', misspell],
  ['move a line', moveLine],
  ['replace a word', replaceWord],
  ['change a value', changeValue],
  ['change a value', changeValue],
  ['delete a node', deleteNode],
  ['copy a node', copyNode],
]

/** Characters that mean something to YAML, CEL or JSON Schema, and some that mean nothing. */
const characters = [...'{}[],:#&*!|>%@`\'"\\\n\t -?=~<>()0189aé\u2028\ud83d\ue000$._']

const words = [
  ...['id', 'from', 'by', 'detect', 'sequence', 'event', 'step', 'absent', 'group', 'times'],
  ...['within', 'where', 'match', 'optional', 'greedy', 'until', 'inner', 'contiguity', 'any'],
  ...['after_match', 'cancelled_by', 'tests', 'expect', 'alert', 'dedupe', 'fields', 'for'],
  ...['true', 'null', '10m', '0s', '2..4', '-1', '1e999', '.nan', '__proto__', 'constructor'],
  ...['tables.x', 'strict', 'unbounded', 'skip_to_last', '2026-13-01', '99999999999d', '<<', '*a'],
]

const values: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 1e300, Number.NaN, '', 'x', '5m', '5', '2..4', '0..0', '4..2'],
  ...[[], {}, [[]], [null], { a: 1 }, { step: 'a' }, [{ step: 'a' }], { min: 0 }, { max: 1 }],
  ...[{ skip_to_first: 'a' }, { x: { y: { z: [] } } }, ['auth', 'auth'], { $ref: '#' }],
  ...['a.b..c', 'x ==', '${{', '${{ x }} ${{ y', 'has(', '"', "'", 'size(a) > 1', 'a[0].b'],
  ...[{ pattern: '(' }, { type: 'nothing' }, { properties: [] }, { const: { a: 1 } }],
]

function deleteCharacters(text: string, below: Below): string {
  const at = below(text.length + 1)
  return text.slice(0, at) + text.slice(at + 1 + below(below(4) === 0 ? 40 : 3))
}

function insertCharacters(text: string, below: Below): string {
  const at = below(text.length + 1)
  const inserted = Array.from({ length: 1 + below(3) }, () => characters[below(characters.length)])
  return text.slice(0, at) + inserted.join('') + text.slice(at)
}

function replaceCharacter(text: string, below: Below): string {
  const at = below(text.length + 1)
  return `${text.slice(0, at)}${characters[below(characters.length)]}${text.slice(at + 1)}`
}

/** Swaps, drops or doubles a letter of a keyword. */
function misspell(text: string, below: Below): string {
  const keys = [...text.matchAll(/[a-z_]{3,}(?=:)/g)]
  const key = keys[below(keys.length)]
  if (key === undefined) return text
  const at = key.index + below(key[0].length - 1)
  const [first, second] = [text[at], text[at + 1]]
  const misspelt = [`${second}${first}`, `${second}`, `${first}${first}${second}`][below(3)]
  return text.slice(0, at) + misspelt + text.slice(at + 2)
}

function moveLine(text: string, below: Below): string {
  const lines = text.split('\n')
  const [line] = lines.splice(below(lines.length), 1)
  lines.splice(below(lines.length + 1), 0, line ?? '')
  return lines.join('\n')
}

function replaceWord(text: string, below: Below): string {
  const found = [...text.matchAll(/[\w.-]+/g)]
  const word = found[below(found.length)]
  if (word === undefined) return text
  const replacement = words[below(words.length)] ?? ''
  return text.slice(0, word.index) + replacement + text.slice(word.index + word[0].length)
}

function changeValue(text: string, below: Below): string {
  return edited(text, below, (parent, key, document) => {
    document.setIn([...parent, key], values[below(values.length)])
  })
}

function deleteNode(text: string, below: Below): string {
  return edited(text, below, (parent, key, document) => document.deleteIn([...parent, key]))
}

/** Puts a node of the document in another's place. */
function copyNode(text: string, below: Below): string {
  return edited(text, below, (parent, key, document) => {
    const paths = pathsOf(document.contents)
    const from = paths[below(paths.length)] as Path
    const node = document.getIn(from, true)
    document.setIn([...parent, key], isCollection(node) || isScalar(node) ? node.clone() : null)
  })
}

type Path = readonly (string | number)[]
type YAML = ReturnType<typeof parseDocument>

/** Applies an edit to one node; a text that does not parse stays as it is. */
function edited(
  text: string,
  below: Below,
  edit: (parent: Path, key: string | number, document: YAML) => void,
): string {
  const document = parseDocument(text, { logLevel: 'silent' })
  const paths = pathsOf(document.contents)
  if (document.errors.length > 0 || paths.length === 0) return text
  const path = paths[below(paths.length)] as Path
  try {
    edit(path.slice(0, -1), path.at(-1) as string | number, document)
    return document.toString()
  } catch {
    // Aliases and merge keys may make a document that cannot be written.
    return text
  }
}

function pathsOf(contents: Node | null): Path[] {
  const paths: Path[] = []
  const walk = (node: unknown, path: Path): void => {
    if (path.length > 0) paths.push(path)
    if (isMap(node)) {
      for (const { key, value } of node.items) {
        if (isScalar(key)) walk(value, [...path, key.value as string])
      }
    } else if (isSeq(node)) for (const [i, item] of node.items.entries()) walk(item, [...path, i])
  }
  walk(contents, [])
  return paths
}
