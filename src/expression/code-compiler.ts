import { type FieldPath, type StringConstant, stringConstant } from '../stream/column-batch.ts'
import type { ClosureCompiler, EvaluationContext } from './closure-compiler.ts'
import type { CompareOperator, Expression } from './expression.ts'
import { arithmetics, comparisons, negate, satisfies } from './operation.ts'
import type { StringTest } from './string-test.ts'
import { isObject, same } from './value.ts'

/** Source text that reads a field in one place. Made of slot numbers only. */
export interface FieldCode {
  /** The value; `undefined` where missing. */
  readonly value: string
  readonly column: ColumnCode | null
}

/** Source text that reads a column at the current row. */
export interface ColumnCode {
  /** The ValueKind. */
  readonly kind: string
  /** The number, where the kind is one. */
  readonly number: string
  /** Whether the value is the StringConstant of a name. */
  readonly isString: (constantName: string) => string
}

/** Source text for what a place provides. */
export interface CodePlace {
  field(path: FieldPath): FieldCode
  /** A field of the last event that a step took; `null` where there are no steps. */
  lastField: ((step: number, path: FieldPath) => string) | null
  /** How many events a step took; `null` where there are no steps. */
  stepCount: ((step: number) => string) | null
  readonly stream: string
  /** The context that closures are called with. */
  readonly context: string
}

/**
 * Writes JavaScript for expressions: statements that end in a variable or a literal holding the
 * value. Only slot numbers, number literals and the names of closure arguments reach the source
 * (DESIGN D10): texts, patterns and functions are passed in as `constants`. What is rarely hot
 * (macros, aggregates, tables, calls of functions over them) is called as a closure.
 */
export class CodeCompiler<C extends EvaluationContext> {
  readonly constants: unknown[] = []
  readonly #place: CodePlace
  readonly #closures: ClosureCompiler<C>
  readonly #constantNames = new Map<unknown, string>()
  readonly #stringConstants = new Map<string, StringConstant>()
  #lines: string[] = []
  #variables = 0
  /** Whether some code calls a closure, and so needs the context. */
  usesContext = false

  constructor(place: CodePlace, closures: ClosureCompiler<C>) {
    this.#place = place
    this.#closures = closures
  }

  /** The statements written since the last call. */
  takeLines(): string {
    const text = this.#lines.join('\n')
    this.#lines = []
    return text
  }

  /**
   * The value that a function body returns, with the constants (and further arguments by name) in
   * its scope; `undefined` where code may not be generated.
   */
  build(source: string, further: Readonly<Record<string, unknown>>): unknown {
    const names = [...this.constants.keys()].map((index) => `c${index}`)
    try {
      return new Function(...names, ...Object.keys(further), `'use strict'\n${source}`)(
        ...this.constants,
        ...Object.values(further),
      )
    } catch (error) {
      if (error instanceof EvalError) return undefined
      throw error
    }
  }

  /** Writes the statements for an expression; gives the text of its value. */
  write(node: Expression): string {
    switch (node.kind) {
      case 'literal':
        return this.#literal(node.value)
      case 'field':
        return this.#hold(this.#place.field(node.path).value)
      case 'stream':
        return this.#hold(this.#place.stream)
      case 'taken_field': {
        const { lastField } = this.#place
        if (node.event.kind !== 'last' || lastField === null) return this.#closure(node)
        return this.#hold(lastField(node.event.step, node.path))
      }
      case 'taken_count': {
        const { stepCount } = this.#place
        if (node.events.kind !== 'step' || stepCount === null) return this.#closure(node)
        return this.#hold(stepCount(node.events.step))
      }
      case 'has':
        return this.#has(node)
      case 'not': {
        const x = this.write(node.operand)
        return this.#hold(`${x} === true ? false : ${x} === false ? true : undefined`)
      }
      case 'negate': {
        const x = this.write(node.operand)
        return this.#hold(`typeof ${x} === 'number' ? -${x} : ${this.constant(negate)}(${x})`)
      }
      case 'and':
        return this.#junction(node.operands, 'false', 'true')
      case 'or':
        return this.#junction(node.operands, 'true', 'false')
      case 'conditional':
        return this.#conditional(node)
      case 'compare':
        return this.#compare(node)
      case 'arithmetic':
        return this.#arithmetic(node)
      case 'matches': {
        const x = this.write(node.operand)
        return this.#hold(`typeof ${x} === 'string' ? ${this.#test(node.test, x)} : undefined`)
      }
      case 'constraint':
        return this.#constraint(node)
      default:
        return this.#closure(node)
    }
  }

