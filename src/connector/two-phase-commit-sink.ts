import type { ConnectorError } from '../errors.ts'
import type { SinkAlert } from './sink.ts'

/** What a sink has committed for a job. */
export interface Marker {
  /** The highest checkpoint whose alerts are committed; those without alerts leave no mark. */
  readonly checkpoint: number
}

/**
 * A sink that can take the alerts of a checkpoint and the mark "this checkpoint is done" in one
 * step, and so holds each alert exactly once. It keeps no transaction open across a checkpoint: the
 * alerts lie in the checkpoint (D6), and the sink is told of them when that is durable.
 *
 * In a run:
 * 1. The barrier of checkpoint N freezes the alerts staged since N - 1; they become a part of N.
 * 2. When N is durable, `commit(N, alerts)` is called; checkpoints come in ascending order, and one
 *    without alerts for this sink is not committed at all.
 * 3. When a commit fails, nobody knows what the outside holds. The sink throws away whatever it had
 *    open; `init` is called before anything else, and its marker decides whether N is sent again.
 *
 * After a crash:
 * 1. `init` fences older instances of the job where the system can, settles what they left half
 *    done (carries through or takes back, by whether its marker counts), and then reads the marker.
 * 2. A marker beyond the restored checkpoint, or behind what the restored state knows to be
 *    committed, stops the job before anything is sent.
 * 3. Checkpoints that the state holds beyond the marker are committed again, in order.
 *
 * A marker belongs to a job's id: another job's is never read as this one's.
 */
export interface TwoPhaseCommitSink {
  /**
   * The marker; undefined: nothing was ever committed. Called first, and again after each failure.
   * @throws {ConnectorError} OUTPUT_UNWRITABLE: not reachable; SINK_MARKER: marked by another job
   */
  init(): Promise<Marker | undefined>
  /**
   * Makes the alerts visible and moves the marker to `checkpoint`, both or neither. Harmless for a
   * checkpoint that the marker covers.
   * @param alerts in order; none only where `refusalOf` refuses all of the checkpoint
   * @throws {ConnectorError} what happened is unknown until `init`; SINK_MARKER: a newer instance
   *   of the job has taken over
   */
  commit(checkpoint: number, alerts: readonly SinkAlert[]): Promise<void>
  /**
   * Why the system will never take this alert; undefined: it would. Asked after `init`; what is
   * refused is given to no `commit`. It follows from the alert and from what `init` has learned, so
   * that after a crash the same alerts are refused. Default: each is taken.
   */
  refusalOf?(alert: SinkAlert): ConnectorError | undefined
  /** Lets go of what is held outside. What was committed stays. */
  close(): Promise<void>
}
