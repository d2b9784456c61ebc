// The program that the kill test kills: `killed-writer DIRECTORY SEED FIRST` writes batch FIRST and
// those after it, and says the number of each that was flushed.
import { writeSync } from 'node:fs'
import { Random } from '../../connectors/generator/random.ts'
import { rocksdbStateStore } from '../../connectors/rocksdb/state-store.ts'
import type { StoreChange } from '../../src/connector/state-store.ts'

const [directory = '', seed = '0', first = '1'] = process.argv.slice(2)
const random = new Random(Number(seed))
const store = await rocksdbStateStore({ writeBufferBytes: 64 << 10, flushesPerLogCut: 7 })(
  directory,
  { firstStart: first === '1' },
)
for (let batch = Number(first); ; ) {
  const writes = random.integer(1, 3)
  for (let i = 0; i < writes; i++) await store.write(changesOf(batch + i))
  await store.flush()
  batch += writes
  writeSync(1, `${batch - 1}\n`)
}

/** Every batch gives every row its number, takes away the extra rows, and puts some anew. */
function changesOf(batch: number): StoreChange[] {
  const value = Buffer.alloc(random.integer(20, 400), `${batch} `)
  const changes: StoreChange[] = [
    { kind: 'put', key: Buffer.from('batch'), value },
    { kind: 'deleteRange', gte: Buffer.from('extra-'), lt: Buffer.from('extra.') },
  ]
  for (let row = 0; row < 150; row++) {
    changes.push({ kind: 'put', key: Buffer.from(`row-${row}`), value })
  }
  for (let row = 0; row < batch % 5; row++) {
    changes.push({ kind: 'put', key: Buffer.from(`extra-${row}`), value })
  }
  return changes
}
