import { parseDuration } from '../connector/duration.ts'
import { compileEventExpression } from '../expression/event-expression.ts'
import type { Expression } from '../expression/expression.ts'
import { formatValue, jsonOf, type Template } from '../expression/template.ts'
import { isObject } from '../expression/value.ts'
import { joinPath } from './document-path.ts'
import type { CheckedRule } from './expression-check.ts'
import type { Rule, RuleTest } from './rule.ts'
import { resolvedBeside } from './rule-file.ts'

/** One event of a test, with `repeat` unrolled and `generate` worked out. */
export interface PlacedEvent {
  /** Position among the test's events as they are written: what `expect` counts. */
  readonly index: number
  /** Event time, epoch ms. */
  readonly timestamp: number
  readonly stream: string
  readonly event: unknown
}

/** A test's events in order of time, those of one time as written; or why there are none. */
export interface PlacedEvents {
  readonly events: readonly PlacedEvent[]
  readonly problems: readonly TestInputProblem[]
}

/** What is wrong with a test's events, and where: a path in the test, or a line of its file. */
export interface TestInputProblem {
  readonly message: string
  readonly path: string
}

/** The files that the tests of a rule read their events from, as the caller has to name them. */
export function eventFilesOf(rule: Rule): string[] {
  const paths = rule.tests.flatMap((test) => eventFileOf(test) ?? [])
  return [...new Set(paths)]
}

/** Places the events of a test; `files` has the texts of those that `eventFilesOf` names. */
export function placeTestEvents(
  checked: CheckedRule,
  test: RuleTest,
  files: ReadonlyMap<string, string>,
): PlacedEvents {
  const placement = new Placement(checked, test)
  placement.placeInput(files)
  const events = placement.events.sort((a, b) => a.timestamp - b.timestamp || a.index - b.index)
  return { events, problems: placement.problems }
}

function eventFileOf({ input, file }: RuleTest): string | null {
  return input.kind === 'file' ? resolvedBeside(file, input.file) : null
}

class Placement {
  readonly events: PlacedEvent[] = []
  readonly problems: TestInputProblem[] = []
  readonly #checked: CheckedRule
  readonly #test: RuleTest

  constructor(checked: CheckedRule, test: RuleTest) {
    this.#checked = checked
    this.#test = test
  }

  placeInput(files: ReadonlyMap<string, string>): void {
    const { input } = this.#test
    switch (input.kind) {
      case 'events':
        for (const { atMs, from, repeat, event } of input.events) {
          this.#placeRepeated(atMs, from, repeat, event)
        }
        break
      case 'generate':
        this.#generate(input)
        break
      case 'file':
        this.#placeFile(files.get(eventFileOf(this.#test) as string), input)
    }
  }

