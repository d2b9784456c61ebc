import type { StateStore } from '../connector/state-store.ts'
import {
  entriesPrefix,
  entryPrefix,
  keyGroupOfEntryKey,
  keyOfEntryKey,
  rangeOf,
  sideOfEntryKey,
} from './checkpoint-row.ts'
import { type FoundRow, newestRow } from './entry-reads.ts'
import type { RowTag } from './entry-row.ts'

/** All rows of entries in a key group. */
export interface GroupRows {
  readonly keyGroup: number
  /** By side and canonical key. */
  readonly sides: readonly [ReadonlyMap<string, Buffer>, ReadonlyMap<string, Buffer>]
}

const rowsOfList = 500

/**
 * Reads the rows of an operator, one key group after the other, from `keyGroup` on: as they were when
 * the first ones were read.
 * @param pause called after each list of rows
 */
export async function* groupRows(
  store: StateStore,
  operator: string,
  keyGroup: number,
  pause: () => Promise<void>,
): AsyncIterable<GroupRows> {
  const gte = entryPrefix(operator, keyGroup, 0)
  const { lt } = rangeOf(entriesPrefix(operator))
  let group = emptyGroup(-1)
  for await (const rows of store.iterate({ gte, lt }, rowsOfList)) {
    for (const { key, value } of rows) {
      const at = keyGroupOfEntryKey(key)
      if (at !== group.keyGroup) {
        if (group.keyGroup >= 0) yield group
        group = emptyGroup(at)
      }
      group.sides[sideOfEntryKey(key)].set(keyOfEntryKey(key), value)
    }
    await pause()
  }
  if (group.keyGroup >= 0) yield group
}

/** The keys that a key group has rows of. */
export function keysOf({ sides }: GroupRows): Set<string> {
  return new Set([...sides[0].keys(), ...sides[1].keys()])
}

/** The newest row of a key, of those that count. @throws {TocsinError} CHECKPOINT_CORRUPT */
export function newestOf(
  key: string,
  { sides }: GroupRows,
  directory: string,
  counts: (tag: RowTag) => boolean,
): FoundRow | undefined {
  return newestRow(sides[0].get(key), sides[1].get(key), directory, counts)
}

function emptyGroup(keyGroup: number) {
  return { keyGroup, sides: [new Map<string, Buffer>(), new Map<string, Buffer>()] } as const
}
