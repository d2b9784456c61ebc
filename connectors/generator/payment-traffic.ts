import { takeoverPeriodMs, takeoverStory } from './takeover-story.ts'
import type { GeneratedEvent, PlantedEvent, Traffic, TrafficOptions } from './traffic.ts'

const countries = ['DE', 'FR', 'NL', 'ES', 'IT', 'PL'] as const

/**
 * Card payments. Ordinary ones are approved purchases of 3 to 120; each story plants a tiny charge
 * and then a large one at another merchant on the same card, and the transfer of a takeover.
 */
export function paymentTraffic({ eventsPerSecond }: TrafficOptions): Traffic {
  // So many cards that an ordinary one is used every 100 s on average, at any rate.
  const cards = Math.max(200, Math.ceil(eventsPerSecond * 100))
  return {
    storyPeriodMs: takeoverPeriodMs,
    ordinary(_ordinal, at, random) {
      const card = random.integer(1, cards)
      const amount = random.decimal(3, 120, 2)
      const status = random.next() < 0.03 ? 'declined' : 'approved'
      return payment(at, `c${card}`, `u${card}`, amount, `m${random.integer(1, 400)}`, {
        status,
        country: random.pick(countries),
      })
    },
    story(number, beginMs, random) {
      const card = `stolen-${number}`
      const takeover = takeoverStory(number)
      const planted = (afterMs: number, amount: number, merchant: string, owner: string) => ({
        at: beginMs + afterMs,
        event: payment(beginMs + afterMs, card, owner, amount, merchant, {}),
      })
      const transferAt = beginMs + takeover.transferAfterMs
      return [
        planted(0, random.decimal(0.5, 2, 2), 'm-probe', `u-${card}`),
        planted(10_000, random.decimal(3, 120, 2), 'm-probe', `u-${card}`),
        planted(30_000, random.decimal(501, 1800, 2), 'm-drain', `u-${card}`),
        transfer(transferAt, takeover.user, takeover.amount),
      ]
    },
  }
}

function payment(
  at: number,
  card: string,
  owner: string,
  amount: number,
  merchant: string,
  more: { readonly status?: string; readonly country?: string },
): GeneratedEvent {
  const { status = 'approved', country = 'DE' } = more
  return { ts: at, type: 'purchase', status, card, merchant, amount, country, account: { owner } }
}

function transfer(at: number, owner: string, amount: number): PlantedEvent {
  const event = { ts: at, type: 'transfer', status: 'approved', amount, account: { owner } }
  return { at, event }
}
