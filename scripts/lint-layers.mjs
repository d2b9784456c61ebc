// The laws that Biome has no rule for, checked on the syntax trees: who may import whom (denied by
// default), no waiting on the data path, no Math.random. `node scripts/lint-layers.mjs [ROOT]`
// prints `file:line:column law: text` for each breach and exits with 1 if there is one.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** What each folder of src may import besides itself, `errors.ts` and `metrics.ts`. */
const srcLayers = {
  stream: [],
  connector: ['stream'],
  decode: ['stream'],
  expression: ['stream'],
  state: ['stream'],
  time: ['stream', 'state'],
  checkpoint: ['stream', 'connector', 'state', 'time'],
  pattern: ['stream', 'expression'],
  nfa: ['stream', 'state', 'expression', 'pattern'],
  window: ['stream', 'expression'],
  operator: [
    ...['stream', 'connector', 'decode', 'expression', 'state', 'time', 'checkpoint'],
    ...['pattern', 'nfa', 'window'],
  ],
  runtime: [
    ...['stream', 'state', 'time', 'checkpoint', 'operator'],
    ...['connector', 'decode', 'expression', 'pattern'],
  ],
  api: [
    ...['stream', 'connector', 'time', 'window', 'operator', 'runtime'],
    ...['decode', 'expression', 'pattern'],
  ],
  rule: [
    ...['stream', 'connector', 'decode', 'expression', 'state', 'time', 'checkpoint'],
    ...['pattern', 'nfa', 'window', 'operator', 'runtime'],
  ],
}

/** Files directly in src, and the packages and built-in modules that a folder of src may use. */
const srcFiles = { 'errors.ts': [], 'metrics.ts': [], 'index.ts': Object.keys(srcLayers) }
const srcPackages = {
  expression: ['ajv', '@marcbachmann/cel-js', '@bufbuild/re2'],
  rule: ['ajv', 'yaml'],
}
/** Pure built-ins, by the names that may be taken from them: a hash has no hidden input. */
const srcBuiltins = {
  'node:buffer': ['Buffer'],
  'node:crypto': ['createHash', 'hash'],
  'node:util': ['isDeepStrictEqual'],
  'node:zlib': ['crc32'],
}

/** What app may import besides its own files. */
const appDoors = ['src/index.ts', 'connectors/registry.ts', 'package.json']

const synchronousFolders = ['decode', 'operator', 'nfa', 'window']

const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'))
const breaches = ['src', 'connectors', 'app'].flatMap((top) => sourceFiles(top).flatMap(lintFile))
for (const breach of breaches) process.stdout.write(`${breach}\n`)
process.exitCode = breaches.length > 0 ? 1 : 0

function sourceFiles(folder) {
  const path = join(root, folder)
  if (!existsSync(path)) return []
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[cm]?[jt]sx?$/.test(name))
    .map((name) => join(folder, name).split(sep).join('/'))
    .sort()
}

function lintFile(file) {
  const text = readFileSync(join(root, file), 'utf8')
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found = []
  const report = (node, law, message) => {
    const { line, character } = tree.getLineAndCharacterOfPosition(node.getStart(tree))
    found.push(`${file}:${line + 1}:${character + 1} ${law}: ${message}`)
  }
  const [top, folder, ...below] = file.split('/')
  const row = top !== 'src' || (below.length === 0 ? srcFiles[folder] : srcLayers[folder])
  if (row === undefined)
    report(tree, 'layer', `src/${folder} has no row in scripts/lint-layers.mjs`)
  else if (top === 'src' && below.length > 1) report(tree, 'layer', 'folders in src stay flat')
  visit(tree, (node) => {
    const specifier = importedModule(node)
    if (specifier !== undefined) {
      const reason = importRefused(file, specifier, node)
      if (reason !== undefined) report(node, 'layer', reason)
    }
    if (top !== 'src') return
    if (isMathRandom(node)) report(node, 'hidden-input', 'nothing in src is random')
    if (synchronousFolders.includes(folder) && isWaiting(node)) {
      report(node, 'synchronous', `no async and no await in src/${folder}`)
    }
  })
  return found
}

