import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { loadCheckedRules } from '../../src/rule/rule-loader.ts'
import { explainEvents } from '../../src/rule/explain-events.ts'
import { placeTestEvents } from '../../src/rule/test-events.ts'
import { explainedRunText } from '../../src/rule/explained-run-text.ts'
import { defaultWatermarkStrategy } from '../../src/time/watermark-strategy.ts'
test.each(['card-testing','brute-force-success','account-takeover'])('%s', (id) => {
  const path = `test/rule/fixtures/reference-rules/${id}.rule.yaml`
  const text = readFileSync(path, 'utf8')
  const { rules } = loadCheckedRules([{ path, text }])
  const c = rules[0]!
  for (const t of c.rule.tests) {
    const run = explainEvents(c, placeTestEvents(c, t, new Map()).events.map(e => ({stream: e.stream, text: JSON.stringify(e.event), timestamp: e.timestamp})), { streams: new Map(c.rule.from.map(s => [s, {field: [], unit: 'ms', watermarks: defaultWatermarkStrategy}])), tiesByArrival: true })
    console.log(t.name + '\n' + explainedRunText(run, (t) => new Date(t).toISOString()))
  }
})
