/**
 * The candidate that a misspelt name most likely stands for, or `undefined` where none is near:
 * at most a third of the letters may differ, a swap of neighbours counting once.
 */
export function nearName(name: string, candidates: Iterable<string>): string | undefined {
  const lower = name.toLowerCase().slice(0, lettersMax)
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(lower.length / 3)) + 1
  for (const candidate of candidates) {
    if (candidate === name || Math.abs(candidate.length - lower.length) >= bestDistance) continue
    const distance = editDistance(lower, candidate.toLowerCase().slice(0, lettersMax))
    if (distance < bestDistance && distance < candidate.length) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** `: did you mean \`x\`?`, or nothing. */
export function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : `: did you mean \`${suggestion}\`?`
}

const lettersMax = 64

/** Optimal string alignment: Levenshtein's distance with swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      let distance = Math.min(
        (previous[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (previous[j - 1] as number) + cost,
      )
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, (beforePrevious[j - 2] as number) + 1)
      }
      row.push(distance)
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length] as number
}
