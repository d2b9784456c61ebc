import { rocksdbStateStore } from './state-store.ts'

/** Opens the state of a job in RocksDB; the native library is loaded by the first call. */
export const openRocksDBStateStore = rocksdbStateStore()
