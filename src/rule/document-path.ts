/** Names and indexes from the document's root to a value. */
export type PathSegments = readonly (string | number)[]

/** Writes segments as `detect.sequence[1].where`; a name that would not read back is quoted. */
export function formatPath(segments: PathSegments): string {
  return segments.reduce<string>(joinPath, '')
}

/** A path with one more name or index at its end. */
export function joinPath(path: string, segment: string | number): string {
  if (typeof segment === 'number') return `${path}[${segment}]`
  if (!/^[\w$-]+$/.test(segment)) return `${path}[${JSON.stringify(segment)}]`
  return path === '' ? segment : `${path}.${segment}`
}

/** The path of the value that holds this one; `null` for the root. */
export function parentPath(path: string): string | null {
  if (path === '') return null
  const last = /(?:^|\.)[\w$-]+$|\[(?:\d+|"(?:[^"\\]|\\.)*")\]$/.exec(path)
  return last === null ? '' : path.slice(0, last.index)
}

/** The last name in a path, indexes left out; empty for the root. */
export function lastNameOf(path: string): string {
  return /([\w$-]+)(?:\[\d+\])*$/.exec(path)?.[1] ?? ''
}

/** Whether `path` is `ancestor` or lies below it. */
export function isWithin(path: string, ancestor: string): boolean {
  if (ancestor === '' || path === ancestor) return true
  return path.startsWith(ancestor) && /[.[]/.test(path.charAt(ancestor.length))
}

/** Reads a JSON pointer (RFC 6901) against a value: a name under an array is an index. */
export function segmentsOfPointer(pointer: string, root: unknown): (string | number)[] {
  let value = root
  return pointer
    .split('/')
    .slice(1)
    .map((part) => {
      const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const segment = Array.isArray(value) ? Number(name) : name
      value = (value as Record<string | number, unknown> | undefined)?.[segment]
      return segment
    })
}
