import type { FunctionDefinition } from './function-library.ts'
import { Type } from './static-type.ts'

/** The functions on strings; positions count UTF-16 units. */
export const textFunctions: readonly [string, FunctionDefinition][] = [
  ['contains', predicate((text, part) => text.includes(part))],
  ['startsWith', predicate((text, part) => text.startsWith(part))],
  ['endsWith', predicate((text, part) => text.endsWith(part))],
  ['lower', { ...change((text) => text.toLowerCase()), style: 'both' }],
  ['upper', { ...change((text) => text.toUpperCase()), style: 'both' }],
  ['lowerAscii', change((text) => text.replace(/[A-Z]/g, (char) => char.toLowerCase()))],
  ['upperAscii', change((text) => text.replace(/[a-z]/g, (char) => char.toUpperCase()))],
  ['trim', change((text) => text.trim())],
  [
    'indexOf',
    {
      style: 'method',
      parameters: [Type.string, Type.string],
      result: Type.number,
      evaluate: (text, part) =>
        typeof text === 'string' && typeof part === 'string' ? text.indexOf(part) : undefined,
    },
  ],
  [
    'substring',
    {
      style: 'method',
      parameters: [Type.string, Type.number, Type.number],
      required: 2,
      result: Type.string,
      evaluate: substring,
    },
  ],
  [
    'split',
    {
      style: 'method',
      parameters: [Type.string, Type.string],
      result: Type.list,
      evaluate: (text, separator) =>
        typeof text === 'string' && typeof separator === 'string'
          ? text.split(separator)
          : undefined,
    },
  ],
  [
    'replace',
    {
      style: 'method',
      parameters: [Type.string, Type.string, Type.string],
      result: Type.string,
      evaluate: replace,
    },
  ],
  [
    'join',
    {
      style: 'method',
      parameters: [Type.list, Type.string],
      required: 1,
      result: Type.string,
      evaluate: join,
    },
  ],
]

function predicate(test: (text: string, part: string) => boolean): FunctionDefinition {
  return {
    style: 'method',
    parameters: [Type.string, Type.string],
    result: Type.boolean,
    evaluate: (text, part) =>
      typeof text === 'string' && typeof part === 'string' ? test(text, part) : undefined,
  }
}

function change(evaluate: (text: string) => string): FunctionDefinition {
  return {
    style: 'method',
    parameters: [Type.string],
    result: Type.string,
    evaluate: (text) => (typeof text === 'string' ? evaluate(text) : undefined),
  }
}

function substring(...args: readonly unknown[]): string | undefined {
  const [text, start] = args
  if (typeof text !== 'string' || !isPosition(start, text)) return undefined
  const end = args.length < 3 ? text.length : args[2]
  return isPosition(end, text) && start <= end ? text.slice(start, end) : undefined
}

function isPosition(value: unknown, text: string): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= text.length
}

function replace(text: unknown, part: unknown, replacement: unknown): string | undefined {
  if (typeof text !== 'string' || typeof part !== 'string') return undefined
  // A function as replacement: in a text, `$&` would be expanded.
  return typeof replacement === 'string' ? text.replaceAll(part, () => replacement) : undefined
}

function join(...args: readonly unknown[]): string | undefined {
  const [list] = args
  const separator = args.length < 2 ? '' : args[1]
  if (!Array.isArray(list) || typeof separator !== 'string') return undefined
  return list.every((value) => typeof value === 'string') ? list.join(separator) : undefined
}
