/**
 * Pins how a session prints values, whatever the role's and the database's settings are: a stream
 * and a copy of the same row then have the same bytes.
 */
export const PRINT_SETTINGS: Readonly<Record<string, string>> = {
  datestyle: "ISO",
  intervalstyle: "postgres",
  timezone: "UTC",
  bytea_output: "hex",
  extra_float_digits: "3",
  client_encoding: "UTF8",
};
