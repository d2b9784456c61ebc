import type { Contiguity } from '../pattern/pattern.ts'
import type { Quantifier } from '../pattern/quantifier.ts'
import type { FieldPath } from '../stream/column-batch.ts'

/** A rule document after checking: every default filled in, every duration in milliseconds. */
export interface Rule {
  readonly id: string
  /** Default 1. */
  readonly version: number
  /** A template with `${{ }}`; default: the id. */
  readonly title: TemplateText
  readonly description: string | null
  /** Default `medium`. */
  readonly severity: Severity
  /** Default `live`. */
  readonly mode: Mode
  readonly tags: readonly string[]
  /** The streams that the rule reads, at least one, without repetition. */
  readonly from: readonly string[]
  /** The parts of the key in order of writing, at least one. */
  readonly by: readonly KeyPart[]
  /** Events outside it do not exist for this rule; `null` takes all. */
  readonly filter: ExpressionText | null
  readonly detect: Detect
  readonly alert: AlertBlock
  /** The alert for partial matches whose time ran out; `null` raises none. */
  readonly onTimeout: AlertBlock | null
  readonly exceptions: readonly RuleException[]
  /** The tests in the document, then those of the files beside it. */
  readonly tests: readonly RuleTest[]
  /** State depends on what this covers, and on nothing else; see `fingerprint.ts`. */
  readonly fingerprint: string
  /** File of the document, as it was given to the loader. */
  readonly file: string
  /** The document as plain JSON values, for `diffRules`. */
  readonly document: Readonly<Record<string, unknown>>
  /** Where a part stands; see `Locate`. */
  readonly locate: Locate
}

export type Severity = 'info' | 'low' | 'medium' | 'high' | 'critical'
export type Mode = 'live' | 'shadow' | 'disabled'

/** A place in a file; line and column count from 1, columns in UTF-16 units. */
export interface Location {
  readonly file: string
  readonly line: number
  readonly column: number
}

/**
 * Where the value at `path` (`detect.sequence[1].where`) begins or, with `offset`, where that
 * character of its text stands. A path that is not in the file gives its nearest parent.
 */
export type Locate = (path: string, offset?: number) => Location

/** CEL text, and its path in the document. */
export interface ExpressionText {
  readonly text: string
  readonly path: string
}

/** Text with `${{ CEL }}` in it, and its path in the document. */
export interface TemplateText {
  readonly text: string
  readonly path: string
}

/** A JSON Schema of one event, and its path in the document. */
export interface SchemaText {
  readonly schema: JSONSchema
  readonly path: string
}
export type JSONSchema = boolean | Readonly<Record<string, unknown>>

/** One part of the key. */
export interface KeyPart {
  /** Its name in an alert's `by`: the path as written, or the name in a map. */
  readonly name: string
  /** Where the part is in an event, by stream; has every stream of the rule. */
  readonly paths: ReadonlyMap<string, FieldPath>
}

/** What to detect. A kind that joins here must be handled wherever it matters. */
export type Detect = EventDetect | SequenceDetect

/** Each event that fits is a match. */
export interface EventDetect {
  readonly kind: 'event'
  readonly event: EventTest
}

/** Steps in order. */
export interface SequenceDetect {
  readonly kind: 'sequence'
  readonly items: readonly SequenceItem[]
  /** Longest time from first to last event, more than 0; `null` where the rule is `unbounded`. */
  readonly withinMs: number | null
  /** Default `skip_past_last`. */
  readonly afterMatch: AfterMatch
  readonly cancelledBy: EventTest | null
  /** First events that a key may have open; default 1000. */
  readonly limit: number
  /** Matches that one event may complete; default 1000. */
  readonly maxMatches: number
  /** Default `at_once`. */
  readonly emitOrder: 'at_once' | 'start'
}

/** What an event must be; with several parts all must hold, with none every event fits. */
export interface EventTest {
  /** Only events of this stream; `null` is any stream of the rule. */
  readonly from: string | null
  readonly match: SchemaText | null
  readonly where: ExpressionText | null
  readonly path: string
}

export type SequenceItem = StepItem | GroupItem

