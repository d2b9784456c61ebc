/** The part of rocksdb-native 3.18.1 that is used here; the package has no types of its own. */
declare module 'rocksdb' {
  namespace RocksDB {
    interface Options {
      /** Default true. Without it the folder and a LOG in it are made all the same. */
      createIfMissing?: boolean
      /** Bytes of a memtable, default 64 MiB. */
      writeBufferSize?: number
      /** False: no cache of blocks, only the system's; else it has 32 MiB. Default true. */
      blockCache?: boolean
      /** Default true; must be false where there is no block cache. */
      tableCacheIndexAndFilterBlocks?: boolean
    }

    interface BatchOptions {
      /** Operations that room is made for at once. */
      capacity: number
    }

    interface ReadBatch {
      /** Settles in `flush`; null: there is none. */
      get(key: Buffer): Promise<Buffer | null>
      flush(): Promise<void>
      /** Without it the database never closes. */
      destroy(): void
    }

    interface WriteBatch {
      tryPut(key: Buffer, value: Buffer): void
      tryDelete(key: Buffer): void
      tryDeleteRange(start: Buffer, end: Buffer): void
      /** Writes to the memtable and, not synced, to the write-ahead log. */
      flush(): Promise<void>
      /** Without it the database never closes. */
      destroy(): void
    }

    interface Row {
      readonly key: Buffer
      readonly value: Buffer
    }

    interface Range {
      gte?: Buffer
      lt?: Buffer
    }

    interface RowStream extends AsyncIterable<Row> {
      /** Leaving a `for await` does the same. An iteration that is going on just ends. */
      destroy(): void
    }
  }

  class RocksDB {
    constructor(path: string, options?: RocksDB.Options)
    ready(): Promise<void>
    /** Of a snapshot: lets go of it. Of the database: waits for all that is open. */
    close(): Promise<void>
    read(options: RocksDB.BatchOptions): RocksDB.ReadBatch
    write(options: RocksDB.BatchOptions): RocksDB.WriteBatch
    /** Writes the memtable to a synced file and syncs the MANIFEST. */
    flush(): Promise<void>
    snapshot(): RocksDB
    iterator(range: RocksDB.Range, options: RocksDB.BatchOptions): RocksDB.RowStream
  }

  export = RocksDB
}
