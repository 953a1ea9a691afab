"use strict";
// The player of recorded episodes. A recording is unpacked when it is chosen; whatever text it holds goes into the page as text only.
(() => {
  const player = document.getElementById("replay");
  if (!player) return;
  const find = (selector) => player.querySelector(selector);
  const SVG = "http://www.w3.org/2000/svg";
  const KEY_EVERY = 128;  // steps between screens that are kept whole
  const picker = find("#replay-episode"), scrub = find(".replay-scrub"), speed = find("#replay-speed"), playing = find(".replay-play");
  const said = find("[role=status]"), lanes = ["skill", "reward", "facts"].map((name) => find(`.lane-${name}`));
  const sources = new Map([...document.querySelectorAll("script[data-replay]")].map((one) => [one.dataset.replay, one]));
  let episode = null, step = 0, timer = 0, turn = 0;

  const element = (name, text = "", classes = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    if (classes) made.className = classes;
    return made;
  };
  const drawn = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const number = (value) => Number(value).toLocaleString("en").replaceAll(",", "\u202f");
  const colour = (skill) => `var(--s${episode.head.slots[skill] ?? 0})`;
  const CAUSES = { over: "is over", "timed out": "ran out of time", died: "ended with the game", cut: "was cut", interrupted: "was interrupted" };

  // --- unpacking

  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  };

  // Screens of text: where the changes of each step begin, and whole screens at some steps.
  class TextScreens {
    constructor(bytes, head) {
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      [this.rows, this.columns] = head.size;
      const cells = this.rows * this.columns;
      this.chars = new Uint8Array(cells).fill(32);
      this.colours = new Uint8Array(cells).fill(7);
      this.starts = new Uint32Array(head.steps + 1);
      this.keys = [];
      this.at = -1;
      let place = 0;
      for (let index = 0; index <= head.steps; index += 1) {
        this.starts[index] = place;
        place = this.apply(place);
        if (index % KEY_EVERY === 0) this.keys.push([this.chars.slice(), this.colours.slice(), this.cursor]);
      }
      this.at = head.steps;
    }

    apply(place) {
      const { view } = this;
      this.cursor = view.getUint16(place, true);
      const runs = view.getUint16(place + 2, true);
      place += 4;
      for (let run = 0; run < runs; run += 1) {
        const start = view.getUint16(place, true), length = view.getUint16(place + 2, true);
        place += 4;
        for (let cell = 0; cell < length; cell += 1) {
          this.chars[start + cell] = view.getUint8(place + cell);
          this.colours[start + cell] = view.getUint8(place + length + cell);
        }
        place += 2 * length;
      }
      return place;
    }

    seek(wanted) {
      const key = Math.floor(wanted / KEY_EVERY);
      if (this.at > wanted || this.at < key * KEY_EVERY) {
        const [chars, colours, cursor] = this.keys[key];
        this.chars.set(chars);
        this.colours.set(colours);
        this.cursor = cursor;
        this.at = key * KEY_EVERY;
      }
      while (this.at < wanted) {
        this.at += 1;
        this.apply(this.starts[this.at]);
      }
    }

    show(wanted) {
      this.seek(wanted);
      const pre = find("pre");
      if (pre.childElementCount !== this.rows) {
        pre.replaceChildren(...Array.from({ length: this.rows }, () => element("div")));
        this.shown = [];
      }
      for (let row = 0; row < this.rows; row += 1) {
        const first = row * this.columns, last = first + this.columns;
        const here = this.cursor >= first && this.cursor < last ? this.cursor - first : -1;
        const known = `${here} ${this.chars.subarray(first, last)} ${this.colours.subarray(first, last)}`;
        if (this.shown?.[row] === known) continue;
        (this.shown ??= [])[row] = known;
        pre.children[row].replaceChildren(...this.line(first, here));
      }
    }

    line(first, here) {
      const spans = [];
      let text = "", style = "";
      for (let column = 0; column < this.columns; column += 1) {
        const code = this.chars[first + column];
        const own = column === here ? "cur" : `c${this.colours[first + column] & 15}`;
        if (own !== style && text) {
          spans.push(element("span", text, style));
          text = "";
        }
        style = own;
        text += code < 32 || (code > 126 && code < 161) || code === 173 ? " " : String.fromCharCode(code);
      }
      spans.push(element("span", text, style));
      return spans;
    }
  }

  // Pictures, each decoded when it is first shown.
  class Pictures {
    constructor(bytes, head) {
      this.frame = head.frame;
      this.files = [];
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let place = 0; place < bytes.length;) {
        const length = view.getUint32(place, true);
        this.files.push(bytes.subarray(place + 4, place + 4 + length));
        place += 4 + length;
      }
      this.bitmaps = new Map();
      this.wanted = -1;
    }

    async show(wanted) {
      const index = this.frame[wanted];
      this.wanted = index;
      if (!this.bitmaps.has(index)) this.bitmaps.set(index, createImageBitmap(new Blob([this.files[index]], { type: "image/png" })));
      const bitmap = await this.bitmaps.get(index);
      if (this.wanted !== index) return;
      const canvas = find("canvas");
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      canvas.getContext("2d").drawImage(bitmap, 0, 0);
    }
  }

  const unpack = async (id) => {
    const bytes = await inflate(sources.get(id).textContent.trim());
    const length = new DataView(bytes.buffer).getUint32(0, true);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    const rest = bytes.slice(4 + length);
    const screens = head.screen === "text" ? new TextScreens(rest, head) : head.screen === "pictures" ? new Pictures(rest, head) : null;
    const changes = new Map();
    for (const [name, [steps, values]] of Object.entries(head.facts)) {
      for (let place = 1; place < steps.length; place += 1) {
        if (!changes.has(steps[place])) changes.set(steps[place], []);
        changes.get(steps[place]).push([name, values[place - 1], values[place]]);
      }
    }
    const rewards = new Map(head.paid.map((paid, place) => [paid, head.rewards[place]]));
    return { id, head, screens, changes, rewards };
  };

  // --- lanes

  const rectangle = (x, width, y, height, fill) => drawn("rect", { x, width, y, height, fill });
  const line = (x, classes, height) => drawn("line", { x1: x, x2: x, y1: 0, y2: height, class: classes });

  const drawLanes = () => {
    const { head } = episode, steps = Math.max(head.steps, 1);
    for (const lane of lanes) {
      lane.setAttribute("viewBox", `0 0 ${steps} 10`);
      lane.replaceChildren();
    }
    const [skill, reward, facts] = lanes;
    for (const [which, start, end] of head.calls) skill.append(rectangle(start, end - start, 0, 10, colour(which)));
    if (head.calls.length < 200) for (const [, start] of head.calls.slice(1)) skill.append(line(start, "cut", 10));
    const buckets = Math.min(steps, 400), width = steps / buckets, sums = new Float64Array(buckets), who = new Int32Array(buckets).fill(-1);
    for (const [paid, amount] of episode.rewards) {
      const bucket = Math.min(buckets - 1, Math.floor((paid - 1) / width));
      sums[bucket] += amount;
      who[bucket] = head.calls[callAt(paid)]?.[0] ?? -1;
    }
    const most = Math.max(...sums.map(Math.abs), 1e-9);
    sums.forEach((sum, bucket) => {
      const height = 10 * Math.sqrt(Math.abs(sum) / most);
      if (sum) reward.append(rectangle(bucket * width, width, 10 - height, height, who[bucket] < 0 ? "var(--muted)" : colour(who[bucket])));
    });
    let last = -1;
    for (const changed of [...episode.changes.keys()].sort((one, other) => one - other)) {
      if (Math.floor(changed * 400 / steps) !== last) facts.append(line(changed, "fact", 10));
      last = Math.floor(changed * 400 / steps);
    }
    const broke = head.broke === null ? null : head.calls[head.broke];
    for (const lane of lanes) {
      if (broke) lane.append(line(broke[1], "break", 10));
      lane.append(line(0, "head", 10));
    }
  };

  // --- a moment

  // The place of the call that a step belongs to; -1 at the reset.
  const callAt = (wanted) => {
    const { calls } = episode.head;
    let low = 0, high = calls.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (calls[middle][2] < wanted) low = middle + 1;
      else high = middle;
    }
    return wanted < 1 || low === calls.length ? -1 : low;
  };

  // Most reasons name the skill and repeat the cause in other words.
  const told = ([skill, , , cause, reason]) => {
    const name = episode.head.skills[skill], ended = CAUSES[cause] ?? cause;
    if (!reason || reason === `${name} ${ended}`) return `${name} ${ended}`;
    return `${name} ${ended}: ${reason.startsWith(`${name} `) ? reason.slice(name.length + 1) : reason}`;
  };
  const shorten = (value) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return text.length > 90 ? `${text.slice(0, 90)}…` : text || "“”";
  };

  const describe = (place) => {
    const { head } = episode, call = place < 0 ? null : head.calls[place], name = call ? head.skills[call[0]] : "before the first step";
    find(".replay-skill .dot").style.background = call ? colour(call[0]) : "var(--muted)";
    find(".replay-skill b").textContent = name;
    const reward = episode.rewards.get(step) ?? 0;
    find(".replay-skill .muted").textContent = call ? `step ${number(step - call[1])} of ${number(call[2] - call[1])}${reward ? `, reward ${reward}` : ""}` : "";
    const ends = call && step === call[2], previous = place > 0 ? head.calls[place - 1] : null;
    find(".replay-why").textContent = ends ? `Here ${told(call)}.` : previous ? `Chosen after ${told(previous)}.` : call ? "The first call." : "";
    const changes = (episode.changes.get(step) ?? []).map(([fact, before, after]) => {
      const item = element("li", `${fact} `);
      item.append(element("span", shorten(before), "muted"), " → ", element("b", shorten(after)));
      return item;
    });
    find(".replay-facts").replaceChildren(...(changes.length ? changes : [element("li", "none", "muted")]));
    find(".replay-caption").textContent = head.captions[head.caption[step]] ?? "";
  };

  const show = (wanted, announce = true) => {
    const { head } = episode;
    step = Math.min(Math.max(wanted, 0), head.steps);
    episode.screens?.show(step);
    const place = callAt(step);
    describe(place);
    scrub.value = step;
    scrub.setAttribute("aria-valuetext", `step ${step} of ${head.steps}`);
    for (const lane of lanes) {
      for (const end of ["x1", "x2"]) lane.querySelector(".head").setAttribute(end, step);
    }
    find(".replay-place").textContent = `step ${number(step)} of ${number(head.steps)}`;
    find(".replay-link").href = `#replay=${encodeURIComponent(episode.id)}&step=${step}`;
    const row = player.querySelector("tr[aria-current]"), now = find("tbody").rows[place];
    if (row !== now) {
      row?.removeAttribute("aria-current");
      now?.setAttribute("aria-current", "true");
    }
    // Heard only at rest, since a voice cannot keep up with the play.
    if (announce && !timer) said.textContent = `Step ${step}, ${find(".replay-skill b").textContent}. ${find(".replay-why").textContent}`;
    if (!timer) for (const [name, off] of [["back", step === 0], ["previous", step === 0], ["forward", step === head.steps], ["next", step === head.steps]]) find(`[data-do=${name}]`).setAttribute("aria-disabled", off);
  };

  const listSwitches = () => {
    const { head } = episode, sums = head.calls.map(() => 0);
    for (const [paid, amount] of episode.rewards) if (callAt(paid) >= 0) sums[callAt(paid)] += amount;
    const rows = head.calls.map(([skill, start, end, cause, reason], place) => {
      const row = document.createElement("tr"), go = element("button", number(end));
      go.type = "button";
      go.setAttribute("aria-label", `Go to step ${end}`);
      go.addEventListener("click", () => { pause(); show(end); });
      const first = document.createElement("td"), name = document.createElement("td"), dot = element("i", "", "dot");
      dot.style.background = colour(skill);
      first.append(go);
      name.append(dot, head.skills[skill], place === head.broke ? element("b", " chain broke", "against") : "");
      row.append(first, name, element("td", number(end - start), "num"), element("td", CAUSES[cause] ?? cause), element("td", reason), element("td", sums[place] ? sums[place].toFixed(2) : "", "num"));
      return row;
    });
    find("tbody").replaceChildren(...rows);
    find(".replay-switches .end").textContent = `${number(head.calls.length)} calls`;
    find(".replay-legend").replaceChildren(...head.skills.map((skill, place) => {
      const item = element("li"), dot = element("i", "", "dot");
      dot.style.background = colour(place);
      item.append(dot, skill);
      return item;
    }));
  };

  // --- playing

  const pause = () => {
    if (timer) cancelAnimationFrame(timer);
    timer = 0;
    playing.textContent = "Play";
  };
  const play = () => {
    if (step >= episode.head.steps) show(0, false);
    let before = performance.now(), due = 0;
    const tick = (now) => {
      due += Math.min(now - before, 250) / 1000 * Number(speed.value);
      before = now;
      const whole = Math.floor(due);
      due -= whole;
      timer = requestAnimationFrame(tick);
      if (whole) show(step + whole, false);
      if (step >= episode.head.steps) {
        pause();
        show(step);
      }
    };
    playing.textContent = "Pause";
    timer = requestAnimationFrame(tick);
  };
  const DO = {
    play: () => { if (timer) { pause(); show(step); } else play(); },
    back: () => { pause(); show(step - 1); },
    forward: () => { pause(); show(step + 1); },
    next: () => { pause(); show(episode.head.calls.find((call) => call[2] > step)?.[2] ?? episode.head.steps); },
    previous: () => { pause(); show(episode.head.calls.findLast((call) => call[2] < step)?.[2] ?? 0); },
    first: () => { pause(); show(0); },
    last: () => { pause(); show(episode.head.steps); },
    broke: () => { pause(); if (episode.head.broke !== null) show(episode.head.calls[episode.head.broke][1]); },
  };
  const KEYS = { " ": "play", ArrowLeft: "back", ArrowRight: "forward", n: "next", p: "previous", b: "broke", Home: "first", End: "last" };

  player.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (button && episode) DO[button.dataset.do]();
  });
  player.addEventListener("keydown", (event) => {
    const name = KEYS[event.key], target = event.target;
    if (!name || !episode || event.ctrlKey || event.metaKey || event.altKey || target.tagName === "SELECT") return;
    // What a control does with a key by itself stays as it is.
    if (event.key === " " && target.matches("button, summary, a")) return;
    if (target === scrub && event.key !== " " && event.key.length > 1) return;
    event.preventDefault();
    DO[name]();
  });
  scrub.addEventListener("input", () => { pause(); show(Number(scrub.value)); });
  for (const lane of lanes) {
    const seek = (event) => {
      const box = lane.getBoundingClientRect();
      if (episode) show(Math.round((event.clientX - box.left) / box.width * episode.head.steps));
    };
    lane.addEventListener("pointerdown", (event) => { pause(); lane.setPointerCapture(event.pointerId); seek(event); });
    lane.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
  }
  find(".replay-link").addEventListener("click", pause);

  // --- choosing

  const open = async (id, wanted = 0) => {
    pause();
    const mine = turn += 1, problem = find(".replay-problem");
    picker.value = id;
    try {
      const found = await unpack(id);
      if (mine !== turn) return;
      problem.hidden = true;
      episode = found;
      find("pre").hidden = found.head.screen !== "text";
      find("canvas").hidden = found.head.screen !== "pictures";
      find(".replay-blank").hidden = found.head.screen !== "";
      find("[data-do=broke]").disabled = found.head.broke === null;
      find("pre").replaceChildren();
      scrub.max = found.head.steps;
      drawLanes();
      listSwitches();
      show(wanted);
    } catch (error) {
      if (mine !== turn) return;
      episode = null;
      problem.textContent = `This recording cannot be shown (${error.message}).`;
      problem.hidden = false;
    }
  };
  const follow = () => {
    const link = new URLSearchParams(location.hash.slice(1)), id = link.get("replay");
    if (id === null || !sources.has(id)) return false;
    const wanted = Number(link.get("step")) || 0;
    if (episode?.id === id) { pause(); show(wanted); } else open(id, wanted);
    player.scrollIntoView();
    return true;
  };
  picker.addEventListener("change", () => open(picker.value));
  addEventListener("hashchange", follow);
  player.hidden = false;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) speed.value = "2";
  if (!follow()) open(picker.value);
})();
