import { authTraffic } from './auth-traffic.ts'
import { loginTraffic } from './login-traffic.ts'
import { paymentTraffic } from './payment-traffic.ts'
import type { Random } from './random.ts'
import { telemetryTraffic } from './telemetry-traffic.ts'

export const trafficKinds = ['payments', 'logins', 'auth', 'telemetry'] as const
export type TrafficKind = (typeof trafficKinds)[number]

/** What a kind of traffic is told. */
export interface TrafficOptions {
  readonly seed: number
  /** Event time of the first event, epoch ms. */
  readonly startMs: number
  /** Events of ordinary traffic in a second of event time. */
  readonly eventsPerSecond: number
}

export type GeneratedEvent = Readonly<Record<string, unknown>>

/** An event that belongs to a planted story, with its event time in epoch ms. */
export interface PlantedEvent {
  readonly at: number
  readonly event: GeneratedEvent
}

/** One kind of traffic: what is ordinary in it, and what is planted. */
export interface Traffic {
  /** The ordinary event `ordinal` at a time; `null` where a story keeps it from happening. */
  ordinary(ordinal: number, at: number, random: Random): GeneratedEvent | null
  /** From the begin of one story to the begin of the next. */
  readonly storyPeriodMs: number
  /** The events of story `number` (from 0), which begins at a time; ascending. */
  story(number: number, beginMs: number, random: Random): readonly PlantedEvent[]
}

export function createTraffic(kind: TrafficKind, options: TrafficOptions): Traffic {
  switch (kind) {
    case 'payments':
      return paymentTraffic(options)
    case 'logins':
      return loginTraffic(options)
    case 'auth':
      return authTraffic(options)
    case 'telemetry':
      return telemetryTraffic(options)
  }
}
