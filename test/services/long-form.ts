/** Whether tests take the time that the fault table speaks of (docs/reliability.md). */
export const LONG_FORM: boolean = process.env["TIDEMARK_TEST_LONG"] === "1";
