import { takeoverPeriodMs, takeoverStory } from './takeover-story.ts'
import type { Traffic, TrafficOptions } from './traffic.ts'

/**
 * Events of an identity provider. Ordinary ones are logins from known devices and passed MFA; each
 * story is the first half of an account takeover, whose transfer `payments` has.
 */
export function authTraffic({ eventsPerSecond }: TrafficOptions): Traffic {
  const users = Math.max(200, Math.ceil(eventsPerSecond * 100))
  return {
    storyPeriodMs: takeoverPeriodMs,
    ordinary(_ordinal, at, random) {
      const user = random.integer(1, users)
      const who = { ts: at, user_id: `u${user}`, device: `device-${user}` }
      if (random.next() < 0.2) return { ...who, type: 'mfa', outcome: 'passed' }
      return { ...who, type: 'login', known_device: true }
    },
    story(number, beginMs) {
      const { user, device, passwordChangeAfterMs } = takeoverStory(number)
      const changedAt = beginMs + passwordChangeAfterMs
      const who = { user_id: user, device }
      return [
        { at: beginMs, event: { ts: beginMs, ...who, type: 'login', known_device: false } },
        { at: changedAt, event: { ts: changedAt, ...who, type: 'password_change' } },
      ]
    },
  }
}
