import type { Connector } from '../../src/connector/connector.ts'
import { StdoutSink } from './sink.ts'

/** Alerts to the standard output, one JSON document a line. */
export const stdoutConnector: Connector = {
  name: 'stdout',
  sink: {
    options: {
      type: 'object',
      description: 'Writes one alert document a line to the standard output.',
      properties: {},
      additionalProperties: false,
    },
    create: () => new StdoutSink(),
  },
}