  /** The name under which the generated code finds a value that is passed in. */
  constant(value: unknown): string {
    let name = this.#constantNames.get(value)
    if (name === undefined) {
      name = `c${this.constants.length}`
      this.constants.push(value)
      this.#constantNames.set(value, name)
    }
    return name
  }

  #hold(text: string): string {
    const name = `t${this.#variables++}`
    this.#lines.push(`const ${name} = ${text}`)
    return name
  }

  #closure(node: Expression): string {
    this.usesContext = true
    return this.#hold(`${this.constant(this.#closures.compile(node))}(${this.#place.context})`)
  }

  #literal(value: unknown): string {
    if (value === null || typeof value === 'boolean') return String(value)
    if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) {
      return `(${JSON.stringify(value)})`
    }
    return this.constant(value)
  }

  /** Flat, with a label to leave by: nesting would make long conjunctions deep. */
  #junction(nodes: readonly Expression[], decision: string, otherwise: string): string {
    const name = `t${this.#variables++}`
    this.#lines.push(`let ${name} = ${otherwise}; ${name}_: {`)
    for (const node of nodes) {
      const x = this.write(node)
      this.#lines.push(
        `if (${x} === ${decision}) { ${name} = ${decision}; break ${name}_ }`,
        `if (${x} !== ${otherwise}) ${name} = undefined`,
      )
    }
    this.#lines.push('}')
    return name
  }

  #conditional(node: Extract<Expression, { kind: 'conditional' }>): string {
    const condition = this.write(node.condition)
    const name = `t${this.#variables++}`
    this.#lines.push(`let ${name} = undefined; if (${condition} === true) {`)
    this.#lines.push(`${name} = ${this.write(node.whenTrue)}`)
    this.#lines.push(`} else if (${condition} === false) {`)
    this.#lines.push(`${name} = ${this.write(node.whenFalse)}`)
    this.#lines.push('}')
    return name
  }

  #has(node: Extract<Expression, { kind: 'has' }>): string {
    if (node.operand.kind === 'field') {
      const { column } = this.#place.field(node.operand.path)
      if (column !== null) return this.#hold(`${column.kind} !== 0`)
    }
    return this.#hold(`${this.write(node.operand)} !== undefined`)
  }

  #compare(node: Extract<Expression, { kind: 'compare' }>): string {
    const { operator, left, right } = node
    const turned = left.kind === 'literal' && right.kind !== 'literal'
    const overColumn = turned
      ? this.#compareColumn(turnedOperators[operator], right, left)
      : this.#compareColumn(operator, left, right)
    if (overColumn !== undefined) return overColumn
    const x = this.write(left)
    const y = this.write(right)
    if (operator === '==' || operator === '!=') return this.#equal(x, y, operator === '==')
    const general = `${this.constant(comparisons[operator])}(${x}, ${y})`
    return this.#hold(`${bothNumbers(x, y)} ? ${x} ${operator} ${y} : ${general}`)
  }

  #equal(x: string, y: string, positive: boolean): string {
    const [operator, deep] = positive ? ['===', ''] : ['!==', '!']
    const general = `${deep}${this.constant(same)}(${x}, ${y})`
    return this.#hold(
      `${x} === undefined || ${y} === undefined ? undefined : ` +
        `typeof ${x} === 'object' && typeof ${y} === 'object' ? ${general} : ${x} ${operator} ${y}`,
    )
  }

  /** A field of a column with a constant: read from the column's arrays, without a value. */
  #compareColumn(
    operator: CompareOperator,
    left: Expression,
    right: Expression,
  ): string | undefined {
    if (left.kind !== 'field' || right.kind !== 'literal') return undefined
    const { column } = this.#place.field(left.path)
    if (column === null) return undefined
    const { kind, number } = column
    const isEquality = operator === '==' || operator === '!='
    const unequal = operator === '!='
    if (typeof right.value === 'number') {
      const literal = this.#literal(right.value)
      if (!isEquality) {
        return this.#hold(`${kind} === 4 ? ${number} ${operator} ${literal} : undefined`)
      }
      const test = `${number} ${unequal ? '!==' : '==='} ${literal}`
      return this.#hold(`${kind} === 4 ? ${test} : ${kind} === 0 ? undefined : ${unequal}`)
    }
    if (typeof right.value === 'string' && isEquality) {
      const test = `${unequal ? '!' : ''}${this.#isString(column, right.value)}`
      const isText = `${kind} === 5 || ${kind} === 6`
      return this.#hold(`${isText} ? ${test} : ${kind} === 0 ? undefined : ${unequal}`)
    }
    return undefined
  }

  #isString(column: ColumnCode, text: string): string {
    let constant = this.#stringConstants.get(text)
    if (constant === undefined) {
      constant = stringConstant(text)
      this.#stringConstants.set(text, constant)
    }
    return column.isString(this.constant(constant))
  }

  #arithmetic(node: Extract<Expression, { kind: 'arithmetic' }>): string {
    const x = this.write(node.left)
    const y = this.write(node.right)
    const general = `${this.constant(arithmetics[node.operator])}(${x}, ${y})`
    return this.#hold(`${bothNumbers(x, y)} ? ${x} ${node.operator} ${y} : ${general}`)
  }

  #test(test: StringTest, x: string): string {
    switch (test.kind) {
      case 'equals':
        return `${x} === ${this.constant(test.text)}`
      case 'prefix':
        return `${x}.startsWith(${this.constant(test.text)})`
      case 'suffix':
        return `${x}.endsWith(${this.constant(test.text)})`
      case 'contains':
        return `${x}.includes(${this.constant(test.text)})`
      case 'pattern':
        return `${this.constant(test.test)}(${x})`
    }
  }

  #constraint(node: Extract<Expression, { kind: 'constraint' }>): string {
    const { operand, constraint, whenMissing } = node
    const column = operand.kind === 'field' ? this.#place.field(operand.path).column : null
    if (column !== null) {
      const { kind, number } = column
      const missing = `${kind} === 0 ? ${whenMissing}`
      if (constraint.kind === 'present') return this.#hold(`${missing} : true`)
      if (constraint.kind === 'not_object') return this.#hold(`${missing} : ${kind} !== 7`)
      if (constraint.kind === 'minimum' || constraint.kind === 'maximum') {
        const sign = constraint.kind === 'minimum' ? '>' : '<'
        const operator = constraint.exclusive ? sign : `${sign}=`
        const test = `${number} ${operator} ${this.#literal(constraint.limit)}`
        return this.#hold(`${kind} === 4 ? ${test} : ${missing} : true`)
      }
      const [only] = constraint.kind === 'one_of' ? constraint.values : []
      if (constraint.kind === 'one_of' && constraint.values.length === 1) {
        if (typeof only === 'string') {
          const isText = `${kind} === 5 || ${kind} === 6`
          return this.#hold(`${isText} ? ${this.#isString(column, only)} : ${missing} : false`)
        }
        if (typeof only === 'number') {
          const test = `${number} === ${this.#literal(only)}`
          return this.#hold(`${kind} === 4 ? ${test} : ${missing} : false`)
        }
      }
    }
    const x = this.write(operand)
    const test = this.constant(testOf(constraint))
    return this.#hold(`${x} === undefined ? ${whenMissing} : ${test}(${x})`)
  }
}

function testOf(
  constraint: Extract<Expression, { kind: 'constraint' }>['constraint'],
): (value: unknown) => boolean {
  if (constraint.kind !== 'one_of') return (value) => satisfies(constraint, value)
  const scalars = new Set(constraint.values.filter((value) => !isObject(value)))
  // A set has NaN equal to itself, but JSON has no NaN.
  return (value) => scalars.has(value) || satisfies(constraint, value)
}

function bothNumbers(x: string, y: string): string {
  const tests = [x, y].filter((text) => !/^\(?[-\d]/.test(text))
  return tests.length === 0
    ? 'true'
    : tests.map((text) => `typeof ${text} === 'number'`).join(' && ')
}

const turnedOperators: Readonly<Record<CompareOperator, CompareOperator>> = {
  '==': '==',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}
