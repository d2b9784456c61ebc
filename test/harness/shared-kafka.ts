import { request } from 'node:http'
import { inject } from 'vitest'
import { findKafkaDistribution, type KafkaDistribution } from './kafka-distribution.ts'

const distribution = findKafkaDistribution()
const given = process.env.TOCSIN_TEST_KAFKA

/** Whether there is a broker for tests: `describe.skipIf(!hasKafka)` skips them by name. */
export const hasKafka = given !== undefined || !('missing' in distribution)

/** Whether tests may start and kill brokers of their own, and call Kafka's own tools. */
export const hasOwnKafka = !('missing' in distribution)

/**
 * The address of the broker that all test files share: that of TOCSIN_TEST_KAFKA, or one that is
 * started by the first who asks. Topics of a test take names of their own: `uniqueName`.
 */
export async function sharedKafka(): Promise<string> {
  if (given !== undefined) return given
  return await new Promise((resolve, reject) => {
    const asked = request(inject('sharedKafkaUrl'), async (response) => {
      let text = ''
      for await (const part of response.setEncoding('utf8')) text += part
      if (response.statusCode === 200) resolve(text)
      else reject(new Error(text))
    })
    asked.on('error', reject).end()
  })
}

/** For brokers of one's own, and Kafka's tools. */
export function ownKafka(): KafkaDistribution {
  if ('missing' in distribution) throw new Error(distribution.missing)
  return distribution
}

let names = 0

/** A name for a topic, group or job that no other test has. */
export function uniqueName(what: string): string {
  return `${what}-${process.pid}-${Date.now().toString(36)}-${names++}`
}
