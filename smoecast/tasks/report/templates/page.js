"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // light or dark: as the system has it until the button is pressed
  const root = document.documentElement;
  const theme = document.querySelector("button.theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  system.addEventListener("change", showTheme);
  showTheme();

  // tables: sort by a column, show the lines that have the chosen values
  for (const part of all(".sortable")) {
    const body = part.querySelector("tbody");
    const headers = all("thead th", part);
    const selects = all("select", part);
    const count = part.querySelector(".count");
    const valueOf = (row, column) => row.cells[column].dataset.sort;
    const compare = (a, b) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const [x, y] = [Number(a), Number(b)];
      return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
    };
    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => {
        const down = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.setAttribute("aria-sort", "none"));
        header.setAttribute("aria-sort", down ? "descending" : "ascending");
        const order = (a, b) => {
          const [x, y] = [valueOf(a, column), valueOf(b, column)];
          // what has no value stays last either way
          return down && x !== "" && y !== "" ? compare(y, x) : compare(x, y);
        };
        body.append(...[...body.rows].sort(order));
      });
    });
    const filter = () => {
      const chosen = selects.filter((select) => select.value);
      let shown = 0;
      for (const row of body.rows) {
        row.hidden = chosen.some((s) => row.cells[s.dataset.column].textContent !== s.value);
        shown += !row.hidden;
      }
      count.textContent = chosen.length ? `${shown} of ${body.rows.length} lines` : "";
    };
    selects.forEach((select) => select.addEventListener("change", filter));
    filter();
  }

  // charts: those of the chosen score and region
  for (const section of all("section")) {
    const selects = all("select.choose", section);
    const charts = all("figure.one", section);
    const choose = () => charts.forEach((one) => {
      one.hidden = selects.some((s) => s.value !== "" && one.dataset[s.dataset.key] !== s.value);
    });
    selects.forEach((select) => select.addEventListener("change", choose));
    choose();
  }

  // maps: one channel, and one place of the slider
  for (const album of all(".album")) {
    const slider = album.querySelector("input[type=range]");
    const channels = album.querySelector("select.channels");
    const places = JSON.parse(album.dataset.places);
    const blocks = all(".block", album);
    const rows = [...new Set(all(".frame", album).map((frame) => frame.parentElement))];
    const show = () => {
      const place = slider ? Number(slider.value) : 0;
      if (slider) slider.setAttribute("aria-valuetext", places[place]);
      album.querySelector("output").textContent = places[place];
      for (const row of rows) {
        all(".frame", row).forEach((frame, number) => { frame.hidden = number % places.length !== place; });
      }
      blocks.forEach((block, number) => { block.hidden = channels !== null && number !== Number(channels.value); });
    };
    if (slider) slider.addEventListener("input", show);
    if (channels) channels.addEventListener("change", show);
    show();
  }

  // on paper nothing is folded
  addEventListener("beforeprint", () => all("details").forEach((part) => { part.open = true; }));
})();
