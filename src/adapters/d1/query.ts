/** An SQL statement and the values to bind. */
export type Query = readonly [sql: string, values: readonly (string | number | null)[]];
