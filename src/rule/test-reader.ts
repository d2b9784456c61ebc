import { nearName } from '../expression/near-name.ts'
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
import type { ExpectedAlert, RuleTest, TestEvent, TestInput } from './rule.ts'
import { checkStream } from './sequence-reader.ts'
import { testInputs } from './test-schema.ts'

/** What tests refer to in their rule. */
export interface TestSubject {
  readonly streams: readonly string[]
  /** Here and below `null` where the rule's own mistakes hide the names. */
  readonly keyNames: readonly string[] | null
  /** Steps that take events. */
  readonly steps: readonly string[] | null
  /** Of `alert` and `on_timeout`. */
  readonly fields: readonly string[] | null
}

/** Reads `tests`, and checks the names in them against the rule. */
export function readTests(
  reading: DocumentReading,
  value: unknown,
  subject: TestSubject,
): RuleTest[] {
  return listOf(value).flatMap((test, index) =>
    isObject(test) ? [readTest(reading, test, joinPath('tests', index), subject)] : [],
  )
}

/** 2026-01-01T00:00:00Z. */
const startDefault = 1_767_225_600_000

/** More events than this in one test are refused. */
const eventsMax = 1_000_000

function readTest(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  subject: TestSubject,
): RuleTest {
  const input = readInput(reading, object, path, subject.streams)
  const events = countEvents(input)
  if (events > eventsMax) {
    reading.report(
      'RULE_SCHEMA',
      path,
      `a test may have at most ${eventsMax} events, got ${events}`,
    )
  }
  return {
    name: textOf(object.name) ?? '',
    start: reading.time(object.start, joinPath(path, 'start')) ?? startDefault,
    input,
    endMs: reading.duration(object.end, joinPath(path, 'end'), 'zero'),
    expect: listOf(object.expect).flatMap((expected, index) => {
      const at = joinPath(joinPath(path, 'expect'), index)
      return isObject(expected) ? [readExpected(reading, expected, at, subject, events)] : []
    }),
    file: reading.document.file,
    path,
    locate: (at, offset) => reading.document.locate(at, offset),
  }
}

function readInput(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  streams: readonly string[],
): TestInput {
  const kind = reading.exactlyOne(object, path, testInputs)
  if (kind === 'events_file') {
    const at = joinPath(path, 'events_file')
    return { kind: 'file', file: textOf(object.events_file) ?? '', path: at }
  }
  if (kind === 'generate') {
    const at = joinPath(path, 'generate')
    const generate = objectOf(object.generate)
    return {
      kind: 'generate',
      count: numberOf(generate.count) ?? 1,
      everyMs: reading.duration(generate.every, joinPath(at, 'every'), 'zero') ?? 0,
      from: readFrom(reading, generate, at, streams),
      event: objectOf(generate.event),
    }
  }
  const events = listOf(object.events).flatMap((event, index) =>
    isObject(event)
      ? [readTestEvent(reading, event, joinPath(joinPath(path, 'events'), index), streams)]
      : [],
  )
  return { kind: 'events', events }
}

function readTestEvent(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  streams: readonly string[],
): TestEvent {
  const repeat = objectOf(object.repeat)
  const everyPath = joinPath(joinPath(path, 'repeat'), 'every')
  return {
    atMs: reading.duration(object.at, joinPath(path, 'at'), 'zero') ?? 0,
    from: readFrom(reading, object, path, streams),
    repeat: {
      times: numberOf(repeat.times) ?? 1,
      everyMs: reading.duration(repeat.every, everyPath, 'zero') ?? 0,
    },
    event: objectOf(object.event),
    path,
  }
}

function readFrom(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  streams: readonly string[],
): string | null {
  const from = textOf(object.from)
  if (from !== null) checkStream(reading, from, joinPath(path, 'from'), streams)
  else if (streams.length > 1 && !reading.isTainted(joinPath(path, 'from'))) {
    const message = '`from` is missing: the rule reads several streams'
    reading.report('RULE_SCHEMA', path, message)
  }
  return from
}

function countEvents(input: TestInput): number {
  switch (input.kind) {
    case 'events':
      return input.events.reduce((sum, event) => sum + event.repeat.times, 0)
    case 'generate':
      return input.count
    case 'file':
      return 0
  }
}

function readExpected(
  reading: DocumentReading,
  object: PlainObject,
  path: string,
  subject: TestSubject,
  events: number,
): ExpectedAlert {
  const known = (keyword: string, names: readonly string[] | null, what: string) =>
    checkNames(reading, object[keyword], joinPath(path, keyword), names, what)
  known('by', subject.keyNames, 'part of the key')
  known('steps', subject.steps, 'step')
  known('counts', subject.steps, 'step')
  known('fields', subject.fields, 'field of the alert')
  known('values', subject.steps === null ? null : [], 'value of `let`')
  return {
    atMs: reading.duration(object.at, joinPath(path, 'at'), 'zero'),
    by: objectOrNull(object.by),
    state: wordOf(object.state, ['firing', 'resolved'] as const),
    steps: readIndexes(reading, object.steps, joinPath(path, 'steps'), events),
    counts: isObject(object.counts)
      ? new Map(Object.entries(object.counts).map(([step, n]) => [step, numberOf(n) ?? 0]))
      : null,
    values: objectOrNull(object.values),
    fields: objectOrNull(object.fields),
    path,
  }
}

function checkNames(
  reading: DocumentReading,
  value: unknown,
  path: string,
  names: readonly string[] | null,
  what: string,
): void {
  if (names === null) return
  for (const name of Object.keys(objectOf(value))) {
    if (names.includes(name)) continue
    const message = `the rule has no ${what} named \`${name}\``
    reading.reportKey('RULE_REFERENCE', joinPath(path, name), message, nearName(name, names))
  }
}

function readIndexes(
  reading: DocumentReading,
  value: unknown,
  path: string,
  events: number,
): Map<string, readonly number[]> | null {
  if (!isObject(value)) return null
  const steps = new Map<string, readonly number[]>()
  for (const [step, list] of Object.entries(value)) {
    const indexes = listOf(list).filter((index) => typeof index === 'number')
    const beyond = indexes.find((index) => index >= events)
    // Events of a file are not known here.
    if (beyond !== undefined && events > 0) {
      const message = `there is no event ${beyond}: the last of the test's events is ${events - 1}`
      reading.report('RULE_REFERENCE', joinPath(path, step), message)
    }
    steps.set(step, indexes)
  }
  return steps
}

function objectOrNull(value: unknown): PlainObject | null {
  return isObject(value) ? value : null
}
