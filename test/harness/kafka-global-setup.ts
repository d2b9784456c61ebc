import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { KafkaBroker } from './kafka-broker.ts'
import { findKafkaDistribution } from './kafka-distribution.ts'

/**
 * Keeps one broker for all test files of a run. They live in processes of their own, so they ask
 * for it by HTTP; the first that asks has it started.
 */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
  let starting: Promise<KafkaBroker> | undefined
  const start = () => {
    const distribution = findKafkaDistribution()
    if ('missing' in distribution) throw new Error(distribution.missing)
    return KafkaBroker.start({ directory, distribution })
  }
  const server = createServer(async (_, response) => {
    starting ??= Promise.resolve().then(start)
    await starting.then(
      ({ bootstrap }) => response.end(bootstrap),
      (error: Error) => response.writeHead(500).end(error.message),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  provide('sharedKafkaUrl', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  return async () => {
    server.close()
    server.closeAllConnections()
    await starting?.then((broker) => broker.kill()).catch(() => undefined)
    rmSync(directory, { recursive: true, force: true })
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    sharedKafkaUrl: string
  }
}
