/**
 * The demo page in a real browser: six clients connect, and what each says comes out of the others.
 *
 *     BASE_URL=http://127.0.0.1:8080 node demo.mjs
 *
 * Wants Debian's Chromium (or CHROMIUM=path) and a server with the built page at /.
 */

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { check, finish, hasFailures } from "./checks.mjs";

const BASE_URL = process.env.BASE_URL;
const PICTURES = fileURLToPath(new URL("../../out/", import.meta.url));
const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** Slug of the panel, its protocol, and what it says. */
const PANELS = [
  ["websocket", "WebSocket", 'Hello from a bare "WebSocket" 👋'],
  ["socketio", "Socket.IO", "Began with polling, upgraded since 🚀"],
  ["signalr", "SignalR", "An invocation to me, a frame to you 🛰️"],
  ["sockjs", "SockJS", "Old, yes. Still talking 🧦"],
  ["sse", "SSE", "I only listen; I speak by POST 📡"],
  ["poll", "Long polling", "Had to ask for each of these 🔁"],
];

/** Each of these would break something careless: a page, a frame, a record, a line, a regexp. */
const HAZARDS = [
  `</script><img src=x onerror="document.title='broken'"><!--`,
  "U+2028 \u2028 and U+2029 \u2029, not line ends",
  `"],"target":"forged","arguments":["`,
  "\u001e a SignalR record separator, \u0000 and \u007f",
  "\\ \\\\ \\u0041 \\n \t 'single' \"double\" `back`",
  "👨‍👩‍👧‍👦 🏴󠁧󠁢󠁷󠁬󠁳󠁿 עברית العربية 漢字 e\u0301 \ufeff",
  "  42[]  a[] o h c[3000] data: x id: 7  ",
  "null",
];

if (!BASE_URL) {
  console.error("BASE_URL is not set, say BASE_URL=http://127.0.0.1:8080");
  process.exit(2);
}
mkdirSync(PICTURES, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
await check("the test ran to its end", () => run(browser));
await browser.close();
process.exit(finish());

async function run(browser) {
  const complaints = [];
  const page = await open(browser, { viewport: WIDE, colorScheme: "light" }, complaints);
  await connecting(page);
  // Everything else would only wait for what isn't there.
  if (hasFailures()) throw new Error(`not all clients are in the room: ${complaints.join("; ")}`);
  await surviving(page);
  await talking(page);
  await looking(page);
  await keyboard(page);
  await leaving(page);
  await page.context().close();
  await phone(browser, complaints);
  await check("no error in the console, no request outside the server", () =>
    assert.deepEqual(complaints, []),
  );
}

async function open(browser, options, complaints) {
  const context = await browser.newContext({ reducedMotion: "reduce", ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== new URL(BASE_URL).origin && !["data:", "blob:"].includes(protocol)) {
      complaints.push(`request to ${request.url()}`);
    }
  });
  await page.goto(BASE_URL);
  return page;
}

async function connecting(page) {
  await check("the page is called Omniwire", async () => assert.equal(await page.title(), "Omniwire"));
  for (const [slug, protocol] of PANELS) {
    await check(`${protocol}: connected`, () => hasText(part(page, slug, "state"), "connected"));
  }
  for (const slug of ["websocket", "socketio", "signalr", "sockjs"]) {
    await check(`${slug}: carried by a WebSocket`, () => hasText(part(page, slug, "transport"), "websocket"));
  }
  await check("sse: carried by an event stream", () => hasText(part(page, "sse", "transport"), "event-stream"));
  await check("poll: carried by long polls", () => hasText(part(page, "poll", "transport"), "long-polling"));
  for (const [slug, protocol] of PANELS) {
    await check(`${protocol}: has a round-trip time`, () => hasText(part(page, slug, "rtt"), /^[\d.]+ ms$/));
  }
  await check("each panel knows the name the server gave it", async () => {
    for (const [slug] of PANELS) await until(page, slug, "name", (input) => input.value !== "");
  });
  await check("the room's members are ours, one of each protocol", async () => {
    const own = page.locator("[data-testid=member][data-own]");
    await own.nth(PANELS.length - 1).waitFor();
    assert.equal(await page.getByTestId("member-count").textContent(), String(await page.getByTestId("member").count()));
    const protocolOf = (members) => members.map(({ dataset }) => dataset.protocol);
    const protocols = await own.evaluateAll(protocolOf);
    assert.deepEqual(protocols.sort(), PANELS.map(([, protocol]) => protocol).sort());
  });
}

