import { nearName } from '../expression/near-name.ts'
import type { FieldPath } from '../stream/column-batch.ts'
import { readAlertBlock, readExceptions, severities } from './alert-reader.ts'
import { detectKinds, sequenceOnly } from './detect-schema.ts'
import { joinPath } from './document-path.ts'
import {
  type DocumentReading,
  isObject,
  numberOf,
  objectOf,
  type PlainObject,
  textOf,
  textsOf,
  wordOf,
} from './document-reading.ts'
import { fingerprintOf } from './fingerprint.ts'
import {
  type AfterMatch,
  type AlertBlock,
  type Detect,
  type KeyPart,
  type Rule,
  type SequenceDetect,
  stepItemsOf,
} from './rule.ts'
import { lintSequence } from './rule-lint.ts'
import { checkSequence } from './sequence-check.ts'
import { readEventTest, readExpression, readItems } from './sequence-reader.ts'
import { readTests, type TestSubject } from './test-reader.ts'

/** What a document says, as far as it can be read; `rule` only where its `detect` can be. */
export interface ReadRule {
  readonly id: string | null
  readonly rule: Rule | null
  /** What tests in files beside the rule refer to. */
  readonly subject: TestSubject
}

/** Reads a rule document into the model; problems and warnings go to the reading. */
export function readRule(reading: DocumentReading): ReadRule {
  const object = objectOf(reading.document.value)
  const id = textOf(object.id)
  // Streams that are named wrongly are a mistake already; all others then pass.
  const fromHidden = reading.isTainted('from') || reading.holdsTaint('from')
  const from = fromHidden ? [] : [...new Set(textsOf(object.from))]
  const by = readBy(reading, object.by, from)
  const detect = readDetect(reading, object.detect, from)
  const alert = readAlertBlock(reading, object.alert, 'alert')
  const onTimeout = isObject(object.on_timeout)
    ? readAlertBlock(reading, object.on_timeout, 'on_timeout')
    : null
  const keyNames = by.map(({ name }) => name)
  if (detect?.kind === 'sequence') lintSequence(reading, detect, keyNames)
  if (onTimeout !== null && detect?.kind === 'event') {
    reading.reportKey('RULE_SCHEMA', 'on_timeout', '`on_timeout` needs a `sequence`')
  }
  const subject = subjectOf(reading, detect, from, keyNames, [alert, onTimeout])
  const tests = readTests(reading, object.tests, subject)
  const exceptions = readExceptions(reading, object.exceptions)
  if (detect === null) return { id, rule: null, subject }
  const filter = readExpression(object.filter, 'filter')
  const rule: Rule = {
    id: id ?? '',
    version: numberOf(object.version) ?? 1,
    title: readExpression(object.title, 'title') ?? { text: id ?? '', path: 'id' },
    description: textOf(object.description),
    severity: wordOf(object.severity, severities) ?? 'medium',
    mode: wordOf(object.mode, ['live', 'shadow', 'disabled'] as const) ?? 'live',
    tags: Array.isArray(object.tags) ? textsOf(object.tags) : [],
    from,
    by,
    filter,
    detect,
    alert,
    onTimeout,
    exceptions,
    tests,
    fingerprint: fingerprintOf({ from, by, filter, detect }),
    file: reading.document.file,
    document: object,
    locate: (path, offset) => reading.document.locate(path, offset),
  }
  return { id, rule, subject }
}

function subjectOf(
  reading: DocumentReading,
  detect: Detect | null,
  streams: readonly string[],
  keyNames: readonly string[],
  blocks: readonly (AlertBlock | null)[],
): TestSubject {
  const hidden = (path: string): boolean => reading.isTainted(path) || reading.holdsTaint(path)
  const known = detect !== null && !hidden('detect')
  return {
    streams,
    keyNames: hidden('by') || hidden('from') ? null : keyNames,
    steps: known ? takingSteps(detect) : null,
    fields:
      hidden('alert') || hidden('on_timeout')
        ? null
        : blocks.flatMap((block) => [...(block?.fields.keys() ?? [])]),
  }
}

/** The steps under which an alert carries events; the one of an `event` rule is `event`. */
function takingSteps(detect: Detect): string[] {
  switch (detect.kind) {
    case 'event':
      return ['event']
    case 'sequence':
      return stepItemsOf(detect.items).flatMap((step) => (step.negated ? [] : [step.name]))
  }
}

