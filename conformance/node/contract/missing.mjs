/**
 * Facts of the contracts that do not hold yet, each with what is missing. A fact on this list must
 * fail: once it holds, the list is wrong.
 */
export const MISSING = {};
