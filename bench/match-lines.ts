/** Part of an alert document that the workload's checksum is made of. */
interface AlertDocument {
  readonly steps: Readonly<Record<string, readonly { readonly event: { readonly id: string } }[]>>
}

/**
 * One line a match: the `id`s of its events, steps in the order of the rule. Sorted bytewise, as
 * the workload's checksum wants it.
 */
export function matchLines(alerts: string): string[] {
  return alerts
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => idsOf(JSON.parse(line) as AlertDocument))
    .sort()
}

function idsOf({ steps }: AlertDocument): string {
  return Object.values(steps)
    .flatMap((events) => events.map(({ event }) => event.id))
    .join(' ')
}
