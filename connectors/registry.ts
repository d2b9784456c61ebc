import type { Connector } from '../src/connector/connector.ts'
import { emailConnector } from './email/connector.ts'
import { fileConnector } from './file/connector.ts'
import { generatorConnector } from './generator/connector.ts'
import { kafkaConnector } from './kafka/connector.ts'
import { mqttConnector } from './mqtt/connector.ts'
import { nodeFileSystem } from './node-file-system.ts'
import { loadRocksDB, openRocksDBStateStore } from './rocksdb/connector.ts'
import { stdinConnector } from './stdin/connector.ts'
import { stdoutConnector } from './stdout/connector.ts'
import { webhookConnector } from './webhook/connector.ts'

/** Every connector that is built in, by name: the one list. */
export const connectors: ReadonlyMap<string, Connector> = new Map(
  [
    fileConnector,
    stdinConnector,
    stdoutConnector,
    generatorConnector,
    kafkaConnector,
    mqttConnector,
    emailConnector,
    webhookConnector,
  ].map((connector) => [connector.name, connector]),
)

/** What durable state of this machine is kept with. */
export const durableState = {
  files: nodeFileSystem,
  openStateStore: openRocksDBStateStore,
  /** Throws where the library of the state store cannot be loaded. */
  loadBinding: loadRocksDB,
} as const
