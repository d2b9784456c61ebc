/** The functions that expressions may call. */
export type FunctionName = string