function visit(node, look) {
  look(node)
  ts.forEachChild(node, (child) => visit(child, look))
}

/** The text between the quotes of an import, re-export, `import()` or `import type`. */
function importedModule(node) {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node))
    return node.moduleSpecifier?.text
  if (ts.isImportTypeNode(node)) return node.argument.literal?.text
  if (ts.isExternalModuleReference(node)) return node.expression.text
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) return
  const [argument] = node.arguments
  return argument !== undefined && ts.isStringLiteralLike(argument) ? argument.text : '(computed)'
}

/** Why this file may not import that module; undefined where it may. */
function importRefused(file, specifier, node) {
  const [top] = file.split('/')
  const local = specifier.startsWith('.') || specifier.startsWith('/')
  if (!local) return top === 'src' ? outsideRefusedInSrc(file, specifier, node) : undefined
  const target = relative(root, resolve(root, dirname(file), specifier))
    .split(sep)
    .join('/')
  if (top === 'src') return refusedInSrc(file, target)
  if (top === 'connectors') return refusedInConnectors(file, target)
  const allowed = target.startsWith('app/') || appDoors.includes(target)
  return allowed ? undefined : `app may import ${appDoors.join(', ')}, not ${target}`
}

function outsideRefusedInSrc(file, specifier, node) {
  const [, folder] = file.split('/')
  if (srcPackages[folder]?.some((name) => specifier === name || specifier.startsWith(`${name}/`))) {
    return
  }
  const names = srcBuiltins[specifier]
  if (names === undefined) {
    const builtin = specifier.startsWith('node:') || builtinModules.includes(specifier)
    return `src/${folder} may not import ${builtin ? 'the built-in' : 'the package'} ${specifier}`
  }
  const bindings = ts.isImportDeclaration(node) ? node.importClause?.namedBindings : undefined
  const taken =
    bindings !== undefined && ts.isNamedImports(bindings) ? bindings.elements : undefined
  if (taken?.every((element) => names.includes((element.propertyName ?? element.name).text))) return
  return `src may take only ${names.join(', ')} from ${specifier}`
}

function refusedInSrc(file, target) {
  const [, folder, ...below] = file.split('/')
  const [targetTop, targetFolder, ...targetBelow] = target.split('/')
  if (targetTop !== 'src') return `src imports nothing from ${targetTop}`
  const allowed = (below.length === 0 ? srcFiles[folder] : srcLayers[folder]) ?? []
  if (targetBelow.length === 0) {
    if (targetFolder === 'errors.ts' || targetFolder === 'metrics.ts') return
    return `nothing in src imports src/${targetFolder}`
  }
  if (targetFolder === folder || allowed.includes(targetFolder)) return
  return `src/${folder} may not import src/${targetFolder}`
}

function refusedInConnectors(file, target) {
  const [, folder] = file.split('/')
  if (target.startsWith(`connectors/${folder}/`)) return
  if (/^src\/(connector|stream)\/|^src\/(errors|metrics)\.ts$/.test(target)) return
  if (file === 'connectors/registry.ts' && /^connectors\/[^/]+\/connector\.ts$/.test(target)) return
  if (/^connectors\/format\//.test(target)) return
  if (/^connectors\/[^/]+\.ts$/.test(target) && target !== 'connectors/registry.ts') return
  return `a connector may import src/connector, src/stream and its own folder, not ${target}`
}

function isMathRandom(node) {
  if (!ts.isIdentifier(node) || node.text !== 'Math') return false
  const { parent } = node
  // `Math[name]` and `const { random } = Math` would be ways around a ban on `Math.random` alone.
  if (!ts.isPropertyAccessExpression(parent) || parent.expression !== node) return true
  return parent.name.text === 'random'
}

function isWaiting(node) {
  return node.kind === ts.SyntaxKind.AwaitKeyword || node.kind === ts.SyntaxKind.AsyncKeyword
    ? true
    : ts.isAwaitExpression(node)
}
