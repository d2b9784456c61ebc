// The program that the kill test kills: `mqtt-reader-process KIND URL OPTIONS FOLDER` takes messages
// into an ingest log in the folder; it says `batch` after each batch, and `idle` when it is subscribed
// and there is nothing.
import { writeSync } from 'node:fs'
import type { TestBroker } from '../harness/mqtt-broker.ts'
import { loggedSource, sourceOf } from '../harness/mqtt-session.ts'

const [kind, url = '', options = '{}', folder = ''] = process.argv.slice(2)
const source = sourceOf({ kind: kind as TestBroker['kind'], url }, JSON.parse(options))
const [reader] = await loggedSource(source, folder).open('s')
let wasIdle = false
for (;;) {
  const result = await reader!.pollBatch()
  const isIdle = result.kind === 'idle' && result.backlog === false
  if (result.kind === 'batch') writeSync(1, 'batch\n')
  else if (isIdle && !wasIdle) writeSync(1, 'idle\n')
  wasIdle = isIdle
}
