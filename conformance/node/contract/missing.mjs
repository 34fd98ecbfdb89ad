/**
 * Facts of the contracts that do not hold yet, by file (`plain` for `plain.test.mjs`), each with
 * what is missing. A fact on this list must fail: once it holds, the list is wrong.
 */
export const MISSING = {};
