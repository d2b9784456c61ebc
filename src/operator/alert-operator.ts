import { hash } from 'node:crypto'
import { Timestamp } from '../expression/value.ts'
import type { Counter } from '../metrics.ts'
import { type Alert, alertDocument, type EventText, type JsonValue } from '../stream/alert.ts'
import type { Event, TakenEvent } from '../stream/event.ts'
import { decodeKey } from '../stream/key.ts'
import { keptByName } from '../stream/name-texts.ts'
import { redacted } from '../stream/redaction.ts'
import type { Clock } from '../time/clock.ts'
import type { CepOutput, CepResult, RefusedEvent } from './cep-output.ts'
import type { LateFields } from './late-fields.ts'
import type { StateMapping } from './state-mapping.ts'

/** Gives a value for a match; `undefined` is CEL's error. */
export type MatchExpression = (taken: TakenEvent, names: ReadonlyMap<string, unknown>) => unknown

/** How matches of one kind become alerts. */
export interface AlertBlockPlan {
  readonly severity: string
  readonly title: (taken: TakenEvent | null, names: ReadonlyMap<string, unknown>) => string
  readonly fields: ReadonlyMap<string, MatchExpression>
  readonly dedupe: { readonly by: readonly MatchExpression[]; readonly forMs: number } | null
  readonly to: readonly string[] | null
}

export interface ExceptionPlan {
  readonly name: string
  readonly holds: MatchExpression
  /** Epoch ms of event time; infinity: never expires. */
  readonly expires: number
  readonly hits: Counter
}

/** What the alert operator needs to know of a rule. */
export interface AlertPlan {
  readonly rule: string
  readonly fingerprint: string
  readonly version: number
  readonly mode: string
  readonly tags: readonly string[]
  /** Names of the key's parts in an alert's `by`. */
  readonly keyNames: readonly string[]
  /** Those of them that alerts may not show. */
  readonly redactedKeys: ReadonlySet<string>
  /** Names of the pattern's steps by index. */
  readonly stepNames: readonly string[]
  readonly match: AlertBlockPlan
  /** `null`: timed-out partial matches raise no alert. */
  readonly timeout: AlertBlockPlan | null
  readonly exceptions: readonly ExceptionPlan[]
  /** `limit` of the rule, for its health alert. */
  readonly limit: number
}

/** An alert that was not sent, and what kept it back. */
export interface SuppressedAlert {
  readonly alert: Alert
  readonly by: { readonly kind: 'dedupe' | 'exception'; readonly name: string }
}

export interface AlertOutput {
  alert(alert: Alert, document: () => string): void
  suppressed(suppressed: SuppressedAlert): void
  droppedMatches(rule: string, count: number): void
  refusedEvent(rule: string): void
}

/** Name of an alert's event time among the values of its names: no part of a key is called so. */
export const alertTimeName = '\0event_time'

/** A health alert comes once per rule, key and hour of event time. */
const healthIntervalMs = 3_600_000

/**
 * Turns matches into alerts: exceptions, identity, dedupe, documents. One for each CepOperator;
 * `plans[i]` belongs to its pattern i.
 */
export class AlertOperator implements CepOutput {
  readonly #plans: AlertPlan[]
  readonly #output: AlertOutput
  readonly #clock: Clock
  readonly #eventText: EventText
  readonly #lateFields: LateFields
  /** By plan: dedupe key → end of the suppression, epoch ms. */
  readonly #silencedUntil: Map<string, number>[]
  readonly #healthUntil = new Map<string, number>()
  /** By plan: the values of names, of the alert that is being made. */
  readonly #names: Map<string, unknown>[]

  constructor(
    plans: readonly AlertPlan[],
    output: AlertOutput,
    clock: Clock,
    eventText: EventText,
    lateFields: LateFields,
  ) {
    this.#plans = [...plans]
    this.#output = output
    this.#clock = clock
    this.#eventText = eventText
    this.#lateFields = lateFields
    this.#silencedUntil = plans.map(() => new Map())
    this.#names = plans.map(() => new Map())
  }

  /**
   * The plan of a pattern of this index from now on.
   * @param keepsSilences whether what keeps its alerts back still means the same
   */
  setPlan(pattern: number, plan: AlertPlan, keepsSilences: boolean): void {
    this.#plans[pattern] = plan
    this.#names[pattern] = new Map()
    if (!keepsSilences) this.#silencedUntil[pattern] = new Map()
  }

  results(results: readonly CepResult[]): void {
    const raised = results.filter((result) => this.#blockOf(result) !== null)
    this.#lateFields.complete(
      raised.map(({ taken }) => taken),
      this.#eventText,
    )
    for (const result of raised) {
      const plan = this.#plans[result.pattern] as AlertPlan
      this.#raise(result, plan, this.#blockOf(result) as AlertBlockPlan)
    }
  }

