import { loadBinding } from './binding.ts'
import { rocksdbStateStore } from './state-store.ts'

/** Opens the state of a job in RocksDB; the native library is loaded by the first call. */
export const openRocksDBStateStore = rocksdbStateStore()

/** Loads the native library. @throws {TocsinError} STATE_BINDING_MISSING, which says what is missing */
export async function loadRocksDB(): Promise<void> {
  await loadBinding()
}
