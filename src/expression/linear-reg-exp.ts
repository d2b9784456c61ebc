import { parsePattern, passes } from './string-test.ts'

/**
 * The expressions of `pattern` in linear time, by Ajv's door for another engine: `code` names it in
 * standalone code, which is not made here.
 */
export const linearRegExp = Object.assign(
  (pattern: string) => {
    const parsed = parsePattern(pattern)
    if ('problem' in parsed) throw new SyntaxError(parsed.problem)
    // Ajv keeps engines apart by their text.
    return {
      test: (text: string) => passes(parsed.test, text),
      toString: () => `/${pattern}/u`,
    }
  },
  { code: 'linearRegExp' },
)
