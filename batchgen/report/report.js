"use strict";
// Whatever comes from the table or from a provider reaches the page as text alone.
(() => {
  const PAGE = 60;
  const KEPT_PIECES = 128;
  const AGAIN = ["failed", "held", "refused"];
  const byId = (id) => document.getElementById(id);
  const { retry, rehearsed, columns } = JSON.parse(byId("data").textContent);
  const TEXTS = ["id", "prompt", "error", "message", "warning", "request_id", "model"];
  const FIELDS = [
    "row", "status", "prompt", "error", "message", "warning", "provider", "model",
    "aspect_ratio", "resolution", "cost", "cost_basis", "at_risk", "at_risk_attempts",
    "estimated", "attempts", "latency_s", "finished_at", "request_id", "shared_with",
  ];
  const MONEY = new Set(["cost", "at_risk", "estimated"]);

  // One item for each image, and one for each row that has none.
  const items = [];
  columns.images.forEach((images, row) => {
    if (!images.length) items.push({ row, image: null, key: JSON.stringify([columns.id[row]]) });
    for (const [number, name, width, height, sha256, piece] of images) {
      const key = JSON.stringify([columns.id[row], number, sha256]);
      items.push({ row, image: number, name, width, height, sha256, piece, key });
    }
  });
  const of = (item, column) => columns[column][item.row];
  const canTick = (item) => item.image !== null || AGAIN.includes(of(item, "status"));

  function usd(nano) {
    if (nano === null) return "unknown";
    const fraction = String(nano % 1e9).padStart(9, "0").replace(/0+$/, "").padEnd(2, "0");
    const mark = rehearsed ? "pretend " : "";
    return `${mark}$${Math.floor(nano / 1e9).toLocaleString("en")}.${fraction}`;
  }

  function said(name, value) {
    if (MONEY.has(name)) return usd(value);
    return name === "latency_s" ? value.toFixed(3) : String(value);
  }

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  // -- thumbnails: a piece is decoded when one of its pictures is shown

  const pieces = new Map();
  let isEarly = false; // something was drawn before its piece had been read
  function thumbnail(item) {
    if (item.image === null || item.piece < 0) return null;
    if (!pieces.has(item.piece)) {
      const source = byId(`thumbs-${item.piece}`);
      if (!source && document.readyState === "loading") {
        isEarly = true;
        return null;
      }
      pieces.set(item.piece, source ? JSON.parse(source.textContent) : {});
      if (pieces.size > KEPT_PIECES) pieces.delete(pieces.keys().next().value);
    }
    return pieces.get(item.piece)[item.sha256] ?? null;
  }

  function picture(item) {
    const small = thumbnail(item);
    const alt = (of(item, "prompt") ?? "").slice(0, 200);
    if (small) return element("img", { src: `data:image/webp;base64,${small}`, alt, decoding: "async" });
    const why = item.image === null ? of(item, "status") : "no thumbnail";
    return element("span", { className: `blank ${of(item, "status")}` }, why);
  }

  // -- ticks, kept by the browser where it lets a file keep anything

  const STORE = `batchgen ${retry}`;
  const ticks = new Set();
  try {
    const known = new Set(items.map((item) => item.key));
    for (const key of JSON.parse(localStorage.getItem(STORE) ?? "[]")) {
      if (known.has(key)) ticks.add(key);
    }
  } catch { /* then they last as long as the page */ }

  function tick(item, isTicked) {
    if (!canTick(item)) return;
    if (isTicked) ticks.add(item.key);
    else ticks.delete(item.key);
    keepTicks();
  }

  const ticked = () => items.filter((item) => ticks.has(item.key));

  function showTicks() {
    const count = ticks.size;
    byId("ticked").textContent = count ? `${count} ticked.` : "Nothing is ticked.";
    byId("reject").dataset.ticked = count;
    const statuses = new Set();
    for (const item of ticked()) {
      if (item.image !== null) statuses.add("succeeded");
      if (AGAIN.includes(of(item, "status"))) statuses.add(of(item, "status"));
    }
    const flags = [...statuses].map((status) => ` --status ${status}`);
    byId("command").textContent = retry + flags.join("");
    for (const card of byId("gallery").children) {
      const isTicked = ticks.has(shown[card.dataset.index].key);
      card.classList.toggle("ticked", isTicked);
      card.querySelector("input").checked = isTicked;
    }
    if (viewed) byId("detail-tick").checked = ticks.has(viewed.key);
  }

  function keepTicks() {
    showTicks();
    try {
      localStorage.setItem(STORE, JSON.stringify([...ticks]));
    } catch { /* as above */ }
  }

  // A spreadsheet must not calculate an id; `batchgen retry` takes the apostrophe off.
  const RISKY = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\u2212]/;
  const safe = (text) => (RISKY.test(text) ? `'${text}` : text);
  const quoted = (text) => `"${safe(text).replaceAll('"', '""')}"`;
  function rejected() {
    const lines = ticked().map((item) => `${quoted(of(item, "id"))},${item.image ?? ""}`);
    return ["id,image", ...lines, ""].join("\r\n");
  }

  function save() {
    const link = element("a", {
      href: URL.createObjectURL(new Blob([rejected()], { type: "text/csv;charset=utf-8" })),
      download: "rejected.csv",
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  // -- filters

  const haystacks = [];
  function haystack(item) {
    haystacks[item.row] ??= TEXTS.map((name) => of(item, name) ?? "").join("\n").toLowerCase();
    return haystacks[item.row];
  }

  function bound(id) {
    const value = byId(id).value;
    return value === "" ? null : Math.round(Number(value) * 1e9);
  }

  function matching() {
    const text = byId("text").value.trim().toLowerCase();
    const status = byId("status").value;
    const provider = byId("provider").value;
    const [from, to] = [bound("from"), bound("to")];
    const only = byId("only").checked;
    return items.filter((item) => {
      const cost = of(item, "cost");
      if (only && !ticks.has(item.key)) return false;
      if (status && of(item, "status") !== status) return false;
      if (provider && of(item, "provider") !== provider) return false;
      if ((from !== null || to !== null) && cost === null) return false;
      if ((from !== null && cost < from) || (to !== null && cost > to)) return false;
      return !text || haystack(item).includes(text) || (item.name ?? "").toLowerCase().includes(text);
    });
  }

  function summary() {
    const rows = new Set(shown.map((item) => item.row));
    let cost = 0;
    let unknown = 0;
    for (const row of rows) {
      if (columns.cost[row] === null) unknown += 1;
      else cost += columns.cost[row];
    }
    const images = shown.filter((item) => item.image !== null).length;
    const more = unknown ? ` and ${unknown.toLocaleString("en")} of unknown cost` : "";
    return `${rows.size.toLocaleString("en")} of ${columns.id.length.toLocaleString("en")} rows, `
      + `${images.toLocaleString("en")} images, ${usd(cost)}${more}`;
  }

  // What a provider said stands in quotation marks, batchgen's own words without them.
  function message(item) {
    const text = of(item, "message");
    const quote = of(item, "quote");
    if (text === null || quote === null) return text === null ? null : [text];
    const quoted = element("q", { dir: "auto" }, text.slice(...quote));
    return [text.slice(0, quote[0]), quoted, text.slice(quote[1])];
  }

  // -- the gallery

  let shown = items;
  let page = 0;
  let viewed = null;
  const pages = () => Math.max(1, Math.ceil(shown.length / PAGE));

  function card(item, index) {
    const row = of(item, "row");
    const name = `row ${row}, ${of(item, "id")}${item.image === null ? "" : `, image ${item.image}`}`;
    const open = element("button", { type: "button", className: "open", ariaLabel: `${name}: details` }, picture(item));
    const box = element("input", { type: "checkbox", ariaLabel: `reject ${name}`, disabled: !canTick(item) });
    const id = element("span", { className: "id", title: of(item, "id") }, of(item, "id"));
    const status = element("span", { className: `status ${of(item, "status")}` }, of(item, "status"));
    const made = element(
      "li", { className: "card" }, open, element("div", { className: "head" }, box, id, status),
      element("p", { className: "words" }, ...(message(item) ?? [of(item, "prompt") ?? ""])),
      element("p", { className: "price" }, `${usd(of(item, "cost"))} ${of(item, "provider") ?? ""}`),
    );
    made.dataset.index = index;
    open.addEventListener("click", () => view(item));
    box.addEventListener("change", () => tick(item, box.checked));
    return made;
  }

  function draw(focused = null) {
    page = Math.min(Math.max(page, 0), pages() - 1);
    const first = page * PAGE;
    const cards = shown.slice(first, first + PAGE).map((item, index) => card(item, first + index));
    byId("gallery").replaceChildren(...cards);
    byId("none").hidden = cards.length > 0;
    byId("page").textContent = `page ${page + 1} of ${pages()}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page === pages() - 1;
    reach(focused ?? first);
    if (focused !== null) focus(focused);
    showTicks();
  }

  // One card at a time is a stop of the Tab key; arrows go to the others.
  function reach(index) {
    for (const each of byId("gallery").children) {
      const isHere = Number(each.dataset.index) === index;
      for (const control of each.querySelectorAll("button, input")) control.tabIndex = isHere ? 0 : -1;
    }
  }

  function focus(index, selector = ".open") {
    const found = byId("gallery").children[index - page * PAGE];
    reach(index);
    const wanted = found?.querySelector(selector);
    (wanted?.disabled ? found.querySelector(".open") : wanted)?.focus();
  }

  function across() {
    const cards = [...byId("gallery").children];
    const below = cards.findIndex((each) => each.offsetTop > cards[0].offsetTop);
    return below < 0 ? cards.length : below;
  }

  function go(index, selector) {
    const wanted = Math.min(Math.max(index, 0), shown.length - 1);
    const itsPage = Math.floor(wanted / PAGE);
    if (itsPage !== page) {
      page = itsPage;
      draw(wanted);
    }
    focus(wanted, selector);
  }

  function filter() {
    shown = matching();
    page = 0;
    draw();
    byId("count").textContent = summary();
  }

  // -- one row in full

  function label(item, name) {
    if (name !== "message") return name.replaceAll("_", " ");
    return of(item, "quote") === null ? "batchgen says" : "the provider says, in quotation marks";
  }

  function view(item) {
    viewed = item;
    const size = item.image === null ? "" : `, image ${item.image}`;
    byId("detail-title").textContent = `${of(item, "id")}${size}`;
    byId("detail-picture").replaceChildren(picture(item));
    const fields = FIELDS.filter((name) => of(item, name) !== null || name === "cost");
    const pairs = fields.map((name) => [name, name === "message" ? message(item) : [said(name, of(item, name))]]);
    if (item.image !== null) pairs.push(["file in the ZIP", [item.name]], ["size", [`${item.width} × ${item.height} px`]]);
    byId("detail-fields").replaceChildren(
      ...pairs.flatMap(([name, values]) => [element("dt", {}, label(item, name)), element("dd", {}, ...values)]),
    );
    byId("detail-tick").disabled = !canTick(item);
    byId("detail-tick").checked = ticks.has(item.key);
    const index = shown.indexOf(item);
    byId("detail-previous").disabled = index <= 0;
    byId("detail-next").disabled = index < 0 || index === shown.length - 1;
    if (!byId("detail").open) byId("detail").showModal();
  }

  function viewNext(step) {
    const found = shown[shown.indexOf(viewed) + step];
    if (found) view(found);
  }

  byId("detail").addEventListener("close", () => {
    const index = shown.indexOf(viewed);
    viewed = null;
    if (index >= 0) go(index);
  });
  byId("detail").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") viewNext(-1);
    else if (event.key === "ArrowRight") viewNext(1);
    else if (event.key === "x") tick(viewed, !ticks.has(viewed.key));
    else return;
    event.preventDefault();
  });

  // -- keys and controls

  byId("gallery").addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const here = event.target.closest(".card");
    if (!here) return;
    const index = Number(here.dataset.index);
    const selector = event.target.matches("input") ? "input" : ".open";
    const first = page * PAGE;
    const moves = {
      ArrowLeft: index - 1, ArrowRight: index + 1, ArrowUp: index - across(), ArrowDown: index + across(),
      Home: first, End: Math.min(first + PAGE, shown.length) - 1, PageUp: first - PAGE, PageDown: first + PAGE,
    };
    if (event.key in moves) go(moves[event.key], selector);
    else if (event.key === "x") tick(shown[index], !ticks.has(shown[index].key));
    else return;
    event.preventDefault();
  });
  byId("gallery").addEventListener("focusin", (event) => {
    const here = event.target.closest(".card");
    if (here) reach(Number(here.dataset.index));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select") || viewed) return;
    event.preventDefault();
    byId("text").focus();
  });

  for (const name of ["status", "provider"]) {
    const values = [...new Set(columns[name])].filter((value) => value !== null).sort();
    byId(name).append(...values.map((value) => element("option", { value }, value)));
  }
  const group = byId("group");
  const chooseGroup = () => {
    for (const each of document.querySelectorAll(".group")) each.hidden = each.id !== group.value;
  };
  group?.addEventListener("change", chooseGroup);
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(filter));
  const turn = (step) => { page += step; draw(); byId("rows-title").scrollIntoView(); };
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  byId("save").addEventListener("click", save);
  byId("untick").addEventListener("click", () => { ticks.clear(); keepTicks(); filter(); });
  byId("detail-previous").addEventListener("click", () => viewNext(-1));
  byId("detail-next").addEventListener("click", () => viewNext(1));
  byId("detail-close").addEventListener("click", () => byId("detail").close());
  byId("detail-tick").addEventListener("change", () => tick(viewed, byId("detail-tick").checked));

  if (group) chooseGroup();
  filter();
  document.addEventListener("DOMContentLoaded", () => { if (isEarly) draw(); });
})();
