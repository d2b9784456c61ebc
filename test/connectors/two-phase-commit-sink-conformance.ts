import { expect, it } from 'vitest'
import type { SinkAlert } from '../../src/connector/sink.ts'
import type { TwoPhaseCommitSink } from '../../src/connector/two-phase-commit-sink.ts'

/** An outside that instances of a sink write to. */
export interface SinkOutside {
  /** A new instance for a job. */
  instance(job: string): TwoPhaseCommitSink
  /** The documents that its readers see, in order. */
  documents(): Promise<readonly string[]>
}

export const alertOf = (name: string): SinkAlert => ({ id: name, document: `{"name":"${name}"}` })

const alerts = (...names: string[]) => names.map(alertOf)
const documents = (...names: string[]) => alerts(...names).map(({ document }) => document)

/** What every `TwoPhaseCommitSink` must keep. `make` gives a fresh outside. */
export function twoPhaseCommitConformance(make: () => Promise<SinkOutside> | SinkOutside): void {
  it('has no marker before the first commit', async () => {
    const outside = await make()
    const first = outside.instance('job')
    const markers = [await first.init(), await first.init()]
    await first.close()
    markers.push(await outside.instance('job').init())
    expect([markers, await outside.documents()]).toEqual([[undefined, undefined, undefined], []])
  })

  it('shows the alerts of each commit, in order, and gives its number as the marker', async () => {
    const outside = await make()
    const sink = outside.instance('job')
    await sink.init()
    const seen: unknown[] = []
    await sink.commit(3, alerts('a', 'ä€😀'))
    seen.push(await outside.documents())
    await sink.commit(4, alerts('c'))
    await sink.commit(900_000_000_000, alerts('d'))
    seen.push(await outside.documents(), await sink.init())
    await sink.close()
    seen.push(await outside.instance('job').init())
    const all = documents('a', 'ä€😀', 'c', 'd')
    const marker = { checkpoint: 900_000_000_000 }
    expect(seen).toEqual([all.slice(0, 2), all, marker, marker])
  })

  it('takes no harm from a checkpoint that is committed again', async () => {
    const outside = await make()
    const first = outside.instance('job')
    await first.init()
    await first.commit(1, alerts('a'))
    await first.commit(1, alerts('a'))
    await first.commit(2, alerts('b'))
    await first.commit(1, alerts('a'))
    const second = outside.instance('job')
    await second.init()
    await second.commit(2, alerts('b'))
    await second.commit(3, alerts('c'))
    expect(await outside.documents()).toEqual(documents('a', 'b', 'c'))
  })

  it('takes many alerts and large ones', async () => {
    const outside = await make()
    const sink = outside.instance('job')
    await sink.init()
    const many = Array.from({ length: 3000 }, (_, i) => alertOf(`${i} ${'x'.repeat(i % 500)}`))
    await sink.commit(1, many)
    await sink.commit(2, [alertOf('y'.repeat(900_000))])
    expect(await outside.documents()).toEqual([
      ...many.map(({ document }) => document),
      alertOf('y'.repeat(900_000)).document,
    ])
  })

  it('never gives the marker of another job', async () => {
    const outside = await make()
    const first = outside.instance('one')
    await first.init()
    await first.commit(7, alerts('a'))
    await first.close()
    const marker = await outside
      .instance('two')
      .init()
      .catch((error: { code: string }) => error.code)
    expect([undefined, 'SINK_MARKER']).toContain(marker)
  })

  it('lets an older instance commit nothing once a newer one is there', async () => {
    const outside = await make()
    const older = outside.instance('job')
    await older.init()
    await older.commit(1, alerts('a'))
    const newer = outside.instance('job')
    await newer.init()
    await expect(older.commit(2, alerts('of the older'))).rejects.toMatchObject({
      code: 'SINK_MARKER',
      retryable: false,
    })
    await newer.commit(2, alerts('b'))
    expect(await outside.documents()).toEqual(documents('a', 'b'))
  })
}
