import type { CarriedRule, CarryOver } from '../src/index.ts'

/** What became of the state of each rule, a line each. */
export function carryOverText({ rules, removedStreams, addedStreams }: CarryOver): string {
  const lines = rules.map((rule) => ruleLine(rule))
  for (const stream of removedStreams) {
    lines.push(`- stream ${stream}: read no more, its position is dropped`)
  }
  for (const stream of addedStreams) lines.push(`+ stream ${stream}: read from its beginning`)
  return lines.map((line) => `${line}\n`).join('')
}

function ruleLine({ id, outcome, formerId, keys }: CarriedRule): string {
  const open = keys === undefined ? '' : ` (${keys.toLocaleString('en-US')} keys)`
  switch (outcome) {
    case 'kept': {
      const was = formerId === undefined ? '' : `, which was ${formerId}`
      return `= ${id}${was}: goes on${open}`
    }
    case 'changed':
      return `~ ${id}: starts anew, what it had open is dropped${open}`
    case 'removed':
      return `- ${id}: removed, what it had open is dropped${open}`
    case 'added':
      return `+ ${id}: starts anew`
  }
}
