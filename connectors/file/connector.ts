import { resolve } from 'node:path'
import type { Connector } from '../../src/connector/connector.ts'

import { nodeFileSystem } from '../node-file-system.ts'
import { FileSink } from './sink.ts'
import { fileSource } from './source.ts'
import { TwoPhaseCommitFileSink } from './two-phase-commit-sink.ts'

/** NDJSON files, one JSON document a line. */
export const fileConnector: Connector = {
  name: 'file',
  source: {
    options: {
      type: 'object',
      description: 'Reads NDJSON files: one event a line. A name that ends in .gz is gunzipped.',
      properties: {
        path: {
          description: 'A file, or a list of files: each is a partition, in the order given.',
          type: ['string', 'array'],
          minLength: 1,
          minItems: 1,
          items: { type: 'string', minLength: 1 },
          examples: ['payments.ndjson', ['monday.ndjson.gz', 'tuesday.ndjson.gz']],
        },
      },
      required: ['path'],
      additionalProperties: false,
    },
    create({ path }, { directory }) {
      const paths = typeof path === 'string' ? [path] : (path as readonly string[])
      return fileSource(paths.map((each) => resolve(directory, each)))
    },
  },
  sink: {
    options: {
      type: 'object',
      description:
        'Writes one alert document a line. A bounded run shows the file, whole, at its end; a run ' +
        'with checkpoints appends to it with each, every alert once, and keeps PATH.commit beside it.',
      properties: {
        path: {
          description: 'The file; one that is there is replaced at the end of a bounded run.',
          type: 'string',
          minLength: 1,
          examples: ['alerts.ndjson'],
        },
      },
      required: ['path'],
      additionalProperties: false,
    },
    showsAtEnd: true,
    create: ({ path }, { directory }) => new FileSink(resolve(directory, path as string)),
    createTwoPhaseCommit: ({ path }, { directory, job }) =>
      new TwoPhaseCommitFileSink(nodeFileSystem, resolve(directory, path as string), job),
  },
}
