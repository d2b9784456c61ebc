/** What the promise gives, if it does so in time. @throws {unknown} what `late` makes, if not */
export async function withinMs<Value>(
  promise: Promise<Value>,
  milliseconds: number,
  late: () => unknown,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds)
  })
  try {
    return await Promise.race([promise, tooLate])
  } finally {
    clearTimeout(timer)
  }
}
