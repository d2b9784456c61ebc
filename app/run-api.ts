import { type ApiServer, openApiServer } from './api-server.ts'
import { hostClock } from './host.ts'
import { addressText, isLoopback } from './listen-address.ts'
import { runMetrics } from './run-metrics.ts'
import type { RunToDo } from './run-to-do.ts'

/**
 * Opens the HTTP interface of a run, where the configuration asks for one: `/healthz`, `/metrics`,
 * `/api/rules`.
 * @throws {TocsinError} API_UNAVAILABLE
 */
export async function openRunApi(todo: RunToDo): Promise<ApiServer | null> {
  const { monitor, rules, log } = todo
  const { api } = todo.config
  if (api === null) return null
  if (!isLoopback(api)) {
    log.warn(
      `api.listen is ${addressText(api)}: whoever reaches this machine can read health, metrics and ` +
        'rules, and with them the names of streams and sinks',
    )
  }
  const registry = runMetrics(monitor, rules, () => hostClock.now())
  const server = await openApiServer(
    api,
    new Map([
      ['/healthz', async () => healthResponse(todo)],
      ['/api/rules', async () => json(200, rulesDocument(todo))],
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

/** Rules on disk that are not good are told of, but stall nothing. */
function healthResponse({ monitor, rules, config }: RunToDo) {
  const report = monitor.health()
  const reasons = report.reasons.map(config.conceal)
  const rejected = rules.lastReload?.outcome === 'rejected' ? { rules: 'rejected' } : {}
  return json(report.status === 'ok' ? 200 : 503, { ...report, reasons, ...rejected })
}

function rulesDocument({ rules, config }: RunToDo) {
  const last = rules.lastReload
  return {
    rules: rules.current.map(({ rule: { id, version, mode, file, fingerprint } }) => ({
      id,
      version,
      mode,
      file,
      fingerprint,
    })),
    last_reload:
      last === null
        ? null
        : { ...last, problems: last.problems.map((each) => config.conceal(each)) },
  }
}

function json(status: number, document: unknown) {
  return { status, contentType: 'application/json', body: `${JSON.stringify(document)}\n` }
}