  #blockOf({ pattern, kind }: CepResult): AlertBlockPlan | null {
    const plan = this.#plans[pattern] as AlertPlan
    return kind === 'match' ? plan.match : plan.timeout
  }

  refused({ pattern, key, event }: RefusedEvent): void {
    const plan = this.#plans[pattern] as AlertPlan
    this.#output.refusedEvent(plan.rule)
    const slot = `${pattern} ${key}`
    if (event.timestamp < (this.#healthUntil.get(slot) ?? -Infinity)) return
    const hour = Math.floor(event.timestamp / healthIntervalMs)
    this.#healthUntil.set(slot, (hour + 1) * healthIntervalMs)
    const by = shownKey(plan, keyOf(plan, key))
    const which = plan.redactedKeys.size === 0 ? key : `${event.split.partition}:${event.offset}`
    const parts = [plan.rule, plan.fingerprint, 'limit', which, String(hour)]
    const id = hashOf(parts.map(measured).join(''))
    const shown = [...by].map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(', ')
    this.#send({
      id,
      rule: plan.rule,
      version: plan.version,
      mode: plan.mode,
      severity: 'medium',
      title: `Rule ${plan.rule}: ${plan.limit} first events are open for ${shown}; more are refused`,
      state: 'firing',
      sequence: 1,
      key,
      by,
      eventTime: event.timestamp,
      detectedAt: this.#clock.now(),
      tags: ['tocsin.health'],
      fields: new Map<string, JsonValue>([['limit', plan.limit]]),
      steps: new Map(),
      to: null,
    })
  }

  droppedMatches(pattern: number, count: number): void {
    this.#output.droppedMatches((this.#plans[pattern] as AlertPlan).rule, count)
  }

  #raise(result: CepResult, plan: AlertPlan, block: AlertBlockPlan): void {
    const { taken, key, eventTime } = result
    const by = keyOf(plan, key)
    const names = this.#namesOf(result, by)
    // A partial match whose time ran out is not complete: nothing excepts it.
    const exception =
      result.kind === 'match'
        ? plan.exceptions.find(
            ({ expires, holds }) => eventTime < expires && holds(taken, names) === true,
          )
        : undefined
    const steps = stepsOf(plan, taken)
    const alert: Alert = {
      id: idOf(result, plan, steps),
      rule: plan.rule,
      version: plan.version,
      mode: plan.mode,
      severity: block.severity,
      title: block.title(taken, names),
      state: 'firing',
      sequence: 1,
      key,
      by: shownKey(plan, by),
      eventTime,
      detectedAt: this.#clock.now(),
      tags: plan.tags,
      fields: fieldsOf(block, taken, names),
      steps,
      to: block.to,
    }
    if (exception !== undefined) {
      exception.hits.increment()
      this.#output.suppressed({ alert, by: { kind: 'exception', name: exception.name } })
    } else if (this.#isDuplicate(result, block, names)) {
      this.#output.suppressed({ alert, by: { kind: 'dedupe', name: plan.rule } })
    } else this.#send(alert)
  }

  /** The values of names in an alert's expressions; the same map for all alerts of a pattern. */
  #namesOf(
    { pattern, eventTime }: CepResult,
    by: ReadonlyMap<string, JsonValue>,
  ): ReadonlyMap<string, unknown> {
    const names = this.#names[pattern] as Map<string, unknown>
    for (const [name, value] of by) names.set(name, value)
    return names.set(alertTimeName, new Timestamp(eventTime))
  }

  /** What keeps alerts back, as plain data. */
  snapshot(): JsonValue {
    return [this.#silencedUntil.map((until) => [...until]), [...this.#healthUntil]]
  }

  /** Puts back what `snapshot` gave. */
  restore(form: JsonValue): void {
    const [silenced, health] = form as unknown as [[string, number][][], [string, number][]]
    silenced.forEach((slots, plan) => {
      for (const [slot, end] of slots) this.#silencedUntil[plan]?.set(slot, end)
    })
    for (const [slot, end] of health) this.#healthUntil.set(slot, end)
  }

  /** The time runs from the first alert and is not extended (Alertmanager extends none either). */
  #isDuplicate(
    { pattern, kind, taken, eventTime }: CepResult,
    { dedupe }: AlertBlockPlan,
    names: ReadonlyMap<string, unknown>,
  ): boolean {
    if (dedupe === null) return false
    const until = this.#silencedUntil[pattern] as Map<string, number>
    const values = dedupe.by.map((expression) => expression(taken, names) ?? null)
    const slot = JSON.stringify([kind, values])
    if (eventTime < (until.get(slot) ?? -Infinity)) return true
    // Insertion order is order of expiry, as `for` is one length for all: forget from the front.
    for (const [old, end] of until) {
      if (end > eventTime) break
      until.delete(old)
    }
    until.delete(slot)
    until.set(slot, eventTime + dedupe.forMs)
    return false
  }

  #send(alert: Alert): void {
    this.#output.alert(alert, () => alertDocument(alert, this.#eventText))
  }
}

