import type { Random } from './random.ts'
import type { Traffic, TrafficOptions } from './traffic.ts'

const DEVICES = 50
const STORY_PERIOD_MS = 16 * 60_000
const SILENCE_MS = 8 * 60_000
const HEATING_MS = 14 * 60_000

/**
 * Readings of 50 motors, each in its turn. In each story one motor falls silent for 8 minutes and
 * another heats up from 60 to 95 C within 14 minutes, its vibration rising with it.
 */
export function telemetryTraffic({ startMs }: TrafficOptions): Traffic {
  return {
    storyPeriodMs: STORY_PERIOD_MS,
    ordinary(ordinal, at, random) {
      const device = ordinal % DEVICES
      // Story n begins at start + (n + 1) periods, as the generator has it.
      const story = Math.floor((at - startMs) / STORY_PERIOD_MS) - 1
      const sinceMs = at - startMs - (story + 1) * STORY_PERIOD_MS
      const silent = story >= 0 && device === silentDevice(story) && sinceMs < SILENCE_MS
      if (silent) return null
      const heating = story >= 0 && device === heatingDevice(story) && sinceMs < HEATING_MS
      return reading(at, device, heating ? sinceMs / HEATING_MS : null, random)
    },
    // Its stories change ordinary events and add none.
    story: () => [],
  }
}

function silentDevice(story: number): number {
  return (story * 7 + 3) % DEVICES
}

function heatingDevice(story: number): number {
  return (story * 7 + 5) % DEVICES
}

/** `heat` is how far the heating has got, from 0 to 1; `null` for a healthy motor. */
function reading(at: number, device: number, heat: number | null, random: Random) {
  const calm = { value: random.decimal(52, 60, 1), vibration: random.decimal(0.995, 1.005, 4) }
  const hot = heat === null ? calm : { value: round(60 + 35 * heat), vibration: round(1 + heat) }
  return { ts: at, device: `d${device}`, motor: `m${device}`, site: `s${device % 5}`, ...hot }
}

function round(value: number): number {
  return Number(value.toFixed(3))
}
