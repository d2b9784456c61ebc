import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { Random } from '../../connectors/generator/random.ts'

/** How the job of a soak gets its events. */
export const inputKinds = ['file', 'gzip', 'stdin'] as const
export type InputKind = (typeof inputKinds)[number]

/** A folder in which the job can be run. */
export interface SoakJob {
  readonly folder: string
  /** What is to be written to its standard input; `null`: nothing. */
  readonly input: SoakInput | null
}

/** Records to be written, and the byte at which each begins. */
export interface SoakInput {
  readonly bytes: Buffer
  readonly starts: Float64Array
}

/** Makes a folder with events, rules, and a configuration with or without checkpoints. */
export function makeJob(folder: string, kind: InputKind, events: SoakEvents, durable: boolean) {
  mkdirSync(join(folder, 'rules'), { recursive: true })
  writeFileSync(join(folder, 'rules/soak.rule.yaml'), rules)
  const paths = [0, 1].map((part) => `payments-${part}.ndjson${kind === 'gzip' ? '.gz' : ''}`)
  if (kind !== 'stdin') {
    for (const [part, path] of paths.entries()) {
      const bytes = events.parts[part] as Buffer
      writeFileSync(join(folder, path), kind === 'gzip' ? gzipSync(bytes, { level: 1 }) : bytes)
    }
  }
  const source = kind === 'stdin' ? '{ stdin: {} }' : `{ file: { path: [${paths.join(', ')}] } }`
  const state = durable ? 'state: { backend: rocksdb, checkpoint_interval: 50ms }\n' : ''
  writeFileSync(
    join(folder, 'tocsin.yaml'),
    `streams: { payments: { source: ${source}, time: { field: ts, out_of_orderness: 4s } } }\n` +
      `sinks: { alerts: { file: { path: alerts.ndjson }, default: true } }\n${state}`,
  )
  const input = kind === 'stdin' ? { bytes: events.all, starts: events.starts } : null
  return { folder, input } satisfies SoakJob
}

/** The events of a soak: in two parts for files, and as one stream. */
export interface SoakEvents {
  readonly parts: readonly Buffer[]
  readonly all: Buffer
  readonly starts: Float64Array
}

/** Payments of many cards, out of order by up to 4 s, some later than that, and some broken ones. */
export function soakEvents(seed: number, count: number): SoakEvents {
  const random = new Random(seed)
  const lines = Array.from({ length: count }, (_, index) => {
    if (random.next() < 0.0005) return '{"ts":"never"\n'
    const ts = 1_767_225_600_000 + index * 20 - random.integer(0, 4100)
    return `${JSON.stringify({
      ts,
      card: `c${random.integer(0, 9999)}`,
      amount: random.integer(1, 1000),
      merchant: `m${random.integer(0, 40)}`,
      country: random.pick(['de', 'fr', 'it', 'us']),
    })}\n`
  })
  const starts = new Float64Array(count)
  let at = 0
  for (const [index, line] of lines.entries()) {
    starts[index] = at
    at += line.length
  }
  const parts = [0, 1].map((part) =>
    Buffer.from(lines.filter((_, index) => index % 2 === part).join('')),
  )
  return { parts, all: Buffer.from(lines.join('')), starts }
}

const rules = `
id: card-testing
from: payments
by: card
detect:
  within: 10m
  sequence:
    - { step: probe, where: amount < 20 }
    - { step: drain, where: amount > 950 && merchant != probe.merchant }
alert: { dedupe: { by: [card], for: 1m }, fields: { lost: drain.amount } }
---
id: countries
from: payments
by: card
detect:
  within: 5m
  after_match: { skip_to_last: b }
  sequence:
    - { step: a, where: amount > 700 }
    - { step: b, contiguity: strict, where: country != a.country && amount > 700 }
---
id: unconfirmed
from: payments
by: [card, country]
detect:
  within: 20m
  sequence:
    - { step: large, where: amount > 990 }
    - { step: small, where: amount < 200 }
on_timeout: { title: "\${{ card }}: \${{ large.amount }} was not confirmed" }
---
id: many-small
from: payments
by: card
detect:
  within: 30m
  sequence:
    - { step: small, times: { min: 4, within: 10m }, where: amount < 150 }
    - { step: large, where: amount > 900 }
alert: { fields: { sum: sum(small.amount) } }
---
id: silent-card
from: payments
by: card
detect:
  within: 8m
  sequence:
    - { step: last, where: amount > 997 }
    - { absent: any }
---
id: merchant-burst
from: payments
by: merchant
detect:
  within: 2s
  sequence:
    - { step: a, where: amount > 900 }
    - { step: b, where: amount > a.amount }
    - { step: c, where: amount > b.amount }
alert: { dedupe: { by: [merchant], for: 30s } }
`