  #placeRepeated(
    atMs: number,
    from: string | null,
    repeat: { readonly times: number; readonly everyMs: number },
    event: unknown,
  ): void {
    for (let time = 0; time < repeat.times; time++) {
      this.#place(atMs + time * repeat.everyMs, from, event)
    }
  }

  #place(atMs: number, from: string | null, event: unknown): void {
    const index = this.events.length
    const stream = from ?? (this.#checked.rule.from[0] as string)
    this.events.push({ index, timestamp: this.#test.start + atMs, stream, event })
  }

  #generate(input: Extract<RuleTest['input'], { kind: 'generate' }>): void {
    const path = joinPath(joinPath(this.#test.path, 'generate'), 'event')
    const templates = this.#checked.generated.get(this.#test) ?? new Map<string, Template>()
    const values = new Map([...templates].map(([at, parsed]) => [at, generatedValue(parsed)]))
    for (let i = 0; i < input.count; i++) {
      const errors: string[] = []
      const event = filledIn(input.event, path, values, new Map([['i', i]]), errors)
      this.#place(i * input.everyMs, input.from, event)
      if (errors.length === 0) continue
      // One says it: the others are most likely the same mistake.
      this.problems.push({ message: `no value for i = ${i}`, path: errors[0] as string })
      return
    }
  }

  #placeFile(
    text: string | undefined,
    { file, path }: Extract<RuleTest['input'], { kind: 'file' }>,
  ): void {
    if (text === undefined) {
      this.problems.push({ message: `the events file \`${file}\` was not given`, path })
      return
    }
    for (const [index, line] of text.split('\n').entries()) {
      if (line.trim() === '') continue
      const entry = fileEntry(line, this.#checked.rule.from)
      if (typeof entry === 'string') {
        this.problems.push({ message: `${file}, line ${index + 1}: ${entry}`, path })
      } else this.#placeRepeated(entry.atMs, entry.from, entry.repeat, entry.event)
    }
  }
}

/** Gives the value that a text with `${{ }}` in it stands for; `undefined` is CEL's error. */
type GeneratedValue = (names: ReadonlyMap<string, unknown>) => unknown

/** A text that is one expression stands for its value, any other for the text around them. */
function generatedValue({ parts }: Template): GeneratedValue {
  const only = parts[0]
  if (parts.length === 1 && only?.kind === 'expression') {
    const evaluate = evaluation(only.expression)
    return (names) => {
      const value = evaluate(names)
      return value === undefined ? undefined : jsonOf(value)
    }
  }
  const texts = parts.map((part): ((names: ReadonlyMap<string, unknown>) => string) => {
    if (part.kind === 'text') return () => part.text
    const evaluate = evaluation(part.expression)
    return (names) => formatValue(evaluate(names))
  })
  return (names) => texts.map((text) => text(names)).join('')
}

/** Nothing but `i` can be named there: no field is ever asked for. */
function evaluation(expression: Expression): GeneratedValue {
  const compiled = compileEventExpression(expression, () => 0, { tables: new Map() })
  return (names) => compiled.evaluate(null, null, names)
}

function filledIn(
  value: unknown,
  path: string,
  values: ReadonlyMap<string, GeneratedValue>,
  names: ReadonlyMap<string, unknown>,
  errors: string[],
): unknown {
  const generated = values.get(path)
  if (generated !== undefined) {
    const outcome = generated(names)
    if (outcome === undefined) errors.push(path)
    return outcome
  }
  const inside = (item: unknown, segment: string | number) =>
    filledIn(item, joinPath(path, segment), values, names, errors)
  if (Array.isArray(value)) return value.map(inside)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, inside(item, name)]))
}

interface FileEntry {
  readonly atMs: number
  readonly from: string | null
  readonly repeat: { readonly times: number; readonly everyMs: number }
  readonly event: unknown
}

/** One line of an events file: an entry of `events` as JSON, or what is wrong with it. */
function fileEntry(line: string, streams: readonly string[]): FileEntry | string {
  const entry = parsedJSON(line)
  if (!isObject(entry)) return 'expected a JSON object with `at` and `event`'
  const at = parseDuration(entry.at)
  if ('problem' in at) return `\`at\`: ${at.problem}`
  if (!isObject(entry.event)) return '`event`: expected an object'
  const from = entry.from ?? null
  if (from === null && streams.length > 1)
    return '`from` is missing: the rule reads several streams'
  if (from !== null && !streams.includes(from as string)) {
    return `\`from\`: the rule reads no stream \`${String(from)}\``
  }
  const repeat = repeatOf(entry.repeat)
  if (typeof repeat === 'string') return repeat
  return { atMs: at.ms, from: from as string | null, repeat, event: entry.event }
}

function repeatOf(value: unknown): FileEntry['repeat'] | string {
  if (value === undefined) return { times: 1, everyMs: 0 }
  if (!isObject(value) || !Number.isInteger(value.times) || (value.times as number) < 1) {
    return '`repeat`: expected `times`, a whole number from 1, and `every`'
  }
  const every = parseDuration(value.every)
  if ('problem' in every) return `\`repeat.every\`: ${every.problem}`
  return { times: value.times as number, everyMs: every.ms }
}

function parsedJSON(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is no JSON is no object: the caller says so with the line.
    return undefined
  }
}
