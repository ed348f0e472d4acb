/** Arrays in arrays. @param levels at least 1 */
export function nested(levels: number): unknown {
  return JSON.parse("[".repeat(levels) + "]".repeat(levels));
}
