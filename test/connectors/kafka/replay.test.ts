// biome-ignore-all lint/suspicious/noTemplateCurlyInString: `${{` is what titles are written with.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folderWith, tocsin } from '../../app/command-line.ts'
import { withAdmin, writeRecords } from '../../harness/kafka-records.ts'
import { kafkaSourceTest } from '../../harness/kafka-source-test.ts'
import { LiveRun } from '../../harness/live-run.ts'
import { hasKafka, uniqueName } from '../../harness/shared-kafka.ts'

const kafka = kafkaSourceTest()
const day = 86_400_000
const start = Date.UTC(2026, 10, 1)
const iso = (time: number) => new Date(time).toISOString()

const rule = `
id: twice
title: "\${{ a.n }} and \${{ b.n }}"
from: payments
by: card
detect:
  within: 1h
  sequence:
    - { step: a, where: n < 50 }
    - { step: b, where: n > 50 }
`

/** A payment an hour over three days, of six cards on three partitions, sent as it happens. */
function payments() {
  return Array.from({ length: 72 * 6 }, (_, i) => {
    const ts = start + Math.floor(i / 6) * 600_000 + (i % 6) * 60_000
    const card = `c${i % 6}`
    return { partition: i % 3, value: { ts, card, n: (i * 37) % 100 }, timestamp: ts + 20 }
  })
}

async function folderOver(topics: readonly string[], more = ''): Promise<string> {
  const source = `{ kafka: { brokers: ["${kafka.bootstrap}"], topic: [${topics.join(', ')}]${more} } }`
  return folderWith({
    'rules/twice.yaml': rule,
    'others/twice.yaml': rule.replace('n < 50', 'n < 40'),
    'tocsin.yaml': `streams: { payments: { source: ${source}, time: { field: ts, out_of_orderness: 30s } } }\nrules: rules/\n`,
  })
}

async function replay(folder: string, ...more: readonly string[]) {
  const output = join(folder, 'alerts.ndjson')
  const ran = await tocsin(
    ...['replay', '--config', join(folder, 'tocsin.yaml'), '--output', output],
    ...['--format', 'json', ...more],
  )
  if (ran.code !== 0) throw new Error(ran.err)
  const lines = readFileSync(output, 'utf8').trimEnd().split('\n')
  const documents = lines.filter((line) => line !== '').map((line) => JSON.parse(line))
  return { summary: JSON.parse(ran.out), err: ran.err, alerts: documents }
}

describe.skipIf(!hasKafka)('a replay of topics', { timeout: 90_000 }, () => {
  it('gives the same alerts with the same ids as the live run gave', async () => {
    const all = payments()
    const a = await kafka.topicWith(
      all.filter((_, i) => i % 6 < 3),
      3,
    )
    const b = await kafka.topicWith(
      all.filter((_, i) => i % 6 >= 3),
      3,
    )
    const passing = [0, 1, 2].map((partition) => {
      return { partition, value: { ts: start + 9 * day, card: 'z', n: 0 } }
    })
    for (const topic of [a, b]) await writeRecords(kafka.bootstrap, topic, passing)
    const source = kafka.source([a, b])
    const live = new LiveRun({ source, rules: rule, outOfOrdernessMs: 30_000, maxDriftMs: 1000 })
    const { alerts, summary } = await replay(await folderOver([a, b]))
    expect(alerts.length).toBeGreaterThan(50)
    await live.until(alerts.length)
    await live.stop()
    const identity = ({ id, event_time }: { id: string; event_time: number }) => [event_time, id]
    expect(alerts.map(identity).sort()).toEqual(
      live.alerts.map(({ id, eventTime }) => [eventTime, id]).sort(),
    )
    expect(summary).toMatchObject({ events: all.length + 6, late: 0 })
  })

  it('reads the stretch of time that is asked for, and little beyond it', async () => {
    const topic = await kafka.topicWith(payments(), 3)
    const folder = await folderOver([topic])
    const whole = await replay(folder)
    const from = start + 6 * 3_600_000
    const to = start + 9 * 3_600_000
    const part = await replay(folder, '--from', iso(from), '--to', iso(to))
    const inside = payments().filter(({ value: { ts } }) => ts >= from && ts < to)
    expect(part.summary.events).toBe(inside.length)
    // It begins 5 minutes earlier, which is what an event may be ahead of its record; what stands
    // behind the end is in the same batch.
    const read = payments().filter(({ timestamp }) => timestamp >= from - 300_000)
    expect(part.summary.out_of_range).toBe(read.length - inside.length)
    const startsWithin = ({ event_time, ...alert }: { event_time: number; id: string }) =>
      event_time < to && event_time >= from + 3_600_000 ? [alert.id] : []
    expect(part.alerts.flatMap(startsWithin)).toEqual(whole.alerts.flatMap(startsWithin))
    expect(part.alerts.every(({ event_time }) => event_time >= from && event_time < to)).toBe(true)
  })

  it('says which alerts other rules bring and take, over the same records', async () => {
    const topic = await kafka.topicWith(payments(), 3)
    const folder = await folderOver([topic])
    const { summary } = await replay(folder, '--against', join(folder, 'others'))
    const { appear, disappear } = summary.against
    expect(appear.length).toBeGreaterThan(0)
    expect(disappear).toEqual([])
    expect(appear.every(({ title }: { title: string }) => /^4\d and/.test(title))).toBe(true)
  })

  it('is not thrown by a record of a year ahead', async () => {
    const records = payments()
    const wrong = { partition: 0, value: { ts: Date.now() + 365 * day, card: 'c0', n: 1 } }
    const clean = await kafka.topicWith(records, 3)
    const dirty = await kafka.topicWith([...records.slice(0, 99), wrong, ...records.slice(99)], 3)
    const [expected, found] = [
      await replay(await folderOver([clean])),
      await replay(await folderOver([dirty])),
    ]
    const titles = ({ alerts }: typeof found) => alerts.map(({ title, by }) => [title, by])
    expect(titles(found)).toEqual(titles(expected))
    expect(found.summary).toMatchObject({ late: 0, invalid: 1 })
  })

  it('leaves the group alone that the run notes its positions in', async () => {
    const topic = await kafka.topicWith(payments(), 3)
    const group = uniqueName('lag')
    const groupIds = () =>
      withAdmin(kafka.bootstrap, async (admin) =>
        (await admin.listGroups()).groups.map(({ groupId }) => groupId),
      )
    const folder = await folderOver([topic], `, group: ${group}`)
    expect((await replay(folder)).summary.events).toBe(payments().length)
    expect(await groupIds()).not.toContain(group)
  })
})
