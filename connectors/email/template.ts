/** A text with places for values. */
export interface Template {
  /**
   * @param values what names stand for; `alerts` and such are lists of further values
   * @param escape makes text of a value harmless where it is put
   * @param lengthMax characters from which on the rest is left out, which is said
   */
  render(values: TemplateValues, escape: (text: string) => string, lengthMax: number): string
  /** First names that stand outside of all sections. */
  readonly names: readonly string[]
}

export type TemplateValues = Readonly<Record<string, unknown>>

type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly path: readonly string[] }
  | {
      readonly kind: 'section'
      readonly path: readonly string[]
      /** `{{^name}}`: where there is nothing. */
      readonly inverted: boolean
      readonly nodes: TemplateNode[]
    }

/**
 * Parses the part of Mustache that has no code in it: `{{name}}`, `{{a.b}}`, `{{#list}}…{{/list}}`,
 * `{{^list}}…{{/list}}` and `{{.}}`, the value itself. There is no way to put in a value unescaped, no
 * partial, and no change of the braces.
 * @throws {Error} what is wrong, with the line
 */
export function parseTemplate(text: string): Template {
  const root: TemplateNode[] = []
  const open: { readonly name: string; readonly line: number; readonly nodes: TemplateNode[] }[] =
    []
  const names: string[] = []
  let at = 0
  for (const tag of tagsOf(text)) {
    const nodes = open.at(-1)?.nodes ?? root
    if (tag.start > at) nodes.push({ kind: 'text', text: text.slice(at, tag.start) })
    at = tag.end
    const { sigil, name, line } = tag
    if (sigil === '/') {
      const section = open.pop()
      if (section?.name === name) continue
      const opened = section === undefined ? 'none is open' : `\`${section.name}\` is open`
      throw new Error(`line ${line}: {{/${name}}} closes a section, and ${opened}`)
    }
    const path = name === '.' ? [] : name.split('.')
    if (open.length === 0 && path[0] !== undefined) names.push(path[0])
    if (sigil === '') nodes.push({ kind: 'value', path })
    else {
      const section: TemplateNode = { kind: 'section', path, inverted: sigil === '^', nodes: [] }
      nodes.push(section)
      open.push({ name, line, nodes: section.nodes })
    }
  }
  const unclosed = open.at(-1)
  if (unclosed !== undefined) {
    throw new Error(`line ${unclosed.line}: {{#${unclosed.name}}} is not closed`)
  }
  if (at < text.length) root.push({ kind: 'text', text: text.slice(at) })
  return {
    names,
    render: (values, escape, lengthMax) => {
      const output = new Output(escape, lengthMax)
      output.write(root, [values])
      return output.text
    },
  }
}

interface Tag {
  readonly sigil: '' | '#' | '^' | '/'
  readonly name: string
  readonly start: number
  readonly end: number
  readonly line: number
}

function* tagsOf(text: string): Iterable<Tag> {
  let at = 0
  for (;;) {
    const start = text.indexOf('{{', at)
    if (start < 0) return
    const line = text.slice(0, start).split('\n').length
    const close = text.indexOf('}}', start)
    if (close < 0) throw new Error(`line ${line}: {{ is not closed by }}`)
    const inside = text.slice(start + 2, close)
    const [, sigil, name] = /^([#^/]?)\s*(\.|[\w-]+(?:\.[\w-]+)*)\s*$/.exec(inside.trim()) ?? []
    if (sigil === undefined || name === undefined) {
      const expected = 'expected {{name}}, {{a.b}}, {{#list}}, {{^list}}, {{/list}} or {{.}}'
      throw new Error(`line ${line}: {{${inside}}} is no place for a value: ${expected}`)
    }
    at = close + 2
    yield { sigil: sigil as Tag['sigil'], name, line, ...extentOf(text, sigil, start, at) }
  }
}

/** A line that holds nothing but the beginning or end of a section leaves no empty line. */
function extentOf(text: string, sigil: string, start: number, end: number) {
  if (sigil === '') return { start, end }
  const lineStart = text.lastIndexOf('\n', start - 1) + 1
  const lineEnd = /^[ \t]*(?:\r?\n|$)/.exec(text.slice(end))
  const alone = text.slice(lineStart, start).trim() === '' && lineEnd !== null
  return alone ? { start: lineStart, end: end + lineEnd[0].length } : { start, end }
}

class Output {
  text = ''
  #isFull = false
  readonly #escape: (text: string) => string
  readonly #lengthMax: number

  constructor(escape: (text: string) => string, lengthMax: number) {
    this.#escape = escape
    this.#lengthMax = lengthMax
  }

  /** @param scopes what names are looked up in, the innermost last */
  write(nodes: readonly TemplateNode[], scopes: readonly unknown[]): void {
    for (const node of nodes) {
      if (this.#isFull) return
      switch (node.kind) {
        case 'text':
          this.#add(node.text)
          break
        case 'value':
          this.#add(this.#escape(textOf(valueAt(node.path, scopes))))
          break
        case 'section':
          this.#writeSection(node, scopes)
      }
    }
  }

  #writeSection(
    { path, inverted, nodes }: Extract<TemplateNode, { kind: 'section' }>,
    scopes: readonly unknown[],
  ): void {
    const value = valueAt(path, scopes)
    const isEmpty = Array.isArray(value) ? value.length === 0 : !value
    if (inverted) {
      if (isEmpty) this.write(nodes, scopes)
      return
    }
    if (isEmpty) return
    const items: readonly unknown[] = Array.isArray(value) ? value : [value]
    for (const item of items) this.write(nodes, [...scopes, item])
  }

  #add(text: string): void {
    const room = this.#lengthMax - this.text.length
    if (text.length <= room) this.text += text
    else {
      this.text += `${text.slice(0, room)}…`
      this.#isFull = true
    }
  }
}

function valueAt([first, ...rest]: readonly string[], scopes: readonly unknown[]): unknown {
  if (first === undefined) return scopes.at(-1)
  const scope = scopes.findLast((each) => isObject(each) && Object.hasOwn(each, first))
  let value = isObject(scope) ? scope[first] : undefined
  for (const name of rest) {
    value = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
  }
  return value
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  return isObject(value) ? JSON.stringify(value) : String(value)
}
