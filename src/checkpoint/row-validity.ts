/** Where what was written stands in the job's history. */
export interface RowTag {
  /** Number of the job's process, from 1 on: a process opens the state once. */
  readonly life: number
  /** The checkpoint that it belongs to. */
  readonly checkpoint: number
}

/** What a job's processes have left: as its row has it. */
export interface SavedLives {
  /** Number of the newest process. */
  readonly life: number
  /** Of earlier ones, the checkpoint that the next one went on from: what is beyond it does not count. */
  readonly ended: readonly (readonly [life: number, checkpoint: number])[]
}

/**
 * Tells which records of entries count. A process writes those of a checkpoint before it is complete,
 * and may die before it is: a later process numbers its checkpoints alike, so what is written says which
 * process wrote it too.
 */
export class RowValidity {
  /** Of this process. */
  readonly life: number
  /** The newest checkpoint that is complete. */
  committed: number
  readonly #ended: Map<number, number>

  constructor({ life, ended }: SavedLives, committed: number) {
    this.life = life
    this.#ended = new Map(ended)
    this.committed = committed
  }

  /** Whether what was written is what this process goes on from, or has written since. */
  isValid({ life, checkpoint }: RowTag): boolean {
    if (life === this.life) return true
    return checkpoint <= (this.#ended.get(life) ?? Number.MAX_SAFE_INTEGER)
  }

  /** Whether a complete checkpoint holds it. */
  isCommitted(tag: RowTag): boolean {
    return tag.checkpoint <= this.committed && this.isValid(tag)
  }
}

/** What to write when a process opens the state at this checkpoint. */
export function nextLife(saved: SavedLives | undefined, checkpoint: number): SavedLives {
  if (saved === undefined) return { life: 1, ended: [] }
  const { life, ended } = saved
  return { life: life + 1, ended: [...ended, [life, checkpoint]] }
}