async function surviving(page) {
  for (const [slug, protocol] of PANELS) {
    await check(`${protocol}: quotes, markup, separators and emoji arrive as they were`, async () => {
      for (const text of HAZARDS) await say(page, slug, text);
      for (const text of HAZARDS) await heardByOthers(page, slug, text);
    });
  }
  await check("nothing that was said was taken for markup", async () => {
    assert.equal(await page.title(), "Omniwire");
    assert.equal(await page.locator("[data-testid=log] img").count(), 0);
  });
}

async function talking(page) {
  await check("all six at once: each panel hears the five others, once each", async () => {
    await page.getByTestId("master-input").fill("All together now 🎶");
    await page.getByTestId("master-send").click();
    for (const [slug] of PANELS) await heardByOthers(page, slug, "All together now 🎶");
    for (const [slug] of PANELS) assert.equal(await timesShown(page, slug, "All together now 🎶"), 6);
  });
  for (const [slug, protocol, text] of PANELS) {
    await check(`${protocol}: what it says comes out of the other five`, async () => {
      await say(page, slug, text);
      await heardByOthers(page, slug, text);
    });
    await check(`${protocol}: its call is answered, its reach shown`, () =>
      hasText(part(page, slug, "log").locator(".fate").last(), /^5 of 5 in [\d.]+ ms$/),
    );
  }
  await check("each text is shown once in each panel", async () => {
    for (const [slug] of PANELS) {
      for (const [, , text] of PANELS) assert.equal(await timesShown(page, slug, text), 1);
    }
  });
  await check("a new name reaches the list of members", async () => {
    await part(page, "signalr", "name").fill("Zoë \"Z\" 🦊");
    await part(page, "signalr", "name").press("Enter");
    await page.getByTestId("member").filter({ hasText: 'Zoë "Z" 🦊' }).waitFor();
  });
}

