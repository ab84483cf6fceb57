import { TidemarkError } from "../../core/errors.js";

/** What went wrong in one evaluation, by PostgreSQL's condition names (manual, appendix A). */
export type Reason = keyof typeof SQLSTATES;

const SQLSTATES = {
  numeric_value_out_of_range: "22003",
  division_by_zero: "22012",
  invalid_text_representation: "22P02",
  invalid_datetime_format: "22007",
  datetime_field_overflow: "22008",
  invalid_parameter_value: "22023",
  invalid_escape_sequence: "22025",
  invalid_regular_expression: "2201B",
  invalid_argument_for_width_bucket: "2201G",
  invalid_argument_for_power: "2201F",
  substring_error: "22011",
  string_data_right_truncation: "22001",
  untranslatable_character: "22P05",
  null_value_not_allowed: "22004",
  array_subscript_error: "2202E",
  program_limit_exceeded: "54000",
  feature_not_supported: "0A000",
  unchanged_toast: "XX000",
} as const;

/**
 * EXPRESSION_FAILED without a place, which the caller of the failing function adds. The sentence
 * says what is wrong and never holds a value.
 */
export function fault(reason: Reason, sentence: string): TidemarkError {
  return new TidemarkError("EXPRESSION_FAILED", sentence, {
    detail: { reason, sqlstate: SQLSTATES[reason] },
  });
}
