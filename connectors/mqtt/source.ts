import type { Source } from '../../src/connector/source.ts'
import { connectToBroker } from './connection.ts'
import { clientIdOf, type MQTTSourceOptions, MQTTSourceReader } from './source-reader.ts'

/**
 * A source of one split over the messages of topics. It keeps nothing itself: messages are confirmed
 * to the broker when an ingest log has them. Without one its session ends with its connection.
 */
export function mqttSource(options: MQTTSourceOptions): Source {
  return {
    bounded: false,
    live: true,
    // Nothing is connected before the first poll: until then the reader may be told what was kept.
    open: async (stream) => [new MQTTSourceReader({ stream, partition: 0 }, options)],
    async checkConnection() {
      // Not as the client of a job that may be running: that would end its connection.
      const clientId = `${clientIdOf(options, 'check')}-check`
      const session = { clientId, clean: true }
      const connection = await connectToBroker(options.connection, session, 'INPUT_UNREADABLE')
      await connection.close()
    },
  }
}
