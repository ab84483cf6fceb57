export { PgoutputDecoder } from "./decoder.js";
