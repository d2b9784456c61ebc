import type { SavepointSummary } from '../src/index.ts'

/** What a savepoint holds, for people. */
export function savepointText(summary: SavepointSummary): string {
  const { header, isFinished, bytes, sha256, operators, splits, sinks } = summary
  const lines = [
    `job         ${header.job}${isFinished ? ', which has come to its end' : ''}`,
    `checkpoint  ${header.checkpoint}`,
    `created     ${header.created_at} by Tocsin ${header.created_by}`,
    `format      version ${header.version}`,
    `size        ${number(bytes)} bytes`,
    `sha256      ${sha256}, fits`,
  ]
  for (const { id, keys, rules } of operators) {
    lines.push('', `${number(keys)} keys of ${operatorText(id)}`)
    for (const rule of rules) {
      const name = rule.id === '' ? '(not known)' : rule.id
      lines.push(`  ${name}  ${rule.fingerprint}  ${number(rule.keys)} keys`)
    }
  }
  if (splits.length > 0) lines.push('', 'positions')
  for (const { stream, partition, position, greatest } of splits) {
    const at = position === null ? 'at the beginning' : JSON.stringify(position)
    const time = typeof greatest === 'number' ? `, up to ${new Date(greatest).toISOString()}` : ''
    lines.push(`  ${stream}/${partition}  ${at}${time}`)
  }
  if (sinks.length > 0) lines.push('', 'sinks')
  for (const { sink, committed, stagedAlerts } of sinks) {
    const done = committed === null ? 'nothing committed' : `committed ${committed}`
    lines.push(`  ${sink}  ${done}, ${number(stagedAlerts)} alerts to be sent`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

/** An operator is known by its streams and by the fields of its key in each. */
function operatorText(id: string): string {
  const [streams, by] = JSON.parse(id) as [string[], [string, string[]][][]]
  const keys = by.map((paths) => paths.map(([, path]) => path.join('.')))
  const names = keys.map((fields) => [...new Set(fields)].join(' or '))
  return `${streams.join(', ')} by ${names.join(', ')}`
}

function number(count: number): string {
  return count.toLocaleString('en-US')
}