function readBy(reading: DocumentReading, value: unknown, from: readonly string[]): KeyPart[] {
  if (!isObject(value)) {
    return textsOf(value).map((text, index) => {
      const path = Array.isArray(value) ? joinPath('by', index) : 'by'
      const field = readPath(reading, text, path)
      return { name: text, paths: new Map(from.map((stream) => [stream, field])) }
    })
  }
  return Object.entries(value).map(([name, paths]) => {
    const path = joinPath('by', name)
    if (!isObject(paths)) {
      const field = readPath(reading, textOf(paths) ?? '', path)
      return { name, paths: new Map(from.map((stream) => [stream, field])) }
    }
    return { name, paths: readPaths(reading, paths, path, from) }
  })
}

function readPaths(
  reading: DocumentReading,
  paths: PlainObject,
  path: string,
  from: readonly string[],
): Map<string, FieldPath> {
  const misspelt = (stream: string): boolean =>
    Object.keys(paths).some((key) => !from.includes(key) && nearName(key, from) === stream)
  const missing = from.filter((stream) => !Object.hasOwn(paths, stream) && !misspelt(stream))
  if (missing.length > 0) {
    const streams = missing.map((stream) => `\`${stream}\``).join(', ')
    reading.report('RULE_REFERENCE', path, `no path for ${streams}, which \`from\` names`)
  }
  return new Map(
    Object.entries(paths).map(([stream, text]) => {
      const at = joinPath(path, stream)
      if (from.length > 0 && !from.includes(stream)) {
        const message = `the rule does not read the stream \`${stream}\``
        reading.reportKey('RULE_REFERENCE', at, message, nearName(stream, from))
      }
      return [stream, readPath(reading, textOf(text) ?? '', at)]
    }),
  )
}

function readPath(reading: DocumentReading, text: string, path: string): FieldPath {
  const names = text.split('.')
  if (names.includes('')) {
    reading.report('RULE_SCHEMA', path, `expected names with dots between them, got \`${text}\``)
  }
  return names
}

function readDetect(
  reading: DocumentReading,
  value: unknown,
  from: readonly string[],
): Detect | null {
  if (!isObject(value)) return null
  const kind = reading.exactlyOne(value, 'detect', detectKinds)
  if (kind !== null && kind !== 'sequence') {
    for (const keyword of sequenceOnly) {
      if (!Object.hasOwn(value, keyword)) continue
      const message = `\`${keyword}\` goes with \`sequence\`, not with \`${kind}\``
      reading.reportKey('RULE_SCHEMA', joinPath('detect', keyword), message)
    }
  }
  if (kind === 'event') {
    return { kind, event: readEventTest(reading, objectOf(value.event), 'detect.event', from) }
  }
  return kind === 'sequence' ? readSequence(reading, value, from) : null
}

function readSequence(
  reading: DocumentReading,
  value: PlainObject,
  from: readonly string[],
): SequenceDetect {
  const withinMs = reading.duration(value.within, 'detect.within')
  checkBounded(reading, value)
  const detect: SequenceDetect = {
    kind: 'sequence',
    items: readItems(reading, value.sequence, 'detect.sequence', from),
    withinMs,
    afterMatch: readAfterMatch(reading, value.after_match),
    cancelledBy: isObject(value.cancelled_by)
      ? readEventTest(reading, value.cancelled_by, 'detect.cancelled_by', from)
      : null,
    limit: numberOf(value.limit) ?? 1000,
    maxMatches: numberOf(value.max_matches) ?? 1000,
    emitOrder: wordOf(value.emit_order, ['at_once', 'start'] as const) ?? 'at_once',
  }
  checkSequence(reading, detect)
  return detect
}

function checkBounded(reading: DocumentReading, value: PlainObject): void {
  const has = Object.hasOwn(value, 'within')
  if (has && value.unbounded === true) {
    const message = '`unbounded: true` says that there is no `within`: leave one out'
    reading.reportKey('RULE_SCHEMA', 'detect.unbounded', message)
  }
  if (has || value.unbounded === true || reading.isTainted('detect.within')) return
  if (reading.isTainted('detect.unbounded')) return
  const message =
    '`within` is missing: the longest time from first to last event, or `unbounded: true`'
  reading.report('RULE_SCHEMA', 'detect', message)
}

function readAfterMatch(reading: DocumentReading, value: unknown): AfterMatch {
  const path = 'detect.after_match'
  const word = wordOf(value, ['no_skip', 'skip_to_next', 'skip_past_last'] as const)
  if (word !== null) return { kind: word }
  if (!isObject(value)) return { kind: 'skip_past_last' }
  const kind = reading.exactlyOne(value, path, ['skip_to_first', 'skip_to_last'] as const)
  const step = kind === null ? null : textOf(value[kind])
  return kind === null || step === null ? { kind: 'skip_past_last' } : { kind, step }
}
