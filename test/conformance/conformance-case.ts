/** One case of Flink CEP's answers, in the format that `cases/flink-cep/README.md` describes. */
export interface ConformanceCase {
  readonly name: string
  readonly pattern: {
    readonly steps: readonly CaseItem[]
    readonly within?: number
    readonly skip?: {
      readonly strategy: string
      readonly step?: string
      readonly throwOnMiss?: boolean
    }
  }
  readonly events: readonly Readonly<Record<string, unknown>>[]
  readonly matches?: readonly CaseMatch[]
  readonly ordered?: boolean
  readonly timeouts?: readonly (CaseMatch & { readonly at: number })[]
  readonly late?: readonly number[]
  readonly rejected?: boolean
  readonly fails?: boolean
  readonly keyBy?: string
  readonly orderTiesBy?: string
  readonly watermarkLag?: number
  readonly watermarks?: readonly { readonly after: number; readonly wm: number }[]
  readonly flush?: boolean
}

/** Step → positions in `events`. */
export type CaseMatch = Readonly<Record<string, unknown>>

export interface CaseItem {
  readonly name?: string
  readonly where?: string
  readonly contiguity?: string
  readonly negated?: boolean
  readonly times?: { readonly min: number; readonly max?: number; readonly within?: number }
  readonly inner?: string
  readonly optional?: boolean
  readonly greedy?: boolean
  readonly until?: string
  readonly within?: number
  readonly steps?: readonly CaseItem[]
}
