import type { Random } from './random.ts'
import type { GeneratedEvent, PlantedEvent, Traffic, TrafficOptions } from './traffic.ts'

interface Place {
  readonly country: string
  readonly asn: number
  readonly loc: { readonly lat: number; readonly lon: number }
}

const homes: readonly [Place, ...Place[]] = [
  { country: 'FR', asn: 3215, loc: { lat: 48.85, lon: 2.35 } },
  { country: 'DE', asn: 3320, loc: { lat: 52.52, lon: 13.4 } },
  { country: 'ES', asn: 3352, loc: { lat: 40.42, lon: -3.7 } },
]
const faraway: Place = { country: 'JP', asn: 17676, loc: { lat: 35.68, lon: 139.69 } }

/**
 * Logins to accounts. Ordinary users log in from home and mistype now and then; stories plant, in
 * turn, a second login from the other end of the world, and five failures before a success.
 */
export function loginTraffic({ eventsPerSecond }: TrafficOptions): Traffic {
  const users = Math.max(200, Math.ceil(eventsPerSecond * 100))
  return {
    storyPeriodMs: 2 * 60_000,
    ordinary(_ordinal, at, random) {
      const user = random.integer(1, users)
      const home = homes[user % homes.length] ?? homes[0]
      const result = random.next() < 0.05 ? 'failure' : 'success'
      return login(at, `u${user}`, result, `10.0.${user >> 8}.${user & 255}`, home)
    },
    story(number, beginMs, random) {
      return number % 2 === 0
        ? travel(number, beginMs, random)
        : bruteForce(number, beginMs, random)
    },
  }
}

function travel(number: number, beginMs: number, random: Random): readonly PlantedEvent[] {
  const user = `traveller-${number}`
  const secondAt = beginMs + random.integer(30, 90) * 1000
  const home = random.pick(homes)
  return [
    { at: beginMs, event: login(beginMs, user, 'success', '192.0.2.10', home) },
    { at: secondAt, event: login(secondAt, user, 'success', '198.51.100.7', faraway) },
  ]
}

function bruteForce(number: number, beginMs: number, random: Random): readonly PlantedEvent[] {
  const user = `guessed-${number}`
  const ip = '203.0.113.66'
  const everyMs = random.integer(2, 8) * 1000
  return Array.from({ length: 6 }, (_, attempt) => {
    const at = beginMs + attempt * everyMs
    const result = attempt === 5 ? 'success' : 'failure'
    return { at, event: login(at, user, result, ip, homes[0]) }
  })
}

function login(
  at: number,
  user: string,
  result: 'success' | 'failure',
  ip: string,
  place: Place,
): GeneratedEvent {
  return { ts: at, user, result, ip, ...place }
}
