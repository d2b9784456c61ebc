import type { CheckpointHead } from '../checkpoint/checkpoint-store.ts'
import type { SideOutputPosition } from '../checkpoint/side-output-log.ts'
import type { SourcePosition } from '../connector/source.ts'
import { TocsinError } from '../errors.ts'
import type { SavedTime } from '../operator/operator-checkpoint.ts'
import type { JsonValue } from '../stream/alert.ts'
import type { OperatorLayout } from './operator-layout.ts'

/** The job's own part of a checkpoint. */
export interface SavedJob {
  readonly version: typeof savedJobVersion
  /** Whether the job had come to the end of its streams. */
  readonly isFinished: boolean
  /** By operator. */
  readonly operators: Readonly<Record<string, SavedOperator>>
  readonly splits: readonly SavedSplit[]
  readonly counts: JsonValue
  /** Where the side output ends; left out where there is none. */
  readonly sideOutput?: SideOutputPosition
}

export interface SavedOperator {
  /** What its entries and parts lie under. */
  readonly name: string
  readonly layout: OperatorLayout
}

export interface SavedSplit {
  readonly stream: string
  readonly partition: number
  /** `null`: at the beginning. */
  readonly position: SourcePosition | null
  /** Its greatest event time. */
  readonly greatest: SavedTime
}

/** A change of the form is a new number, and a step from the one before. */
export const savedJobVersion = 2

/**
 * The job's part of a checkpoint, whatever version wrote it; `null`: there is no checkpoint.
 * @throws {TocsinError} CHECKPOINT_CORRUPT for a version that is not known
 */
export function savedJobOf({
  number,
  job,
}: Pick<CheckpointHead, 'number' | 'job'>): SavedJob | null {
  if (number === 0) return null
  let form = job as { readonly version?: number }
  while (form.version !== savedJobVersion) {
    const step = steps[(form.version ?? 1) - 1]
    if (step === undefined) {
      const message = `the job's part of checkpoint ${number} has version ${form.version}, and this Tocsin knows ${savedJobVersion}: use the version that wrote it, or a later one`
      throw new TocsinError('CHECKPOINT_CORRUPT', message)
    }
    form = step(form)
  }
  return form as unknown as SavedJob
}

type Step = (form: { readonly version?: number }) => { readonly version: number }

/** Step i makes version i + 2 of version i + 1. */
const steps: readonly Step[] = [namedLayouts]

interface JobOfVersion1 {
  readonly isFinished: boolean
  readonly fingerprints: Readonly<Record<string, readonly string[]>>
  readonly splits: readonly SavedSplit[]
  readonly counts: JsonValue
}

/** Version 1 knew of its rules no more than their fingerprints: only the same rules can read it. */
function namedLayouts(form: { readonly version?: number }): SavedJob {
  const { isFinished, fingerprints, splits, counts } = form as unknown as JobOfVersion1
  const operators = Object.entries(fingerprints).map(([id, prints]): [string, SavedOperator] => {
    const rules = prints.map((fingerprint) => ({ id: '', fingerprint, dedupe: '' }))
    return [id, { name: id, layout: { rules, predicates: null, fields: null } }]
  })
  return { version: 2, isFinished, operators: Object.fromEntries(operators), splits, counts }
}
