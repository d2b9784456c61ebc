// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { TocsinError } from '../errors.ts'
import { parseExpression } from '../expression/cel-parser.ts'
import type { Expression } from '../expression/expression.ts'
import type { ExpressionProblem, ExpressionScope } from '../expression/expression-scope.ts'
import { parseSchemaPredicate } from '../expression/schema-predicate.ts'
import { parseTemplate, type Template } from '../expression/template.ts'
import type { JsonObject } from '../expression/value.ts'
import { Redaction } from '../stream/redaction.ts'
import { joinPath } from './document-path.ts'
import { RuleScopes } from './expression-scopes.ts'
import { hiddenReadsOf } from './redacted-reads.ts'
import {
  type AlertBlock,
  type EventTest,
  type ExpressionText,
  type Locate,
  type Location,
  type Rule,
  type RuleTest,
  type SchemaText,
  type SequenceItem,
  stepItemsOf,
  type TemplateText,
} from './rule.ts'
import { didYouMean, type RuleProblem } from './rule-problem.ts'

/** A rule with its expressions, schemas and templates parsed, each by its path in the document. */
export interface CheckedRule {
  readonly rule: Rule
  /** Of `where`, `match`, `until`, `filter`, `fields`, `dedupe.by`. */
  readonly expressions: ReadonlyMap<string, Expression>
  /** Of titles. */
  readonly templates: ReadonlyMap<string, Template>
  /** Of the texts with `${{ }}` in a test's `generate.event`, by path in the test's document. */
  readonly generated: ReadonlyMap<RuleTest, ReadonlyMap<string, Template>>
  /** By stream of the rule: what alerts may not show. Streams that redact nothing are left out. */
  readonly redact: ReadonlyMap<string, Redaction>
}

/** What expressions may refer to; what is absent is not checked. */
export interface ExpressionSurroundings {
  /** JSON Schemas of streams by name. */
  readonly schemas?: ReadonlyMap<string, JsonObject>
  /** Stream → fields that alerts may not show, as `Redaction` has them. */
  readonly redact?: ReadonlyMap<string, readonly string[]>
}

/** The parsed form of an expression or schema of the rule, which checking has stored. */
export function expressionOf(checked: CheckedRule, part: ExpressionText | SchemaText): Expression {
  const expression = checked.expressions.get(part.path)
  if (expression === undefined) throw new TocsinError('ASSERTION', `${part.path} is not parsed`)
  return expression
}

/** Parses all that a rule says in CEL or JSON Schema, each in the scope of its place. */
export function checkExpressions(
  rule: Rule,
  surroundings: ExpressionSurroundings = {},
): { readonly checked: CheckedRule; readonly problems: readonly RuleProblem[] } {
  const scopes = new RuleScopes(rule, surroundings.schemas ?? new Map())
  const check = new ExpressionCheck(rule, scopes, redactionsOf(rule, surroundings))
  check.run()
  return { checked: check, problems: check.problems }
}

function redactionsOf(
  { from }: Rule,
  { redact }: ExpressionSurroundings,
): ReadonlyMap<string, Redaction> {
  return new Map(
    from.flatMap((stream) => {
      const fields = redact?.get(stream) ?? []
      return fields.length === 0 ? [] : [[stream, new Redaction(fields)]]
    }),
  )
}

class ExpressionCheck implements CheckedRule {
  readonly rule: Rule
  readonly expressions = new Map<string, Expression>()
  readonly templates = new Map<string, Template>()
  readonly generated = new Map<RuleTest, ReadonlyMap<string, Template>>()
  readonly redact: ReadonlyMap<string, Redaction>
  readonly problems: RuleProblem[] = []
  readonly #scopes: RuleScopes

  constructor(rule: Rule, scopes: RuleScopes, redact: ReadonlyMap<string, Redaction>) {
    this.rule = rule
    this.#scopes = scopes
    this.redact = redact
  }

  run(): void {
    const { rule } = this
    this.#checkKey()
    this.#parse(rule.filter, this.#scopes.ofEvent(null))
    this.#checkDetect()
    this.#parseTitle(rule.title)
    this.#checkAlert(rule.alert)
    if (rule.onTimeout !== null) this.#checkAlert(rule.onTimeout)
    for (const { where } of rule.exceptions) this.#parse(where, this.#scopes.ofException())
    for (const test of rule.tests) this.#checkGenerate(test)
  }

