export { Wal2jsonDecoder } from "./decoder.js";
