/** The text of a file, as Vite imports it. */
declare module "*.sql?raw" {
  const sql: string;
  export default sql;
}