  #checkKey(): void {
    for (const { paths } of this.rule.by) {
      for (const [stream, path] of paths) {
        const missing = this.#scopes.missingFieldOf(stream, path)
        if (missing === null) continue
        const instead = missing.near === undefined ? '' : `: did you mean \`${missing.near}\`?`
        const message = `the schema of the stream \`${stream}\` has no field \`${path.join('.')}\`${instead}`
        this.#report('by', message, this.rule.locate('by'), 'RULE_REFERENCE', missing.near)
      }
    }
  }

  #checkDetect(): void {
    const { detect } = this.rule
    switch (detect.kind) {
      case 'event':
        this.#checkEventTest(detect.event, this.#scopes.ofEvent(detect.event.from))
        break
      case 'sequence':
        this.#checkStepNames(detect.items)
        this.#checkItems(detect.items)
        if (detect.cancelledBy !== null) {
          const scope = this.#scopes.ofEvent(detect.cancelledBy.from)
          this.#checkEventTest(detect.cancelledBy, scope)
        }
        break
    }
  }

  #checkStepNames(items: readonly SequenceItem[]): void {
    for (const step of stepItemsOf(items)) {
      const stream = this.#scopes.streamWithField(step.name)
      if (stream === null) continue
      const path = joinPath(step.path, step.negated ? 'absent' : 'step')
      const message = `\`${step.name}\` is a field of the stream \`${stream}\`: choose another name`
      this.#report(path, message, this.rule.locate(path), 'RULE_PATTERN')
    }
  }

  #checkItems(items: readonly SequenceItem[]): void {
    for (const item of items) {
      if (item.kind === 'group') {
        this.#checkItems(item.items)
        this.#parse(item.until, this.#scopes.ofItem(item, null))
      } else {
        const scope = this.#scopes.ofItem(item, item.test.from)
        this.#checkEventTest(item.test, scope)
        this.#parse(item.until, scope)
      }
    }
  }

  #checkEventTest({ match, where }: EventTest, scope: ExpressionScope): void {
    if (match !== null) this.#parseSchema(match, scope)
    this.#parse(where, scope)
  }

  #checkAlert({ title, fields, dedupe }: AlertBlock): void {
    if (title !== null) this.#parseTitle(title)
    const scope = this.#scopes.ofAlert()
    for (const part of fields.values()) {
      this.#parse(part, scope)
      const expression = this.expressions.get(part.path)
      if (expression !== undefined) this.#checkShown(part, [expression])
    }
    for (const expression of dedupe?.by ?? []) this.#parse(expression, scope)
  }

  #parse(part: ExpressionText | null, scope: ExpressionScope): void {
    if (part === null || this.#usesTables(part, this.rule.locate)) return
    const parsed = parseExpression(part.text, scope)
    if ('expression' in parsed) this.expressions.set(part.path, parsed.expression)
    else this.#reportAll(part.path, parsed.problems, this.rule.locate)
  }

  #parseTitle(part: TemplateText): void {
    if (this.#usesTables(part, this.rule.locate)) return
    const parsed = parseTemplate(part.text, this.#scopes.ofAlert())
    if ('template' in parsed) {
      this.templates.set(part.path, parsed.template)
      const { parts } = parsed.template
      this.#checkShown(
        part,
        parts.flatMap((each) => (each.kind === 'expression' ? [each.expression] : [])),
      )
    } else this.#reportAll(part.path, parsed.problems, this.rule.locate)
  }

  /** Refuses what would show a redacted field, or something that is computed from one. */
  #checkShown({ text, path }: ExpressionText, expressions: readonly Expression[]): void {
    const hidden = expressions
      .flatMap((expression) => hiddenReadsOf(expression, this.rule, this.redact))
      .at(0)
    if (hidden === undefined) return
    const message = `\`${hidden.name}\` is redacted in the stream \`${hidden.stream}\`: alerts cannot show it, nor what is computed from it`
    const last = hidden.name.slice(hidden.name.lastIndexOf('.') + 1)
    const location = this.rule.locate(path, Math.max(text.indexOf(last), 0))
    this.#report(path, message, location, 'RULE_REDACTED')
  }

  #parseSchema({ schema, path }: SchemaText, scope: ExpressionScope): void {
    const parsed = parseSchemaPredicate(schema, scope.schemas)
    if ('expression' in parsed) {
      this.expressions.set(path, parsed.expression)
      return
    }
    for (const problem of parsed.problems) {
      const at = pathInSchema(path, schema, problem.path)
      const message = withSuggestion(problem)
      this.#report(at, message, this.rule.locate(at), 'RULE_SCHEMA', problem.suggestion)
    }
  }

  #checkGenerate(test: RuleTest): void {
    const { input } = test
    if (input.kind !== 'generate') return
    const templates = new Map<string, Template>()
    const root = joinPath(joinPath(test.path, 'generate'), 'event')
    for (const part of textsIn(input.event, root)) {
      if (!part.text.includes('${{')) continue
      const parsed = parseTemplate(part.text, this.#scopes.ofGenerate())
      if ('template' in parsed) templates.set(part.path, parsed.template)
      else this.#reportAll(part.path, parsed.problems, test.locate)
    }
    this.generated.set(test, templates)
  }

  /** Tables are not built: the first use in a text is reported in place of what it would mean. */
  #usesTables({ text, path }: ExpressionText, locate: Locate): boolean {
    for (const token of text.matchAll(tablesToken)) {
      if (token[0] !== 'tables') continue
      const message = 'not yet: `tables` is known, but not built'
      this.#report(path, message, locate(path, token.index), 'RULE_NOT_YET')
      return true
    }
    return false
  }

  #reportAll(path: string, problems: readonly ExpressionProblem[], locate: Locate): void {
    for (const problem of problems) {
      const location = locate(path, problem.start)
      const message = withSuggestion(problem)
      this.#report(path, message, location, 'RULE_EXPRESSION', problem.suggestion)
    }
  }

  #report(
    path: string,
    message: string,
    location: Location,
    code: RuleProblem['code'],
    suggestion?: string,
  ): void {
    const problem = { code, ...location, path, message }
    this.problems.push(suggestion === undefined ? problem : { ...problem, suggestion })
  }
}

/** Texts in CEL, which are passed over, and the name `tables` where it is not a field. */
const tablesToken = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?<![\w.])tables(?=\s*[.[])/g

function withSuggestion(problem: { readonly message: string; readonly suggestion?: string }) {
  const said = problem.message.includes('did you mean')
  return said ? problem.message : problem.message + didYouMean(problem.suggestion)
}

function pathInSchema(path: string, schema: unknown, names: readonly string[]): string {
  let value = schema
  let at = path
  for (const name of names) {
    at = joinPath(at, Array.isArray(value) ? Number(name) : name)
    value = (value as Record<string, unknown> | null | undefined)?.[name]
  }
  return at
}

function* textsIn(value: unknown, path: string): Generator<ExpressionText> {
  if (typeof value === 'string') yield { text: value, path }
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* textsIn(item, joinPath(path, index))
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) yield* textsIn(item, joinPath(path, name))
  }
}
