/** Where a record came from: one partition (a Kafka partition, a file) of one stream. */
export interface Split {
  readonly stream: string
  readonly partition: number
  /** What the outside calls it, where that says more: the topic and its partition. For people. */
  readonly origin?: SplitOrigin
}

/** The names by which an outside system knows a split. */
export type SplitOrigin = Readonly<Record<string, string | number>>

/** Whether events of `a` come before those of `b` where their times are equal (D3). */
export function isBefore(a: Split, b: Split): boolean {
  return a.stream === b.stream ? a.partition < b.partition : a.stream < b.stream
}

/**
 * An event as conditions and alerts see it: its identity, its time, the outcome of the unary
 * predicates, the field values that later predicates and the alert read, and its JSON text.
 */
export interface Event {
  /** Event time, epoch ms, whole. */
  readonly timestamp: number
  readonly split: Split
  /** Ordinal of the record within its split; with the split it is the event's position. */
  readonly offset: number
  /** Bit i: outcome of the operator's unary predicate i, for the first 32 predicates. */
  readonly predicates: number
  /** The same for predicates from 32 on, 32 to a word. */
  readonly morePredicates: readonly number[]
  /** The record's JSON as latin1-decoded bytes (one char a byte): compact, and lossless. */
  readonly raw: string
  /** The first field slots: read by generated code. */
  readonly f0: unknown
  readonly f1: unknown
  /** Field slots from `inlineFields` on. */
  readonly moreFields: readonly unknown[]
  /** Fields that only alerts read, filled in for an alert: slots below zero, from -1 on. */
  lateFields?: readonly unknown[]
  /** The value of a field slot; `undefined` is a missing field. */
  field(slot: number): unknown
}

/** Bytes in which the texts of the events of a batch lie. */
export interface EventBytes {
  bytes: Buffer
}

/**
 * An event that is offered to a keyed operator. What partial matches take of it is copied into
 * their store; its text is that of the batch as long as it is not kept longer than that.
 */
export class ArrivedEvent implements Event {
  readonly timestamp: number
  readonly split: Split
  readonly offset: number
  readonly predicates: number
  readonly morePredicates: readonly number[]
  readonly f0: unknown
  readonly f1: unknown
  readonly moreFields: readonly unknown[]
  lateFields?: readonly unknown[]
  text: EventBytes
  textStart: number
  textEnd: number

  /** @param fields values by field slot, `undefined` where missing; copied */
  constructor(
    timestamp: number,
    split: Split,
    offset: number,
    predicates: number,
    morePredicates: readonly number[],
    fields: readonly unknown[],
    text: EventBytes,
    textStart: number,
    textEnd: number,
  ) {
    this.timestamp = timestamp
    this.split = split
    this.offset = offset
    this.predicates = predicates
    this.morePredicates = morePredicates
    this.f0 = fields[0]
    this.f1 = fields[1]
    this.moreFields = fields.length > inlineFields ? fields.slice(inlineFields) : noFields
    this.text = text
    this.textStart = textStart
    this.textEnd = textEnd
  }

  get raw(): string {
    return this.text.bytes.toString('latin1', this.textStart, this.textEnd)
  }

  field(slot: number): unknown {
    if (slot < 0) return this.lateFields?.[-1 - slot]
    if (slot === 0) return this.f0
    return slot === 1 ? this.f1 : this.moreFields[slot - inlineFields]
  }
}

/** An event whose text stands for itself. @param raw one char a byte */
export function eventOf(
  timestamp: number,
  split: Split,
  offset: number,
  predicates: number,
  morePredicates: readonly number[],
  fields: readonly unknown[],
  raw: string,
): ArrivedEvent {
  const text = { bytes: Buffer.from(raw, 'latin1') }
  return new ArrivedEvent(
    timestamp,
    split,
    offset,
    predicates,
    morePredicates,
    fields,
    text,
    0,
    raw.length,
  )
}

/** The text of a record whose bytes are given as `Event.raw` has them, one char a byte. */
export function textOf(raw: string): string {
  return /[\u0080-\u00ff]/.test(raw) ? Buffer.from(raw, 'latin1').toString('utf8') : raw
}

/** How many field slots an event holds without an array. */
export const inlineFields = 2

const noFields: readonly unknown[] = []

/** One link of a partial match: an event, the step that took it, and what was taken before. */
export interface TakenEvent {
  readonly event: Event
  /** Index of the step in its pattern. */
  readonly step: number
  readonly previous: TakenEvent | null
  /** Orders the events that were offered to the operator. */
  readonly ordinal: number
  /** The last event that a step took, from this link back; there where it spares walking links. */
  lastOf?(step: number): Event | undefined
  /** The value of a field slot of that event, likewise; `undefined` where either is missing. */
  lastFieldOf?(step: number, slot: number): unknown
  /** How many events a step took, likewise. */
  countOf?(step: number): number
}
