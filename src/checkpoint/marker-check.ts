import type { Marker } from '../connector/two-phase-commit-sink.ts'
import { TocsinError } from '../errors.ts'

/**
 * A job may go on from `checkpoint` only if the marker lies between what its state knows and that.
 * @throws {TocsinError} SINK_AHEAD, SINK_MARKER, naming the choices
 */
export function checkRestoredMarker(
  name: string,
  marker: Marker | undefined,
  checkpoint: number,
  committed: number | undefined,
): void {
  if (marker !== undefined && marker.checkpoint > checkpoint) {
    const state = checkpoint === 0 ? 'there is no state' : `the state ends at ${checkpoint}`
    throw new TocsinError(
      'SINK_AHEAD',
      `sink ${name} has committed checkpoint ${marker.checkpoint}, but ${state}: the alerts between ` +
        'would be sent twice or not at all. Choose: restore a checkpoint or savepoint of number ' +
        `${marker.checkpoint} or later; or start under another job id, which takes the sink as new ` +
        'and sends again, with the same ids, what is raised again',
    )
  }
  if (committed !== undefined && (marker === undefined || marker.checkpoint < committed)) {
    const found = marker === undefined ? 'has no marker' : `has marker ${marker.checkpoint}`
    throw new TocsinError(
      'SINK_MARKER',
      `sink ${name} ${found}, but the state says that it has committed checkpoint ${committed}: ` +
        'alerts may have been lost there. Choose: bring the marker back; or start under another ' +
        'job id, which takes the sink as new',
    )
  }
}

/** In a run the marker is what this job has committed: another one was set by somebody else. */
export function markerTakenOver(name: string, marker: Marker | undefined): TocsinError {
  const found = marker === undefined ? 'is gone' : `is ${marker.checkpoint}`
  const message = `the marker of sink ${name} ${found}: another instance of the job writes there; end one`
  return new TocsinError('SINK_MARKER', message)
}
