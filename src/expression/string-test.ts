import { RE2JS } from '@bufbuild/re2'

/** A test of a string with a constant pattern, in linear time. */
export type StringTest =
  | { readonly kind: 'equals'; readonly text: string }
  | { readonly kind: 'prefix'; readonly text: string }
  | { readonly kind: 'suffix'; readonly text: string }
  | { readonly kind: 'contains'; readonly text: string }
  | { readonly kind: 'pattern'; readonly pattern: string; readonly test: (text: string) => boolean }

/**
 * A pattern (RE2's syntax, found anywhere unless anchored) as a test; a message where it is
 * malformed. Literal patterns become string operations: RE2 is ten times slower than those.
 */
export function parsePattern(
  pattern: string,
): { readonly test: StringTest } | { readonly problem: string } {
  if (pattern.length > patternLengthMax) {
    return { problem: `the pattern is longer than ${patternLengthMax} characters` }
  }
  const literal = literalTest(pattern)
  if (literal !== undefined) return { test: literal }
  try {
    const compiled = RE2JS.compile(pattern)
    return { test: { kind: 'pattern', pattern, test: (text) => compiled.test(text) } }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return {
      problem: `the pattern does not compile (${reason}); RE2's syntax has no look-around and no back-references`,
    }
  }
}

/** Whether a text passes. */
export function passes(test: StringTest, text: string): boolean {
  switch (test.kind) {
    case 'equals':
      return text === test.text
    case 'prefix':
      return text.startsWith(test.text)
    case 'suffix':
      return text.endsWith(test.text)
    case 'contains':
      return text.includes(test.text)
    case 'pattern':
      return test.test(text)
  }
}

/** `matches` with a pattern that is only known at evaluation; `undefined` is CEL's error. */
export function matchesDynamic(text: unknown, pattern: unknown): boolean | undefined {
  if (typeof text !== 'string' || typeof pattern !== 'string') return undefined
  let test = dynamicTests.get(pattern)
  if (test === undefined) {
    const parsed = parsePattern(pattern)
    test = 'test' in parsed ? parsed.test : null
    // The oldest goes: patterns come from events, and their number has no bound.
    if (dynamicTests.size >= dynamicTestsMax) {
      for (const oldest of dynamicTests.keys()) {
        dynamicTests.delete(oldest)
        break
      }
    }
    dynamicTests.set(pattern, test)
  }
  return test === null ? undefined : passes(test, text)
}

const patternLengthMax = 1000
const dynamicTestsMax = 256
/** A cache of a pure function: what is in it changes no answer. */
const dynamicTests = new Map<string, StringTest | null>()

/** The test of a pattern without operators, but for anchors; `undefined` for all others. */
function literalTest(pattern: string): StringTest | undefined {
  const atStart = pattern.startsWith('^')
  let text = ''
  for (let i = atStart ? 1 : 0; i < pattern.length; i++) {
    const char = pattern.charAt(i)
    if (char === '$' && i === pattern.length - 1) {
      return { kind: atStart ? 'equals' : 'suffix', text }
    }
    if (char === '\\') {
      i++
      const escaped = pattern.charAt(i)
      if (!escapable.has(escaped)) return undefined
      text += escaped
    } else if (operators.has(char)) {
      return undefined
    } else {
      text += char
    }
  }
  return { kind: atStart ? 'prefix' : 'contains', text }
}

const operators = new Set('^$.*+?()[]{}|\\')
const escapable = new Set('^$.*+?()[]{}|\\/-')
