type NumberArray = Float64Array | Int32Array | Uint16Array

/** A typed array twice as long, with the same beginning. */
export function twiceAsLong<A extends NumberArray>(array: A): A {
  const longer = new (array.constructor as new (length: number) => A)(array.length * 2)
  longer.set(array)
  return longer
}
