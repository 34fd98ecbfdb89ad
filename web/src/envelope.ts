/** The JSON objects of `omniwire.json.v1`, spoken where no library defines the messages. */

import { CallError } from "./room.ts";

export const SUBPROTOCOL = "omniwire.json.v1";

export interface Fault {
  code: string | number;
  message?: string;
  reason?: string;
}

/** What comes from the server. Exactly one of the first keys is there. */
export interface Envelope {
  open?: { peer: string; session?: string };
  event?: string;
  args?: unknown[];
  reply?: number;
  result?: unknown;
  error?: Fault;
  refused?: { message: string };
  close?: Fault;
  cursor?: string;
}

export interface Call {
  event: string;
  args: unknown[];
  id: number;
}

/** Why the server ended the session, if this envelope says so. */
export function endingOf(envelope: Envelope): string | undefined {
  if (envelope.refused) return `refused: ${envelope.refused.message}`;
  if (envelope.close) return `closed by the server: ${describe(envelope.close)}`;
  return undefined;
}

export function describe(fault: Fault): string {
  return [fault.code, fault.message ?? fault.reason].filter(Boolean).join(" ");
}

/** What a reply says: the result, or throws the error. */
export function resultOf(reply: Envelope): unknown {
  if (reply.error) throw new CallError(String(reply.error.code), describe(reply.error));
  return reply.result;
}

/** Calls that wait for their reply. */
export class Calls {
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  /** Makes a call of an event; `settle` or `abandon` ends its promise. */
  begin(event: string, args: unknown[]): { call: Call; answer: Promise<unknown> } {
    const id = ++this.#last;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
    return { call: { event, args, id }, answer };
  }

  settle(reply: Envelope): void {
    const waiting = this.#waiting.get(reply.reply ?? 0);
    this.#waiting.delete(reply.reply ?? 0);
    try {
      waiting?.resolve(resultOf(reply));
    } catch (error) {
      waiting?.reject(error);
    }
  }

  /** The connection is gone, and with it every reply. */
  abandon(): void {
    for (const { reject } of this.#waiting.values()) reject(CallError.offline());
    this.#waiting.clear();
  }
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}
