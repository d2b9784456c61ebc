import { type ApiServer, openApiServer } from './api-server.ts'
import type { Config } from './config.ts'
import { hostClock } from './host.ts'
import { addressText, isLoopback } from './listen-address.ts'
import type { Log } from './log.ts'
import { runMetrics } from './run-metrics.ts'
import type { RunMonitor } from './run-monitor.ts'

/**
 * Opens the HTTP interface of a run, where the configuration asks for one: `/healthz`, `/metrics`.
 * @throws {TocsinError} API_UNAVAILABLE
 */
export async function openRunApi(
  { api }: Config,
  monitor: RunMonitor,
  log: Log,
): Promise<ApiServer | null> {
  if (api === null) return null
  if (!isLoopback(api)) {
    log.warn(
      `api.listen is ${addressText(api)}: whoever reaches this machine can read health and metrics, ` +
        'and with them the names of streams, rules and sinks',
    )
  }
  const registry = runMetrics(monitor, () => hostClock.now())
  const server = await openApiServer(
    api,
    new Map([
      ['/healthz', async () => healthResponse(monitor)],
      [
        '/metrics',
        async () => ({
          status: 200,
          contentType: registry.contentType,
          body: await registry.metrics(),
        }),
      ],
    ]),
  )
  log.info(`health and metrics are at ${server.url}`, { url: server.url })
  return server
}

function healthResponse(monitor: RunMonitor) {
  const report = monitor.health()
  return {
    status: report.status === 'ok' ? 200 : 503,
    contentType: 'application/json',
    body: `${JSON.stringify(report)}\n`,
  }
}
