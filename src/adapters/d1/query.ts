export type Query = readonly [sql: string, values: readonly (string | number | null)[]];
