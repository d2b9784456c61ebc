// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${` is what references are written with.
import { joinPath, type RuleProblem, type SchemaNode, type YAMLDocument } from '../src/index.ts'
import type { ConfigSources } from './config-sources.ts'

/** A document whose references have been replaced by what they refer to. */
export interface ResolvedDocument {
  readonly document: YAMLDocument
  readonly problems: readonly RuleProblem[]
  /** Puts references back in place of what they refer to: that may be secret. */
  hide(message: string): string
  /** The same for all that is said while the configuration is used: leaves short words alone. */
  conceal(text: string): string
}

/**
 * Replaces `${NAME}` in values by variables of the environment, and a value `file:PATH` by what the
 * file says; `$${` stands for `${`. What is put in is text, but a number or flag where the schema
 * wants one. Keys stay as they are, and so do parts that are not built yet.
 */
export function resolveReferences(
  document: YAMLDocument,
  schema: SchemaNode,
  sources: ConfigSources,
): ResolvedDocument {
  const resolver = new ReferenceResolver(document, sources)
  const value = resolver.resolve(document.value, schema, '')
  const { problems, written, secrets, ownSecrets } = resolver
  const all = [...secrets, ...ownSecrets].sort(byLength)
  const telling = all.filter(([secret]) => ownSecrets.has(secret) || secret.length >= wordLengthMax)
  return {
    document: { ...document, value, writtenAs: (path) => written.get(path) ?? null },
    problems,
    hide: (message) => replaced(message, all),
    conceal: (text) => replaced(text, telling),
  }
}

/** @param secrets the longest first: one may be part of another */
function replaced(text: string, secrets: readonly (readonly [string, string])[]): string {
  let hidden = text
  for (const [secret, reference] of secrets) hidden = hidden.replaceAll(secret, () => reference)
  return hidden
}

function byLength([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return b.length - a.length
}

/** What is shorter is no secret, and may stand in any message. */
const secretLengthMin = 3

/** What a reference refers to and is shorter may be any word or number: it is hidden in problems only. */
const wordLengthMax = 8

const fileScheme = 'file:'

class ReferenceResolver {
  readonly problems: RuleProblem[] = []
  /** Path → the text with its references. */
  readonly written = new Map<string, string>()
  /** What was put in → the reference to it. */
  readonly secrets = new Map<string, string>()
  /** The same for what the schema calls `writeOnly`, written as a reference or not, and its parts. */
  readonly ownSecrets = new Map<string, string>()
  readonly #document: YAMLDocument
  readonly #sources: ConfigSources

  constructor(document: YAMLDocument, sources: ConfigSources) {
    this.#document = document
    this.#sources = sources
  }

  resolve(value: unknown, schema: SchemaNode, path: string): unknown {
    if (schema['x-not-yet'] === true) return value
    if (typeof value === 'string') {
      const text = this.#text(value, schema, path)
      if (schema.writeOnly === true) this.#concealOwn(String(text), this.written.get(path))
      return text
    }
    if (Array.isArray(value)) {
      const items = nodeOf(schema.items)
      return value.map((item, index) => this.resolve(item, items, joinPath(path, index)))
    }
    if (typeof value !== 'object' || value === null) return value
    const properties = nodeOf(schema.properties)
    const entries = Object.entries(value).map(([name, item]) => {
      const known = Object.hasOwn(properties, name) ? properties[name] : schema.additionalProperties
      return [name, this.resolve(item, nodeOf(known), joinPath(path, name))]
    })
    return Object.fromEntries(entries)
  }

  #text(text: string, schema: SchemaNode, path: string): unknown {
    const isFile = text.startsWith(fileScheme)
    if (!isFile && !text.includes('${')) return text
    const before = this.problems.length
    const resolved = isFile ? this.#fileContent(text, path) : this.#withVariables(text, path)
    if (this.problems.length > before || resolved === text) return resolved
    if (resolved === '') this.#report(path, 0, `\`${text}\` is empty`)
    this.written.set(path, text)
    return typedBy(schema, resolved)
  }

  #fileContent(text: string, path: string): string {
    try {
      const content = this.#sources.readFile(text.slice(fileScheme.length)).replace(/\r?\n$/, '')
      this.#conceal(content, text)
      return content
    } catch (error) {
      this.#report(path, 0, error instanceof Error ? error.message : String(error))
      return text
    }
  }

  #withVariables(text: string, path: string): string {
    return text.replace(/\$\$\{|\$\{([^}]*)(\}?)/g, (reference, name, end, offset) => {
      if (reference === '$${') return '${'
      if (end !== '}' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        const instead = 'write `${NAME}` for a variable of the environment, and `$${` for `${`'
        this.#report(path, offset, `\`${reference}\` is no reference: ${instead}`)
        return reference
      }
      const value = this.#sources.environment[name]
      if (value === undefined) {
        this.#report(path, offset, `the environment has no variable \`${name}\``)
        return reference
      }
      this.#conceal(value, reference)
      return value
    })
  }

  #conceal(value: string, reference: string): void {
    if (value.length >= secretLengthMin) this.secrets.set(value, reference)
  }

  #concealOwn(value: string, reference = '[secret]'): void {
    const parts = [value, ...passwordsIn(value)]
    for (const part of parts) {
      if (part.length >= secretLengthMin) this.ownSecrets.set(part, reference)
    }
  }

  #report(path: string, offset: number, message: string): void {
    const place = this.#document.locate(path, offset)
    this.problems.push({ code: 'CONFIG_INVALID', ...place, path, message })
  }
}

/** Of a URL with a user and a password: others say them apart from it. */
function passwordsIn(value: string): string[] {
  if (!URL.canParse(value)) return []
  const { password, username, pathname, search } = new URL(value)
  const parts = [password, username, pathname.length > 1 ? pathname + search : '']
  return parts.flatMap((part) => [part, decoded(part)])
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function nodeOf(node: unknown): SchemaNode {
  return typeof node === 'object' && node !== null ? (node as SchemaNode) : {}
}

/** The text as what the schema wants in its place; what is wrong with it, the schema says. */
function typedBy({ type }: SchemaNode, text: string): unknown {
  if ((type === 'integer' || type === 'number') && /^-?\d+(?:\.\d+)?$/.test(text)) {
    return Number(text)
  }
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}
