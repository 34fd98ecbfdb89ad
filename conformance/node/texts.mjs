/** Texts that have gone wrong somewhere before. */

/** Each named text as raw JSON, in every way of writing it that JSON has. */
export const JSON_TEXTS = {
  "plain text": ['"Hello, room"', '""', '" "', `"${"a".repeat(200)}"`],
  emoji: ['"😀 👩‍👩‍👧‍👦 🏳️‍🌈 é ü 漢字"', '"\\ud83d\\ude00"', '"\\uD83D\\uDE00 \\u00e9"'],
  "every short escape": ['"\\" \\\\ \\/ \\b \\f \\n \\r \\t"', '"/ \\\\/ \\\\\\""', '"\\\\u0041"'],
  "every control character": [`"${controls().map(escaped).join("")}"`],
  "U+0000 and the record separator": ['"a\\u0000b"', '"a\\u001eb"', '"\\u001e"', '"\\u0000"'],
  "line and paragraph separators": ['"a\\u2028b\\u2029c"', '"a\u2028b\u2029c"'],
  "U+007F, U+FEFF, U+FFFF": ['"\\u007f\\ufeff\\uffff"', '"\u007f\ufeff\uffff"', '"\ufeff"'],
  "what other protocols mean something by": [
    '"42[\\"say\\",1]"',
    '"data: x\\n\\nevent: said\\ndata: y"',
    '"a[\\"x\\"]"',
    '"{\\"type\\":7}\\u001e"',
    '"\\"]}\\u001e{\\"type\\":1,\\"target\\":\\"said\\",\\"arguments\\":[]}\\u001e"',
    '"</script>"',
  ],
};

/** Halves of surrogate pairs, which JSON can hold and UTF-8 cannot. */
export const LONE_SURROGATES = ['"\\ud800"', '"a\\udc00b"', '"\\ude00\\ud83d"', '"\\uDBFF!"'];

/** A text of this length that shows where it was cut. */
export function longText(length) {
  const count = Math.ceil(length / 10);
  const numbered = Array.from({ length: count }, (_, index) => `${index}`.padStart(9, ".") + " ");
  return numbered.join("").slice(0, length);
}

function controls() {
  return Array.from({ length: 0x20 }, (_, code) => code);
}

function escaped(code) {
  return `\\u${code.toString(16).padStart(4, "0")}`;
}
