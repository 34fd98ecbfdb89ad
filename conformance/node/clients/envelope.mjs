/** The objects of the subprotocol `omniwire.json.v1`. */

export const SUBPROTOCOL = "omniwire.json.v1";

/** Calls that wait for their replies. */
export class Calls {
  #waiting = new Map();
  #last = 0;

  /** Makes a call whose arguments are raw JSON, and the promise of its reply. */
  begin(name, ...args) {
    const id = ++this.#last;
    const reply = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    const envelope = `{"event":${JSON.stringify(name)},"args":[${args.join(",")}],"id":${id}}`;
    return { envelope, reply };
  }

  settle({ reply, result, error }) {
    const waiting = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    if (error) waiting?.reject(Object.assign(new Error(error.message), error));
    else waiting?.resolve(result);
  }

  abandon(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
