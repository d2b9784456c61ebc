import { nearName } from '../expression/near-name.ts'
import type { Contiguity } from '../pattern/pattern.ts'
import { type Quantifier, single } from '../pattern/quantifier.ts'
import { joinPath } from './document-path.ts'
import {
  type DocumentReading,
  isObject,
  listOf,
  numberOf,
  objectOf,
  type PlainObject,
  textOf,
  wordOf,
} from './document-reading.ts'
import type { EventTest, ExpressionText, SequenceItem } from './rule.ts'

/** Reads the items of a sequence, in order; an item that stands for nothing is left out. */
export function readItems(
  reading: DocumentReading,
  value: unknown,
  path: string,
  streams: readonly string[],
): SequenceItem[] {
  return listOf(value).flatMap((item, index) => {
    const itemPath = joinPath(path, index)
    return isObject(item) ? readItem(reading, item, itemPath, streams) : []
  })
}

/** Reads what one event must be: `from`, `match`, `where`. */
export function readEventTest(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  streams: readonly string[],
): EventTest {
  const from = textOf(object.from)
  if (from !== null) checkStream(reading, from, joinPath(path, 'from'), streams)
  const { match } = object
  return {
    from,
    match:
      isObject(match) || typeof match === 'boolean'
        ? { schema: match, path: joinPath(path, 'match') }
        : null,
    where: readExpression(object.where, joinPath(path, 'where')),
    path,
  }
}

export function readExpression(value: unknown, path: string): ExpressionText | null {
  return typeof value === 'string' ? { text: value, path } : null
}

/** Reports a stream that the rule does not read. */
export function checkStream(
  reading: DocumentReading,
  stream: string,
  path: string,
  streams: readonly string[],
): void {
  if (streams.length === 0 || streams.includes(stream)) return
  const message = `the rule does not read the stream \`${stream}\`: add it to \`from\``
  const near = nearName(stream, streams)
  if (near === undefined) reading.report('RULE_REFERENCE', path, message)
  else {
    const short = `the rule does not read the stream \`${stream}\``
    reading.report('RULE_REFERENCE', path, short, near)
  }
}

const kinds = ['step', 'absent', 'group'] as const
type Kind = (typeof kinds)[number]

/** The keywords that do not go with each kind of item. */
const foreign: Readonly<Record<Kind, readonly string[]>> = {
  step: ['sequence'],
  absent: ['sequence', 'times', 'inner', 'optional', 'greedy', 'until'],
  group: ['from', 'match', 'where', 'within', 'greedy'],
}

function readItem(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  streams: readonly string[],
): SequenceItem[] {
  const kind = reading.exactlyOne(object, path, kinds)
  if (kind === null) return []
  for (const keyword of foreign[kind]) {
    if (!Object.hasOwn(object, keyword) || object[keyword] === false) continue
    const what = kind === 'absent' ? 'an `absent` item' : `a \`${kind}\``
    reading.reportKey('RULE_PATTERN', joinPath(path, keyword), `${what} cannot have \`${keyword}\``)
  }
  const name = textOf(object[kind])
  if (name === null) return []
  const shared = {
    name,
    contiguity: wordOf(object.contiguity, contiguities) ?? ('relaxed' as const),
    quantifier: kind === 'absent' ? single : readQuantifier(reading, object, path),
    until: kind === 'absent' ? null : readExpression(object.until, joinPath(path, 'until')),
    path,
  }
  if (kind === 'group') {
    const sequencePath = joinPath(path, 'sequence')
    if (!Object.hasOwn(object, 'sequence') && !reading.isTainted(sequencePath)) {
      reading.report('RULE_SCHEMA', path, '`sequence` is missing: the items of the group')
    }
    return [{ kind, ...shared, items: readItems(reading, object.sequence, sequencePath, streams) }]
  }
  const test = readEventTest(reading, object, path, streams)
  const withinMs = reading.duration(object.within, joinPath(path, 'within'))
  return [{ kind: 'step', negated: kind === 'absent', ...shared, test, withinMs }]
}

