import type { Connector } from '../../src/connector/connector.ts'
import { stdinSource } from './source.ts'

/** Events from the standard input, one JSON document a line. */
export const stdinConnector: Connector = {
  name: 'stdin',
  source: {
    options: {
      type: 'object',
      description: 'Reads NDJSON from the standard input, until it is closed.',
      properties: {},
      additionalProperties: false,
    },
    create: () => stdinSource(),
  },
}
