import { describe, expect, it } from 'vitest'
import { noRecords } from '../../src/checkpoint/ingest-frame.ts'
import type { IngestLog } from '../../src/checkpoint/ingest-log.ts'
import type { FileSystem } from '../../src/connector/file-system.ts'
import type { ReceiptLedger } from '../../src/connector/source.ts'
import { crashEverywhere } from '../simulation/crash-runs.ts'
import type { SimulatedMachine } from '../simulation/simulated-machine.ts'
import { directory, openLog, recordsOf, simulatedFiles, textsOf } from './ingest-log-records.ts'

/** A ledger that is a list of words. */
class WordLedger implements ReceiptLedger {
  words: string[] = []

  add(receipt: Uint8Array): void {
    this.words.push(...Buffer.from(receipt).toString().split(' '))
  }

  snapshot(): Uint8Array | undefined {
    return this.words.length === 0 ? undefined : Buffer.from(this.words.join(' '))
  }
}

const receiptOf = (word: string) => ({ receipt: Buffer.from(word) })

async function openKept(files: FileSystem, segmentBytes = 300) {
  const ledger = new WordLedger()
  return { ledger, log: await openLog(files, { segmentBytes, ledger }) }
}

describe('receipts in an ingest log', () => {
  it('are there again, with and without records, also of segments that are gone', async () => {
    const files = await simulatedFiles()
    const first = await openKept(files)
    expect(first.ledger.words).toEqual([])
    const words = Array.from({ length: 40 }, (_, i) => `w${i}`)
    for (const word of words) {
      const records = word.endsWith('3') ? noRecords : recordsOf([`${word} with some length`])
      await first.log.append({ ...records, ...receiptOf(word) })
    }
    await first.log.append(recordsOf(['no receipt']))
    await first.log.truncate(first.log.end)
    await first.log.close()
    expect(await files.list(directory)).toHaveLength(1)
    const second = await openKept(files)
    expect([first.ledger.words, second.ledger.words]).toEqual([words, words])
    expect((await textsOf(second.log)).at(-1)).toBe('no receipt')
  })

  it('fail the log where the segment that holds them is damaged', async () => {
    const files = await simulatedFiles()
    const { log } = await openKept(files)
    await log.append({ ...recordsOf(['x'.repeat(400)]), ...receiptOf('one') })
    await log.close()
    const [name] = await files.list(directory)
    const size = (await files.inspect(`${directory}/${name}`))!.size
    // As a start of the next segment leaves it that came no further than its head.
    const next = await openLog(files, { segmentBytes: 300 })
    files.watch = {
      before: (operation, path) => {
        if (operation === 'append' && !path.endsWith(name!)) throw new Error('killed')
      },
    }
    await expect(next.append(recordsOf(['y']))).rejects.toThrow('killed')
    files.watch = {}
    const file = await files.openFile(`${directory}/${name}`, 'existing')
    await file.truncate(size - 1)
    await file.close()
    await files.openFile(`${directory}/0000000000000001.log`, 'either')
    await expect(openKept(files)).rejects.toMatchObject({ code: 'INGEST_LOG_CORRUPT' })
  })

  it('are damaged, and not half written, where others stand behind them', async () => {
    const files = await simulatedFiles()
    const { log } = await openKept(files)
    for (const word of ['one', 'two']) await log.append({ ...noRecords, ...receiptOf(word) })
    await log.close()
    const path = `${directory}/${(await files.list(directory))[0]}`
    const at = (await files.readFile(path)).indexOf('one')
    const file = await files.openFile(path, 'existing')
    await file.writeAt(at, Buffer.from('0'))
    await file.close()
    await expect(openKept(files)).rejects.toMatchObject({ code: 'INGEST_LOG_CORRUPT' })
  })

  it.each([
    ['kill', 6],
    ['power', 30],
  ] as const)('say after a crash exactly what the records do: %s', async (crash, seeds) => {
    const faults: string[] = []
    const crashes = await crashEverywhere(crash, seeds, () => {
      let acknowledged: readonly string[] = []
      let appended: readonly string[] = []
      return async ({ files }: SimulatedMachine) => {
        const { log, ledger } = await openKept(files)
        const words = [...ledger.words]
        // The last record that is held names its receipt; none stands before the one that is asked.
        const held = (await textsOf(log)).at(-1)?.split(' ')[0]
        const isPrefix = words.every((word, index) => word === appended[index])
        const rest = held === undefined ? [] : words.slice(words.indexOf(held) + 1)
        const fits = held === undefined || (words.includes(held) && rest.every(isBare))
        if (!isPrefix || !fits || words.length < acknowledged.length) {
          faults.push(`acknowledged ${acknowledged}, held ${held}, but receipts say ${words}`)
        }
        acknowledged = words
        appended = words
        for (let round = 0; round < 5; round++) {
          const number = appended.length
          const pair = [`r${number}`, `b${number + 1}`] as const
          appended = [...appended, ...pair]
          await Promise.all([
            // Also while a new segment is begun.
            round % 2 === 1 ? cutWhileWriting(log) : undefined,
            log.append({ ...recordsOf([`${pair[0]} with some length`]), ...receiptOf(pair[0]) }),
            log.append({ ...noRecords, ...receiptOf(pair[1]) }),
          ])
          acknowledged = appended
        }
        await log.close()
      }
    })
    expect(faults.slice(0, 5)).toEqual([])
    expect(crashes).toBeGreaterThan(seeds * 30)
  })
})

async function cutWhileWriting(log: IngestLog): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    await log.truncate(log.end)
    await null
  }
}

const isBare = (word: string) => word.startsWith('b')
