// The program that the crash test kills: `killed-committer BOOTSTRAP TOPIC JOB STATE CRASH` commits
// two checkpoints of three alerts each, with its state in the file STATE, as a job does. CRASH is
// `before N` or `after N`: it kills itself before or after it has sent the N-th request that counts.
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { Socket } from 'node:net'
import { connectors } from '../../../connectors/registry.ts'
import type { SinkAlert } from '../../../src/connector/sink.ts'

const [bootstrap = '', topic = '', job = '', state = '', crash = ''] = process.argv.slice(2)
const [moment, index] = crash.split(' ')

/** Fetch, InitProducerId, AddPartitionsToTxn, Produce, EndTxn: those that a marker or alert rides on. */
const counted = [1, 22, 24, 0, 26]
const plainWrite = Socket.prototype.write as (this: Socket, ...given: unknown[]) => boolean
let requests = 0
Socket.prototype.write = function write(this: Socket, bytes: unknown, ...rest: unknown[]) {
  // A request begins with its length and its kind.
  const isCounted = Buffer.isBuffer(bytes) && counted.includes(bytes.readInt16BE(4))
  if (!isCounted || ++requests !== Number(index)) return plainWrite.call(this, bytes, ...rest)
  if (moment === 'before') process.kill(process.pid, 'SIGKILL')
  return plainWrite.call(this, bytes, () => process.kill(process.pid, 'SIGKILL'))
} as typeof Socket.prototype.write

const { sink } = connectors.get('kafka')!
const options = { brokers: [bootstrap], topic, transaction_timeout: '10s' }
const committing = sink!.createTwoPhaseCommit!(options, { directory: '', job, sink: topic })
const restored = existsSync(state) ? Number(readFileSync(state, 'utf8')) : 0
const marker = await committing.init()
for (let checkpoint = (marker?.checkpoint ?? 0) + 1; checkpoint <= 2; checkpoint++) {
  // What the state holds beyond the marker is committed again; the rest becomes durable first.
  if (checkpoint > restored) writeState(checkpoint)
  await committing.commit(checkpoint, alertsOf(checkpoint))
}
await committing.close()
process.stdout.write(`${requests}\n`)
process.exit()

function alertsOf(checkpoint: number): SinkAlert[] {
  return ['a', 'b', 'c'].map((card) => {
    const id = `${job}/${checkpoint}/${card}`
    return { id, document: JSON.stringify({ id, by: { card } }) }
  })
}

function writeState(checkpoint: number): void {
  const file = openSync(`${state}.next`, 'w')
  writeSync(file, String(checkpoint))
  fsyncSync(file)
  closeSync(file)
  renameSync(`${state}.next`, state)
}