const contiguities: readonly Contiguity[] = ['strict', 'relaxed', 'any']

/** More repetitions than this make an automaton too large. */
const repetitionsMax = 10_000

function readQuantifier(reading: DocumentReading, object: PlainObject, path: string): Quantifier {
  const optional = object.optional === true
  const times = readTimes(reading, object.times, joinPath(path, 'times'))
  if (times === null) {
    if (!Object.hasOwn(object, 'times')) checkNeedsTimes(reading, object, path)
    return { kind: 'single', optional }
  }
  const { min, max, withinMs } = times
  const greedy = object.greedy === true
  const inner = wordOf(object.inner, contiguities) ?? 'relaxed'
  checkLoop(reading, object, path, max)
  const canBeLeftOut = optional || min === 0
  if (max === 1 && withinMs === null) return { kind: 'single', optional: canBeLeftOut }
  return {
    kind: 'times',
    min: Math.max(1, min),
    max,
    optional: canBeLeftOut,
    greedy,
    inner,
    withinMs,
  }
}

function checkNeedsTimes(reading: DocumentReading, object: PlainObject, path: string): void {
  if (reading.isTainted(joinPath(path, 'times'))) return
  for (const keyword of ['inner', 'greedy', 'until']) {
    if (!Object.hasOwn(object, keyword) || object[keyword] === false) continue
    const message = `\`${keyword}\` needs \`times\`: the item takes one event only`
    reading.reportKey('RULE_PATTERN', joinPath(path, keyword), message)
  }
}

function checkLoop(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  max: number | null,
): void {
  if (max !== null && Object.hasOwn(object, 'until')) {
    const message = `\`until\` needs an open loop: \`times\` has a maximum of ${max}`
    reading.reportKey('RULE_PATTERN', joinPath(path, 'until'), message)
  }
  if (object.greedy !== true || Object.hasOwn(object, 'group')) return
  const greedyPath = joinPath(path, 'greedy')
  if (max === 1) {
    const message = '`greedy` needs a loop: the step takes one event only'
    reading.reportKey('RULE_PATTERN', greedyPath, message)
  } else if (object.inner === 'any') {
    const message = '`greedy` does not go with `inner: any`, which may leave out what fits'
    reading.reportKey('RULE_PATTERN', greedyPath, message)
  }
}

interface Times {
  readonly min: number
  readonly max: number | null
  readonly withinMs: number | null
}

function readTimes(reading: DocumentReading, value: unknown, path: string): Times | null {
  const times = readBounds(reading, value, path)
  if (times === null) return null
  const { min, max } = times
  const wrong =
    max !== null && max < 1
      ? 'the maximum of `times` must be at least 1'
      : max !== null && max < min
        ? `the maximum of \`times\`, ${max}, is below the minimum, ${min}`
        : Math.max(min, max ?? 0) > repetitionsMax
          ? `\`times\` may be at most ${repetitionsMax}`
          : null
  if (wrong === null) return times
  reading.report('RULE_PATTERN', path, wrong)
  return null
}

function readBounds(reading: DocumentReading, value: unknown, path: string): Times | null {
  if (typeof value === 'number') return { min: value, max: value, withinMs: null }
  if (typeof value === 'string') {
    const range = /^(\d+)\.\.(\d+)$/.exec(value)
    return range === null ? null : { min: Number(range[1]), max: Number(range[2]), withinMs: null }
  }
  if (!isObject(value) || reading.isTainted(path)) return null
  const { min, max, within } = objectOf(value)
  if (min === undefined && max === undefined && !reading.holdsTaint(path)) {
    reading.report('RULE_SCHEMA', path, '`times` needs `min` or `max`')
    return null
  }
  return {
    min: numberOf(min) ?? 1,
    max: numberOf(max),
    withinMs: reading.duration(within, joinPath(path, 'within')),
  }
}
