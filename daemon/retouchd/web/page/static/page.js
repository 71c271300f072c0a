"use strict";
(() => {
  // What the server rendered anew takes the place of what is shown; nothing is rendered here.
  const regions = () => document.querySelectorAll("[data-live]");
  let isAsking = false, isStale = false;

  async function refresh() {
    if (isAsking) { isStale = true; return; }
    isAsking = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.reload(); return; }
      if (!answer.ok) return;
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of regions()) {
        const fresh = found.getElementById(old.id);
        if (!fresh) { if ("reload" in old.dataset) location.reload(); continue; }
        // Nobody's words are taken away while they are written.
        if (old.contains(document.activeElement) && document.activeElement.matches("textarea, input")) continue;
        if (fresh.innerHTML !== old.dataset.seen) put(old, fresh);
      }
      tick();
    } catch { /* The stream says when the connection is back. */ } finally {
      isAsking = false;
      if (isStale) { isStale = false; refresh(); }
    }
  }

  function put(old, fresh) {
    old.dataset.seen = fresh.innerHTML;
    const focused = old.contains(document.activeElement) ? document.activeElement.id || document.activeElement.getAttribute("href") : null;
    // A picture that is there already stays: nothing flickers.
    const kept = new Map([...old.querySelectorAll("img")].map((img) => [img.outerHTML, img]));
    const isFirst = !kept.size;
    const open = [...old.querySelectorAll("details[open][id]")].map((each) => each.id);
    const written = [...old.querySelectorAll("textarea[id]")].filter((each) => each.value !== each.defaultValue);
    old.replaceChildren(...document.importNode(fresh, true).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const { id, value } of written) { const fresh = document.getElementById(id); if (fresh) fresh.value = value; }
    for (const img of old.querySelectorAll("img")) {
      const same = kept.get(img.outerHTML);
      if (same) { img.replaceWith(same); kept.delete(same.outerHTML); } else if (!isFirst) img.closest(".pair")?.classList.add("new");
    }
    if (focused) (document.getElementById(focused) || old.querySelector(`[href="${CSS.escape(focused)}"]`))?.focus();
  }

  // A picture that was taken away leaves its place empty, without the sign of a fault.
  const gone = (img) => img.classList.add("gone");
  document.addEventListener("error", (event) => { if (event.target.tagName === "IMG") gone(event.target); }, true);
  for (const img of document.images) if (img.complete && !img.naturalWidth) gone(img);

  for (const each of regions()) each.dataset.seen = each.innerHTML;

  // The run tells every few seconds that it is there. Where it does not (a laptop slept, a cable was pulled, or a
  // proxy answered in its place, after which a browser asks no more) it is asked anew. Whom nobody sees asks
  // nothing: a browser has six connections to one host, for all of its windows.
  if (regions().length) {
    const lost = document.getElementById("lost");
    let source = null, heardAt = 0;
    const connect = () => {
      source?.close();
      source = null;
      if (document.hidden) return;
      heardAt = performance.now();
      source = new EventSource(document.body.dataset.events);
      source.onmessage = () => { heardAt = performance.now(); lost.hidden = true; refresh(); };
      source.onerror = () => { lost.hidden = false; };
    };
    connect();
    document.addEventListener("visibilitychange", connect);
    setInterval(() => {
      const silent = performance.now() - heardAt, isGivenUp = source?.readyState === EventSource.CLOSED;
      if (!source || silent < (isGivenUp ? 3000 : 20000)) return;
      lost.hidden = false;
      connect();
      refresh();  // Who has to log in again is sent there.
    }, 1000);
  }

  // Seconds go on between two looks.
  let tickedAt = performance.now();
  function tick() {
    const now = performance.now(), passed = (now - tickedAt) / 1000;
    tickedAt = now;
    for (const each of document.querySelectorAll("[data-elapsed]")) {
      const seconds = Number(each.dataset.elapsed) + (each.dataset.ticks ? passed : 0);
      each.dataset.elapsed = seconds;
      each.dataset.ticks = "1";
      const isChinese = document.documentElement.lang.startsWith("zh"), whole = Math.round(seconds);
      const [m, s] = [Math.floor(whole / 60), String(whole % 60).padStart(2, "0")];
      each.textContent = whole < 100 ? `${whole} ${isChinese ? "秒" : "s"}` : isChinese ? `${m} 分 ${s} 秒` : `${m} min ${s} s`;
      const bar = each.closest("div").querySelector("progress");
      if (bar) bar.value = seconds;
    }
  }
  setInterval(tick, 1000);

  // As `send`, and tells how much of it has gone: fetch does not.
  function upload(form, body, told) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.setRequestHeader("accept", "application/json");
      request.upload.onprogress = (event) => told(event.total ? event.loaded / event.total : 0);
      request.onerror = () => resolve(form.dataset.failed);
      request.onload = () => {
        if (request.status < 300) return resolve("");
        try { resolve(JSON.parse(request.responseText).error.message); } catch { resolve(`HTTP ${request.status}`); }
      };
      request.send(body);
    });
  }

  async function send(form, body) {
    const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" } });
    if (answer.ok) return "";
    try { return (await answer.json()).error.message; } catch { return `HTTP ${answer.status}`; }
  }

  let isLeaving = false;
  window.addEventListener("pageshow", () => { isLeaving = false; });

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (event.defaultPrevented) return;
    if (!("act" in form.dataset)) {
      if (isLeaving) event.preventDefault();  // Clicked twice, it would be paid for twice.
      isLeaving = true;
      return;
    }
    event.preventDefault();
    const button = event.submitter || form.querySelector("button");
    const review = form.closest("[data-review]"), next = review?.nextElementSibling || review?.previousElementSibling;
    button.disabled = true;
    const fault = await send(form, new FormData(form)).catch(String);
    if (fault) { button.disabled = false; button.textContent = fault; }
    form.querySelector("textarea")?.blur();
    await refresh();
    if (next?.id) document.getElementById(next.id)?.focus();
  });

  // What deletes is asked for twice.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-sure]");
    if (!button || "isSure" in button.dataset) return;
    event.preventDefault();
    button.dataset.isSure = "";
    const words = button.textContent;
    button.textContent = button.dataset.sure;
    button.addEventListener("blur", () => { button.textContent = words; delete button.dataset.isSure; }, { once: true });
    button.focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const all = [...document.querySelectorAll("[data-review]")];
    if (!all.length) return;
    const key = event.key.toLowerCase(), at = all.findIndex((each) => each.contains(document.activeElement));
    if (key === "j" || key === "k") {
      const to = all[Math.max(0, Math.min(all.length - 1, at + (key === "j" ? 1 : -1)))];
      to.focus({ preventScroll: true });
      to.scrollIntoView({ block: "start" });
    } else {
      const found = all[Math.max(0, at)].querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (!found) return;
      found.click();
      if (found.matches("summary")) found.parentElement.querySelector("textarea").focus();
    }
    event.preventDefault();
  });

  const drop = document.getElementById("drop");
  if (drop) {
    const told = document.getElementById("drop-told"), bar = document.getElementById("drop-progress");
    const input = drop.elements.image, prompt = drop.elements.prompt;
    let inHand = Promise.resolve(), batches = 0, faults = [], left = new DataTransfer();
    const say = (lines) => told.replaceChildren(...lines.map((line) => {
      const each = document.createElement("p"), words = document.createElement("bdi");
      words.textContent = line;
      each.append(words);
      return each;
    }));
    const sendEach = async (files, rest) => {
      bar.hidden = false;
      for (const [at, file] of files.entries()) {
        say([`${drop.dataset.sending} ${files.length > 1 ? `${at + 1}/${files.length}` : ""}`, ...faults]);
        const body = new FormData();
        body.append("image", file);
        for (const [name, value] of rest) body.append(name, value);
        const fault = await upload(drop, body, (share) => { bar.value = (at + share) / files.length; });
        if (!fault) continue;
        faults.push(files.length > 1 ? `${file.name}: ${fault}` : fault);
        left.items.add(file);
      }
      bar.hidden = true;
      refresh();
      if (--batches) return;
      say(faults.length ? faults : [drop.dataset.sent]);
      told.classList.toggle("fault", faults.length > 0);
      // What was refused stays chosen, and nothing else: sent again, the others would be there twice.
      if (!input.files.length) input.files = left.files;
      [faults, left] = [[], new DataTransfer()];
    };
    // What comes while others are sent waits for them, with the words that stand there now.
    const sendAll = (files) => {
      if (!files.length) return;
      const rest = ["prompt", "folder"].map((name) => [name, drop.elements[name].value]);
      for (const name of ["mask", "reference"]) for (const each of drop.elements[name].files) rest.push([name, each]);
      batches += 1;
      inHand = inHand.then(() => sendEach(files, rest));
    };
    drop.addEventListener("submit", (event) => {
      event.preventDefault();
      const files = [...input.files];
      input.value = "";
      sendAll(files);
    });
    const isFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    document.addEventListener("dragover", (event) => { if (isFiles(event)) { event.preventDefault(); drop.classList.add("over"); } });
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
    document.addEventListener("drop", (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      drop.classList.remove("over");
      if (prompt.value.trim()) sendAll([...event.dataTransfer.files]);
      else { input.files = event.dataTransfer.files; prompt.focus(); }
    });
  }

  for (const compare of document.querySelectorAll("[data-compare]")) {
    const stage = compare.querySelector(".stage"), slider = compare.querySelector(".slider");
    const hold = compare.querySelector("[data-hold]"), zoom = compare.querySelector("[data-zoom]");
    const show = () => stage.style.setProperty("--at", `${slider.value}%`);
    slider?.addEventListener("input", show);
    if (slider) show();
    const held = (isHeld) => () => stage.classList.toggle("held", isHeld);
    for (const name of ["pointerdown"]) hold?.addEventListener(name, held(true));
    for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"]) hold?.addEventListener(name, held(false));
    hold?.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); held(true)(); } });
    hold?.addEventListener("keyup", held(false));
    zoom.addEventListener("click", () => {
      const isZoomed = stage.classList.toggle("zoomed"), frame = stage.parentElement;
      zoom.setAttribute("aria-pressed", String(isZoomed));
      if (!isZoomed) return;
      frame.scrollTo(frame.scrollWidth / 2 - frame.clientWidth / 2, frame.scrollHeight / 2 - frame.clientHeight / 2);
      for (const img of stage.querySelectorAll("[data-full]")) {
        const full = new Image();  // What this browser cannot show stays as it is.
        full.onload = () => { img.src = full.src; };
        full.src = img.dataset.full;
        delete img.dataset.full;
      }
    });
  }
})();