/** `step` takes events, `absent` (negated) says which must not occur here. */
export interface StepItem {
  readonly kind: 'step'
  readonly name: string
  readonly negated: boolean
  readonly test: EventTest
  /** Default `relaxed`. */
  readonly contiguity: Contiguity
  readonly quantifier: Quantifier
  readonly until: ExpressionText | null
  /** Longest time since the event taken before; `null` is none. */
  readonly withinMs: number | null
  readonly path: string
}

/** A sequence that stands as one step. */
export interface GroupItem {
  readonly kind: 'group'
  readonly name: string
  readonly items: readonly SequenceItem[]
  /** Default `relaxed`. */
  readonly contiguity: Contiguity
  readonly quantifier: Quantifier
  readonly until: ExpressionText | null
  readonly path: string
}

/** What a match drops; `step` is the name of a step that takes events. */
export type AfterMatch =
  | { readonly kind: 'no_skip' | 'skip_to_next' | 'skip_past_last' }
  | { readonly kind: 'skip_to_first' | 'skip_to_last'; readonly step: string }

/** How a match becomes an alert. */
export interface AlertBlock {
  /** `null`: that of the rule. */
  readonly title: TemplateText | null
  /** `null`: that of the rule. */
  readonly severity: Severity | null
  readonly dedupe: Dedupe | null
  /** Name → expression, in order of writing. */
  readonly fields: ReadonlyMap<string, ExpressionText>
  /** Names of sinks; `null` is those marked default. */
  readonly to: readonly string[] | null
  /** `alert` or `on_timeout`. */
  readonly path: string
}

/** Holds back alerts of equal `by` for a time from the first, in event time. */
export interface Dedupe {
  readonly by: readonly ExpressionText[]
  readonly forMs: number
}

/** Complete matches that it holds for raise no alert. */
export interface RuleException {
  readonly name: string
  readonly where: ExpressionText
  /** Epoch milliseconds of event time from which it no longer holds; `null` is never. */
  readonly expires: number | null
}

/** A test that a rule carries. */
export interface RuleTest {
  readonly name: string
  /** Epoch milliseconds that `at` counts from; default 2026-01-01T00:00:00Z. */
  readonly start: number
  readonly input: TestInput
  /** Virtual time runs on to it, from `start`; `null` stops at the last event. */
  readonly endMs: number | null
  readonly expect: readonly ExpectedAlert[]
  /** File and path of the test: it may stand in a file beside the rule. */
  readonly file: string
  readonly path: string
  /** Paths are those of `file`, as in `path`. */
  readonly locate: Locate
}

export type TestInput =
  | { readonly kind: 'events'; readonly events: readonly TestEvent[] }
  | {
      readonly kind: 'generate'
      readonly count: number
      readonly everyMs: number
      readonly from: string | null
      /** A text in it that is one `${{ CEL of i }}` stands for the value; `i` counts from 0. */
      readonly event: Readonly<Record<string, unknown>>
    }
  /** A file with one entry of `events` a line, as JSON; its path is relative to the test's file. */
  | { readonly kind: 'file'; readonly file: string; readonly path: string }

export interface TestEvent {
  readonly atMs: number
  /** `null`: the rule's only stream. */
  readonly from: string | null
  /** Default: once. */
  readonly repeat: { readonly times: number; readonly everyMs: number }
  readonly event: Readonly<Record<string, unknown>>
  readonly path: string
}

/** An alert that a test expects; what is `null` is not compared. */
export interface ExpectedAlert {
  readonly atMs: number | null
  readonly by: Readonly<Record<string, unknown>> | null
  readonly state: 'firing' | 'resolved' | null
  /** Step → indexes into the events after `repeat` is unrolled. */
  readonly steps: ReadonlyMap<string, readonly number[]> | null
  readonly counts: ReadonlyMap<string, number> | null
  readonly values: Readonly<Record<string, unknown>> | null
  readonly fields: Readonly<Record<string, unknown>> | null
  readonly path: string
}

/** All steps of a sequence in order of writing, groups' and negated ones included. */
export function stepItemsOf(items: readonly SequenceItem[]): StepItem[] {
  return items.flatMap((item) => (item.kind === 'step' ? [item] : stepItemsOf(item.items)))
}
