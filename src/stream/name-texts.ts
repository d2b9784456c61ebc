/** So many names are kept: they are those of rules, steps and streams, which are few. */
const namesMax = 10_000

/** `textOf` with what it made of names kept, for names that come again with each alert. */
export function keptByName(textOf: (name: string) => string): (name: string) => string {
  const texts = new Map<string, string>()
  return (name) => {
    const known = texts.get(name)
    if (known !== undefined) return known
    if (texts.size === namesMax) texts.clear()
    const text = textOf(name)
    texts.set(name, text)
    return text
  }
}
