/**
 * A condition of an edge: a conjunction of clauses, each a disjunction of literals. Literal k + 1
 * is "condition k holds", -(k + 1) "condition k does not hold". No clause: always; an empty clause:
 * never.
 */
export type Guard = readonly (readonly number[])[];

export const ALWAYS: Guard = [];
export const NEVER: Guard = [[]];

/** That condition `index` holds. */
export function holds(index: number): Guard {
  return [[index + 1]];
}

export function and(...guards: readonly Guard[]): Guard {
  const clauses = guards.flat();
  return clauses.some((clause) => clause.length === 0) ? NEVER : clauses;
}

/** The opposite; multiplies out, so it is for short guards. */
export function not(guard: Guard): Guard {
  let clauses: number[][] = [[]];
  for (const clause of guard) {
    // Not (clause and rest) = every literal of the clause fails, or the rest does.
    clauses = clauses.flatMap((other) => clause.map((literal) => [...other, -literal]));
  }
  return clauses;
}

export function isNever(guard: Guard): boolean {
  return guard.some((clause) => clause.length === 0);
}
