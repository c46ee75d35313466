// What the dashboard gains by scripts: days only where they are asked for, and figures read under a chart. It works without.
"use strict";

(() => {
  const form = document.querySelector(".metering-range");
  const range = form.elements.namedItem("range");
  const follow = () => form.classList.toggle("is-recent", range.value !== form.dataset.custom);
  range.addEventListener("change", follow);
  follow();

  for (const chart of document.querySelectorAll(".metering-chart")) {
    const svg = chart.querySelector("svg[role=img]");
    const slots = [...chart.querySelectorAll(".metering-slot")];
    const readout = chart.querySelector(".metering-readout");
    let place = -1;
    const read = (next) => {
      slots[place]?.classList.remove("is-read");
      place = next;
      slots[place]?.classList.add("is-read");
      readout.textContent = slots[place]?.querySelector("title").textContent ?? "";
    };
    const moves = {
      ArrowLeft: () => Math.max(0, place - 1),
      ArrowRight: () => Math.min(slots.length - 1, place + 1),
      Home: () => 0,
      End: () => slots.length - 1,
      Escape: () => -1,
    };
    svg.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (move) {
        event.preventDefault();
        read(move());
      }
    });
    svg.addEventListener("blur", () => read(-1));
    slots.forEach((slot, index) => slot.addEventListener("pointerenter", () => read(index)));
  }
})();
