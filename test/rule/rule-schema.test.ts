import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ruleSchema } from '../../src/rule/rule-schema.ts'
import { createSchemaCheck } from '../../src/rule/schema-problems.ts'

type Node = Record<string, unknown>

test('the published schema is the one that rules are checked with', () => {
  const published = join(import.meta.dirname, '../../src/rule/rule.schema.json')
  const text = readFileSync(published, 'utf8')
  // `npm run build && node scripts/write-rule-schema.mjs` writes it anew.
  expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(ruleSchema)))
})

test('every keyword has a description, and examples that satisfy it', () => {
  const bare: string[] = []
  for (const [path, keyword] of keywordsIn(ruleSchema as Node, '')) {
    const examples = Array.isArray(keyword.examples) ? keyword.examples : []
    if (typeof keyword.description !== 'string' || examples.length === 0) bare.push(path)
    // Without the definitions, where nothing refers to them, the schema compiles in no time.
    const definitions = JSON.stringify(keyword).includes('$ref') ? { $defs: ruleSchema.$defs } : {}
    const schema = { ...keyword, 'x-not-yet': false, ...definitions }
    const check = createSchemaCheck(schema, 'RULE_SCHEMA')
    const wrong = examples.flatMap((value) => check(documentOf(value)))
    expect(wrong.map((problem) => `${path}: ${problem.message}`)).toEqual([])
  }
  expect(bare).toEqual([])
})

test('no keyword is offered through `oneOf` or `anyOf`, and none is open', () => {
  const text = JSON.stringify(ruleSchema)
  expect(text).not.toMatch(/"(oneOf|anyOf)"/)
  for (const [path, node] of objectsIn(ruleSchema as Node, '')) {
    expect([path, node.additionalProperties]).toEqual([path, false])
    expect(node.patternProperties).toEqual({ '^x-': true })
  }
})

function documentOf(value: unknown) {
  const location = { file: 'example', line: 1, column: 1 }
  return { file: 'example', value, locate: () => location, locateKey: () => location }
}

/** All named properties at all depths. */
function* keywordsIn(node: Node, path: string): Generator<[string, Node]> {
  for (const [name, child] of Object.entries((node.properties ?? {}) as Node)) {
    yield [`${path}.${name}`, child as Node]
    yield* keywordsIn(child as Node, `${path}.${name}`)
  }
  for (const part of ['items', 'additionalProperties']) {
    if (isNode(node[part])) yield* keywordsIn(node[part] as Node, `${path}[]`)
  }
  for (const [name, child] of Object.entries((node.$defs ?? {}) as Node)) {
    yield* keywordsIn(child as Node, `$defs.${name}`)
  }
}

/** All nodes with named properties. */
function* objectsIn(root: Node, path: string): Generator<[string, Node]> {
  if (isNode(root.properties)) yield [path, root]
  for (const [name, child] of Object.entries(root)) {
    if (name === 'examples' || !isNode(child)) continue
    yield* objectsIn(child, `${path}.${name}`)
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
