import type { ConnectorError } from '../src/index.ts'
import type { RunToDo } from './run-to-do.ts'

/** Tells log and monitor of each attempt of a sink that failed and is made again. */
export function retryListener(sink: string, { log, monitor }: RunToDo) {
  return (failure: ConnectorError, waitMs: number) => {
    monitor.sinkFailed(sink, failure)
    log.warn(`${failure.message}; trying again in ${waitMs} ms`, { sink })
  }
}