/** What `snapshot` gave, for an operator with other plans. */
export function translateAlertState(
  form: JsonValue,
  { patterns, patternCount }: StateMapping,
): JsonValue {
  const [silenced, health] = form as unknown as [JsonValue[], [string, number][]]
  const translated: JsonValue[] = Array.from({ length: patternCount }, () => [])
  patterns.forEach(({ pattern, keepsSilences }, saved) => {
    if (pattern !== undefined && keepsSilences) translated[pattern] = silenced[saved] ?? []
  })
  const slots = health.flatMap(([slot, end]): [string, number][] => {
    const space = slot.indexOf(' ')
    const pattern = patterns[Number(slot.slice(0, space))]?.pattern
    return pattern === undefined ? [] : [[`${pattern}${slot.slice(space)}`, end]]
  })
  return [translated, slots]
}

function keyOf(plan: AlertPlan, key: string): Map<string, JsonValue> {
  const values = decodeKey(key)
  const by = new Map<string, JsonValue>()
  for (let part = 0; part < values.length; part++) {
    by.set(plan.keyNames[part] as string, values[part] as JsonValue)
  }
  return by
}

/** The key as alerts show it. */
function shownKey(
  { redactedKeys }: AlertPlan,
  by: ReadonlyMap<string, JsonValue>,
): ReadonlyMap<string, JsonValue> {
  if (redactedKeys.size === 0) return by
  return new Map([...by].map(([name, value]) => [name, redactedKeys.has(name) ? redacted : value]))
}

function fieldsOf(
  { fields }: AlertBlockPlan,
  taken: TakenEvent,
  names: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, JsonValue> {
  if (fields.size === 0) return noFields
  const values = new Map<string, JsonValue>()
  for (const [name, expression] of fields) {
    const value = expression(taken, names)
    if (value !== undefined) values.set(name, value as JsonValue)
  }
  return values
}

const noFields: ReadonlyMap<string, JsonValue> = new Map()

function stepsOf({ stepNames }: AlertPlan, taken: TakenEvent): Map<string, Event[]> {
  for (let link: TakenEvent | null = taken; link !== null; link = link.previous) links.push(link)
  const steps = new Map<string, Event[]>()
  for (let link = links.pop(); link !== undefined; link = links.pop()) {
    const name = stepNames[link.step] as string
    const events = steps.get(name)
    if (events === undefined) steps.set(name, [link.event])
    else events.push(link.event)
  }
  return steps
}

/** Links lead from the last event to the first: here they are turned round. Empty but for that. */
const links: TakenEvent[] = []

function idOf(
  { kind, key, eventTime }: CepResult,
  plan: AlertPlan,
  steps: ReadonlyMap<string, readonly Event[]>,
): string {
  // Whoever tries all card numbers would find the one in a hash; the positions say enough.
  const shownKey = plan.redactedKeys.size === 0 ? key : ''
  let text = idBeginning(plan, kind) + measured(shownKey)
  for (const [name, events] of steps) {
    text += measuredName(name)
    for (let index = 0; index < events.length; index++) {
      const { split, offset } = events[index] as Event
      text += measuredName(split.stream) + measured(`${split.partition}:${offset}`)
    }
  }
  if (kind === 'timeout') text += measured(String(eventTime))
  return hashOf(text)
}

/** What the ids of a plan's alerts begin with: the next alert is most often of the same plan. */
let lastBeginning: {
  readonly plan: AlertPlan | null
  readonly kind: string
  readonly text: string
} = {
  plan: null,
  kind: '',
  text: '',
}

function idBeginning(plan: AlertPlan, kind: CepResult['kind']): string {
  if (lastBeginning.plan !== plan || lastBeginning.kind !== kind) {
    const text = measured(plan.rule) + measured(plan.fingerprint) + measured(kind)
    lastBeginning = { plan, kind, text }
  }
  return lastBeginning.text
}

/** The same as `measured`, of a name of a step or a stream. */
const measuredName = keptByName(measured)

/** A part of what an id is made of, with its length before it. */
function measured(part: string): string {
  return `${part.length}:${part}`
}

/** 128 bits of SHA-256. */
function hashOf(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 32)
}
