import type { Document, Node, ParsedNode, Scalar } from 'yaml'
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import type { ErrorCode } from '../errors.ts'
import { joinPath, parentPath } from './document-path.ts'
import { jsonFault } from './json-fault.ts'
import type { Location } from './rule.ts'
import type { RuleProblem } from './rule-problem.ts'
import { scalarOffset } from './scalar-offset.ts'
import { yaml11Reading } from './yaml-lint.ts'

/** One YAML 1.2 or JSON document as plain values, with the place of each. */
export interface YAMLDocument {
  readonly file: string
  /** Plain JSON values; keys are texts. */
  readonly value: unknown
  /** Where the value at a path begins, or a character of its text; see `Locate`. */
  locate(path: string, offset?: number): Location
  /** Where the key at a path stands; for an item of a list, where the item does. */
  locateKey(path: string): Location
  /** What stands in the file where the value at a path was put in for it, and may be secret. */
  writtenAs?(path: string): string | null
}

export interface YAMLDocuments {
  readonly documents: readonly YAMLDocument[]
  /** One for each document that cannot be read: its first mistake, as others follow from it. */
  readonly problems: readonly RuleProblem[]
  /** Plain values that YAML 1.1 would read otherwise, with the code `RULE_LINT`. */
  readonly warnings: readonly RuleProblem[]
}

/**
 * Reads all documents of a file. JSON is YAML 1.2, and is read as that once a file that is named
 * `.json` has been seen to be no more than that. Empty documents are left out.
 * `syntaxCode` is the code of its problems, default `RULE_SYNTAX`.
 */
export function parseYAMLDocuments(
  file: string,
  text: string,
  syntaxCode: ErrorCode = 'RULE_SYNTAX',
): YAMLDocuments {
  const lines = new LineCounter()
  const documents: YAMLDocument[] = []
  const problems: RuleProblem[] = []
  const warnings: RuleProblem[] = []
  const locationOf = (offset: number): Location => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  const parsedDocuments = parseAll(text, lines)
  const fault = file.endsWith('.json') && text.trim() !== '' ? jsonFault(text) : null
  if (fault !== null) {
    const { message, offset } = fault
    const problem = { code: syntaxCode, ...locationOf(offset), path: '', message }
    return { documents, problems: [problem], warnings }
  }
  for (const parsed of parsedDocuments) {
    const mistake = parsed.errors[0] ?? parsed.warnings[0]
    if (mistake !== undefined) {
      const message = mistake.message.replaceAll('\n', ' ')
      problems.push({ code: syntaxCode, ...locationOf(mistake.pos[0]), path: '', message })
      continue
    }
    if (parsed.contents === null || isEmpty(parsed.contents)) continue
    const reading = new Reading(parsed, text, locationOf)
    if (reading.refusal === null) {
      documents.push(reading.document(file))
      warnings.push(...reading.warnings)
    } else {
      const { message, offset } = reading.refusal
      problems.push({ code: syntaxCode, ...locationOf(offset), path: '', message })
    }
  }
  return { documents, problems, warnings }
}

/** More nodes or levels than this in a document are refused: aliases can grow without bound. */
const nodesMax = 100_000
const levelsMax = 64

function parseAll(text: string, lineCounter: LineCounter): Document.Parsed[] {
  const options = { version: '1.2', schema: 'core', prettyErrors: false, lineCounter } as const
  const parsed = parseAllDocuments(text, options)
  return 'empty' in parsed ? [] : parsed
}

function isEmpty(contents: Node): boolean {
  return isScalar(contents) && contents.value === null && contents.source === ''
}

/** Where a key and its value stand; an item of a list has no key. */
interface Place {
  readonly key: Node | null
  readonly node: Node
}

/** The walk over one document that makes plain values and remembers places. */
class Reading {
  readonly warnings: RuleProblem[] = []
  refusal: { readonly message: string; readonly offset: number } | null = null
  readonly #places = new Map<string, Place>()
  readonly #parsed: Document.Parsed
  readonly #text: string
  readonly #locationOf: (offset: number) => Location
  readonly #value: unknown
  #nodes = 0

