/** A file of rules, as text. */
export interface RuleFile {
  /** As problems shall show it; `/` between folders. */
  readonly path: string
  readonly text: string
}

/**
 * Whether a file under the rules folder is read: `*.yaml`, `*.yml`, `*.json`, unless its name or
 * that of a folder above it begins with `_`. `path` is relative to the rules folder.
 */
export function isRuleFile(path: string): boolean {
  const names = path.split('/')
  return extension.test(path) && !names.some((name) => name.startsWith('_'))
}

/** Whether a file holds tests of a rule beside it: `x.test.yaml`. */
export function isRuleTestFile(path: string): boolean {
  return testExtension.test(path)
}

/** The files that a test file without `rule` may belong to. */
export function rulePathsBeside(testPath: string): string[] {
  const stem = testPath.replace(testExtension, '')
  return ['.rule', ''].flatMap((kind) =>
    ['yaml', 'yml', 'json'].map((ending) => normalized(`${stem}${kind}.${ending}`)),
  )
}

/** Whether a test file's `rule` is a file and not an id. */
export function isPath(rule: string): boolean {
  return rule.includes('/') || extension.test(rule)
}

/** A path as seen from the folder of another file, without `.` and `..` where they can go. */
export function resolvedBeside(file: string, path: string): string {
  if (path.startsWith('/')) return normalized(path)
  return normalized(`${file.slice(0, file.lastIndexOf('/') + 1)}${path}`)
}

/** Without `.`, and without `..` where a folder goes before it. */
export function normalized(path: string): string {
  const kept: string[] = []
  for (const name of path.split('/')) {
    if (name === '.') continue
    if (name === '..' && kept.length > 0 && kept.at(-1) !== '..' && kept.at(-1) !== '') kept.pop()
    else kept.push(name)
  }
  return kept.join('/')
}

const extension = /\.(?:yaml|yml|json)$/
const testExtension = /\.test\.(?:yaml|yml|json)$/
