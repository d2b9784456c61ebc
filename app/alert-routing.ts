import type { CheckedRule, JobAlert } from '../src/index.ts'
import type { SinkConfig } from './config.ts'
import type { Log } from './log.ts'

/** Which alerts go to which sinks: those that their rules name; those of shadow rules go to none. */
export class AlertRouting {
  readonly #defaults: readonly string[]

  /** Warns of rules whose alerts go nowhere. */
  constructor(sinks: readonly SinkConfig[], rules: readonly CheckedRule[], log: Log) {
    this.#defaults = sinks.filter(({ isDefault }) => isDefault).map(({ name }) => name)
    const unheard = rules.filter(({ rule }) => rule.mode === 'live' && rule.alert.to === null)
    if (this.#defaults.length === 0 && unheard.length > 0) {
      const ids = unheard.map(({ rule }) => rule.id).join(', ')
      log.warn(`no sink is marked default, and these rules name none: ${ids}`)
    }
  }

  /** Alerts of rules that are only tried. */
  shadow(alerts: readonly JobAlert[]): readonly JobAlert[] {
    return alerts.filter(({ alert }) => alert.mode === 'shadow')
  }

  bySink(alerts: readonly JobAlert[]): ReadonlyMap<string, readonly JobAlert[]> {
    const bySink = new Map<string, JobAlert[]>()
    for (const each of alerts) {
      if (each.alert.mode === 'shadow') continue
      for (const name of each.alert.to ?? this.#defaults) {
        const own = bySink.get(name)
        if (own === undefined) bySink.set(name, [each])
        else own.push(each)
      }
    }
    return bySink
  }
}