async function looking(page) {
  await check("light: a picture", async () => {
    await page.mouse.move(0, 0);
    // Round-trip times enough for a line.
    await until(page, "poll", "spark", (line) => line.points.length >= 6);
    await page.screenshot({ path: `${PICTURES}demo-light.png`, fullPage: true });
  });
  await check("dark, as the system has it: a picture", async () => {
    const light = await background(page);
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background(page);
    assert.ok(light > 0.8 && dark < 0.25, `lightness ${light} by day, ${dark} by night`);
    await page.screenshot({ path: `${PICTURES}demo-dark.png`, fullPage: true });
  });
  await check("the button overrules the system, also after a reload", async () => {
    await page.getByTestId("theme").click();
    assert.ok((await background(page)) > 0.8);
    await page.reload();
    assert.ok((await background(page)) > 0.8);
    await page.emulateMedia({ colorScheme: "light" });
    for (const [slug] of PANELS) await hasText(part(page, slug, "state"), "connected");
  });
  await check("nothing is wider than the page", async () => {
    for (const width of [1920, 1440, 1240, 1024, 768, 600, 390, 320]) {
      await page.setViewportSize({ width, height: 900 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${wide} px at ${width} px`);
    }
    await page.setViewportSize(WIDE);
  });
}

async function keyboard(page) {
  await check("by keyboard alone: Tab reaches a panel's box, Enter sends", async () => {
    await page.getByTestId("master-input").focus();
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press("Tab");
      const reached = await page.evaluate(
        () => document.activeElement?.dataset.testid === "input" && document.activeElement.closest("section").id,
      );
      if (reached === "socketio") break;
    }
    await page.keyboard.type("typed, not clicked");
    await page.keyboard.press("Enter");
    await heard(page, "poll", "Socket.IO", "typed, not clicked");
  });
  await check("whatever has the focus shows it", async () => {
    await page.evaluate(() => document.activeElement.blur());
    for (let presses = 0; presses < 12; presses += 1) {
      await page.keyboard.press("Tab");
      const [what, shown] = await page.evaluate(() => {
        const focused = document.activeElement;
        const ring = getComputedStyle(focused).outlineStyle !== "none";
        const box = focused.closest("form") && getComputedStyle(focused.closest("form")).boxShadow !== "none";
        return [focused.outerHTML.slice(0, 80), ring || box];
      });
      assert.ok(shown, what);
    }
  });
  await check("everything that can be used has a name", async () => {
    const nameless = await page.evaluate(() =>
      [...document.querySelectorAll("button, input, a")]
        .filter((it) => !(it.getAttribute("aria-label") || it.textContent.trim()))
        .map((it) => it.outerHTML.slice(0, 80)),
    );
    assert.deepEqual(nameless, []);
  });
}

async function leaving(page) {
  await check("a client that leaves is missed, and can come back", async () => {
    await part(page, "sockjs", "toggle").click();
    await hasText(part(page, "sockjs", "state"), "disconnected");
    const member = page.locator("[data-testid=member][data-own][data-protocol=SockJS]");
    await member.waitFor({ state: "detached" });
    await part(page, "sockjs", "toggle").click();
    await hasText(part(page, "sockjs", "state"), "connected");
    await member.waitFor();
  });
}

async function phone(browser, complaints) {
  await check("on a phone: a picture", async () => {
    const phone = { viewport: PHONE, deviceScaleFactor: 2, hasTouch: true };
    const page = await open(browser, phone, complaints);
    for (const [slug] of PANELS) await hasText(part(page, slug, "state"), "connected");
    for (const [slug, protocol, text] of PANELS) {
      if (slug === "websocket") continue;
      await say(page, slug, text);
      await heard(page, "websocket", protocol, text);
    }
    await say(page, "websocket", "Now on the phone 📱");
    await hasText(part(page, "websocket", "log").locator(".fate").last(), /^5 of 5/);
    await page.evaluate(() => {
      document.activeElement.blur();
      document.getElementById("panels").scrollLeft = 0;
      scrollTo(0, 0);
    });
    await page.waitForFunction(() => document.getElementById("panels").scrollLeft === 0);
    await page.screenshot({ path: `${PICTURES}demo-phone.png`, fullPage: true });
    await page.context().close();
  });
}

function part(page, slug, testId) {
  return page.getByTestId(`panel-${slug}`).getByTestId(testId);
}

async function say(page, slug, text) {
  await part(page, slug, "input").fill(text);
  await part(page, slug, "input").press("Enter");
}

/** Waits until the other five panels have heard this one say the text. */
async function heardByOthers(page, slug, text) {
  const [, protocol] = PANELS.find(([own]) => own === slug);
  for (const [other] of PANELS) {
    if (other !== slug) await heard(page, other, protocol, text);
  }
}

async function timesShown(page, slug, wanted) {
  const shown = await part(page, slug, "log").locator(".text").allTextContents();
  return shown.filter((text) => text === wanted).length;
}

/** Waits until the panel's log has this text, said by that protocol. */
async function heard(page, slug, protocol, text) {
  await part(page, slug, "log").evaluate(
    (log, wanted) =>
      new Promise((resolve, reject) => {
        const look = () =>
          [...log.querySelectorAll(".message:not(.own)")].some(
            (message) =>
              message.querySelector(".from b").textContent === wanted.protocol &&
              message.querySelector(".text").textContent === wanted.text,
          );
        const observer = new MutationObserver(() => look() && done(resolve));
        const timer = setTimeout(() => done(() => reject(new Error(`${wanted.slug} did not hear ${wanted.protocol}: ${log.innerText}`))), 10_000);
        const done = (end) => {
          clearTimeout(timer);
          observer.disconnect();
          end();
        };
        if (look()) done(resolve);
        else observer.observe(log, { childList: true, subtree: true, characterData: true });
      }),
    { slug, protocol, text },
  );
}

/** Waits until the element's whole text is, or matches, what is wanted. */
async function hasText(locator, wanted) {
  const pattern = wanted instanceof RegExp ? wanted : new RegExp(`^${wanted.replace(/[.+]/g, "\\$&")}$`);
  try {
    await locator.filter({ hasText: pattern }).waitFor();
  } catch {
    throw new Error(`wanted ${wanted}, found ${JSON.stringify(await locator.allTextContents())}`);
  }
}

/** Waits until `test` holds for the element. */
async function until(page, slug, testId, test) {
  const handle = await part(page, slug, testId).elementHandle();
  await page.waitForFunction(`(element) => (${test})(element)`, handle);
}

/** The lightness of the page's ground, 0 to 1, as it is drawn. */
function background(page) {
  return page.evaluate(() => {
    const context = document.createElement("canvas").getContext("2d");
    context.fillStyle = getComputedStyle(document.body).backgroundColor;
    context.fillRect(0, 0, 1, 1);
    return context.getImageData(0, 0, 1, 1).data[1] / 255;
  });
}
