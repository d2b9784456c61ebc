/**
 * The part of kafkajs 2.2.4 below its public API that is used here: its connections, its metadata
 * and its requests, without its consumer. The package has types for its public API only.
 */
declare module 'kafkajs/src/cluster/index.js' {
  import type { logLevel } from 'kafkajs'

  namespace Cluster {
    interface Logger {
      namespace(name: string, level?: logLevel): Logger
      setLogLevel(level: logLevel): void
      error(message: string, extra?: object): void
      warn(message: string, extra?: object): void
      info(message: string, extra?: object): void
      debug(message: string, extra?: object): void
    }

    interface Options {
      logger: Logger
      brokers: readonly string[]
      socketFactory: unknown
      ssl: unknown
      sasl: unknown
      clientId: string
      connectionTimeout: number
      authenticationTimeout: number
      requestTimeout: number
      metadataMaxAge: number
      allowAutoTopicCreation: boolean
      /** 0 reads what is not committed too, 1 does not. */
      isolationLevel: 0 | 1
      retry: { retries: number; initialRetryTime: number; maxRetryTime: number }
    }

    /** A request and how its answer is read. */
    interface Exchange<Answer> {
      readonly request: unknown
      readonly response: {
        decode(bytes: Buffer): Promise<Answer>
        parse(answer: Answer): Promise<Answer>
      }
    }

    interface Broker {
      /** By number of the API. */
      readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number }>> | null
      readonly connectionPool: { send<Answer>(exchange: Exchange<Answer>): Promise<Answer> }
      offsetCommit(request: {
        groupId: string
        groupGenerationId: number
        memberId: string
        topics: readonly {
          topic: string
          partitions: readonly { partition: number; offset: string }[]
        }[]
      }): Promise<unknown>
    }

    interface PartitionMetadata {
      readonly partitionErrorCode: number
      readonly partitionId: number
      /** -1: there is none now. */
      readonly leader: number
    }
  }

  class Cluster {
    constructor(options: Cluster.Options)
    connect(): Promise<void>
    /** Waits for the requests that are under way. */
    disconnect(): Promise<void>
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>
    refreshMetadata(): Promise<void>
    findTopicPartitionMetadata(topic: string): Cluster.PartitionMetadata[]
    findBroker(node: { nodeId: number | string }): Promise<Cluster.Broker>
    findGroupCoordinator(group: { groupId: string }): Promise<Cluster.Broker>
    /** Offset -1: there is no record of that time or later. */
    fetchTopicsOffset(
      topics: readonly {
        topic: string
        partitions: readonly { partition: number }[]
        fromBeginning?: boolean
        fromTimestamp?: number
      }[],
    ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>
  }
  export = Cluster
}

declare module 'kafkajs/src/network/socketFactory.js' {
  import type { Socket } from 'node:net'

  function createSocketFactory(): (options: unknown) => Socket
  export = createSocketFactory
}

declare module 'kafkajs/src/protocol/error.js' {
  const protocolErrors: {
    createErrorFromCode(
      code: number,
    ): Error & { readonly type: string; readonly retriable: boolean }
  }
  export = protocolErrors
}

declare module 'kafkajs/src/protocol/requests/fetch/v11/request.js' {
  /** Encodes a Fetch request of version 11: Kafka 2.3 and later. */
  function fetchRequest(request: {
    replicaId: -1
    maxWaitTime: number
    minBytes: number
    maxBytes: number
    isolationLevel: 0 | 1
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[]
    }[]
    rackId: string
  }): unknown
  export = fetchRequest
}

declare module 'kafkajs-snappy' {
  function createCodec(): {
    compress(encoder: { readonly buffer: Buffer }): Promise<Uint8Array>
    /** Of raw snappy, and of the frames that the JVM client writes. */
    decompress(bytes: Buffer): Promise<Uint8Array>
  }
  export = createCodec
}
