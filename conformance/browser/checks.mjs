/** Runs checks one after the other, a line for each, and counts. */

let passed = 0;
let failed = 0;

/** A check that fails stops nothing: the others run, and the exit code tells. */
export async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    const reason = String(error?.message ?? error).split("\n").slice(0, 6).join("\n        ");
    console.log(`FAILED  ${name}\n        ${reason}`);
  }
}

export function hasFailures() {
  return failed > 0;
}

/** Prints the totals; the exit code of the process. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
