import { describe, expect, it } from 'vitest'
import { connectors } from '../../../connectors/registry.ts'
import type { TwoPhaseCommitSink } from '../../../src/connector/two-phase-commit-sink.ts'
import { consoleConsume, createTopic } from '../../harness/kafka-tools.ts'
import { hasOwnKafka, ownKafka, sharedKafka, uniqueName } from '../../harness/shared-kafka.ts'
import { twoPhaseCommitConformance } from '../two-phase-commit-sink-conformance.ts'

/** A sink as the connector makes it. */
function makeSink(
  bootstrap: string,
  topic: string,
  job: string,
  more: Readonly<Record<string, unknown>> = {},
): TwoPhaseCommitSink {
  const { sink } = connectors.get('kafka')!
  const options = { brokers: [bootstrap], topic, ...more }
  return sink!.createTwoPhaseCommit!(options, { directory: '', job, sink: topic })
}

describe.skipIf(!hasOwnKafka)(
  'a Kafka sink that commits with checkpoints',
  {
    timeout: 120_000,
  },
  () => {
    twoPhaseCommitConformance(async () => {
      const bootstrap = await sharedKafka()
      const topic = uniqueName('alerts')
      await createTopic(bootstrap, topic, 1, { 'max.message.bytes': '4000000' })
      return {
        instance: (job) => makeSink(bootstrap, topic, job),
        async documents() {
          const seen = await consoleConsume(ownKafka(), bootstrap, topic, { silenceMs: 2000 })
          return seen.map(({ value }) => value)
        },
      }
    })
    void expect
    void it
  },
)