  constructor(parsed: Document.Parsed, text: string, locationOf: (offset: number) => Location) {
    this.#parsed = parsed
    this.#text = text
    this.#locationOf = locationOf
    this.#value = this.#read(parsed.contents as Node, null, '', 0)
  }

  document(file: string): YAMLDocument {
    return {
      file,
      value: this.#value,
      locate: (path, offset) => {
        const { node } = this.#nearest(path)
        const characterWanted = offset !== undefined && this.#places.has(path) && isScalar(node)
        return this.#locationOf(
          characterWanted ? scalarOffset(this.#text, node as Scalar, offset) : startOf(node),
        )
      },
      locateKey: (path) => {
        const { key, node } = this.#nearest(path)
        return this.#locationOf(startOf(key ?? node))
      },
    }
  }

  #nearest(path: string): Place {
    for (let at: string | null = path; at !== null; at = parentPath(at)) {
      const place = this.#places.get(at)
      if (place !== undefined) return place
    }
    return { key: null, node: this.#parsed.contents as Node }
  }

  #read(node: Node | null, key: Node | null, path: string, level: number): unknown {
    if (this.refusal !== null) return null
    const resolved = isAlias(node) ? node.resolve(this.#parsed) : node
    if (resolved === null || resolved === undefined) return this.#missing(node, key, path)
    this.#places.set(path, { key, node: resolved })
    if (++this.#nodes > nodesMax || level > levelsMax) {
      const what = level > levelsMax ? `${levelsMax} levels` : `${nodesMax} values`
      this.#refuse(`more than ${what} in one document`, node as Node)
      return null
    }
    if (isMap(resolved)) return this.#readMap(resolved.items, path, level)
    if (isSeq(resolved)) {
      return resolved.items.map((item, index) =>
        this.#read(item as Node, null, joinPath(path, index), level + 1),
      )
    }
    this.#lint(resolved as Scalar, path)
    const value = (resolved as Scalar).value
    return typeof value === 'bigint' ? Number(value) : value
  }

  /** A key without a value is null, and stands where its key does. */
  #missing(node: Node | null, key: Node | null, path: string): null {
    if (isAlias(node)) this.#refuse(`the alias *${node.source} has no anchor`, node)
    else if (key !== null) this.#places.set(path, { key, node: key })
    return null
  }

  #readMap(
    pairs: readonly { key: unknown; value: unknown }[],
    path: string,
    level: number,
  ): Record<string, unknown> {
    const object: Record<string, unknown> = {}
    for (const { key, value } of pairs) {
      const keyNode = isAlias(key) ? key.resolve(this.#parsed) : key
      if (!isScalar(keyNode)) {
        this.#refuse('a key must be a text', (key ?? value ?? this.#parsed.contents) as Node)
        return object
      }
      const name = typeof keyNode.value === 'string' ? keyNode.value : (keyNode.source ?? '')
      const childPath = joinPath(path, name)
      const child = this.#read(value as Node | null, keyNode, childPath, level + 1)
      this.#lint(keyNode, childPath)
      // Defined, not assigned: a key `__proto__` must stay a key.
      Object.defineProperty(object, name, {
        value: child,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
    return object
  }

  #lint(scalar: Scalar, path: string): void {
    const reading = yaml11Reading(scalar)
    if (reading === null) return
    const message = `\`${scalar.source}\` is ${JSON.stringify(scalar.value)} here (YAML 1.2), but ${reading} to YAML 1.1: quote it`
    this.warnings.push({ code: 'RULE_LINT', ...this.#locationOf(startOf(scalar)), path, message })
  }

  #refuse(message: string, node: Node): void {
    this.refusal ??= { message, offset: startOf(node) }
  }
}

function startOf(node: Node | ParsedNode): number {
  return node.range?.[0] ?? 0
}
