// Does what a reader does, and writes down what came of it. Appended to the page by test_browser.py.
"use strict";
(() => {
  const grid = document.getElementById("grid");
  const found = {};
  const rows = () => [...grid.querySelectorAll("tr.row")];
  const cells = (column) => rows().map((row) => row.cells[column].textContent);
  const head = (words) => [...grid.querySelectorAll("thead th")].findIndex((th) => th.textContent === words);
  const count = () => grid.querySelector("[aria-live]").textContent;
  const press = (index) => grid.querySelectorAll("thead button")[index].click();
  function type(words) {
    const field = grid.querySelector("input[type=search]");
    field.value = words;
    field.dispatchEvent(new Event("input"));
  }
  function choose(label, value) {
    const select = grid.querySelector(`select[aria-label=${label}]`);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }

  found.shown = [rows().length, count()];
  const began = performance.now();
  press(head("#"));
  press(head("#"));
  found.last = cells(0)[0];
  found.sorted = grid.querySelector("th[aria-sort]").getAttribute("aria-sort");
  press(head("to done"));
  press(head("to done"));
  found.slowest = cells(head("to done"))[0];
  type("script");
  found.filtered = [rows().length, cells(1)[0]];
  found.seconds = (performance.now() - began) / 1000;
  grid.querySelector(".open").click();
  found.panels = grid.querySelectorAll(".panel").length;
  found.sideBySide = grid.querySelectorAll(".detail > td > details tbody tr").length;
  found.raw = grid.querySelector(".panel pre").textContent.includes("<" + "/script><img");
  grid.querySelector(".open").click();
  found.closed = grid.querySelectorAll(".panel").length;
  type("");
  choose("outcome", "refused");
  found.refused = count();
  choose("outcome", "");
  choose("agreement", "apart");
  found.apart = count();
  choose("agreement", "");
  [...grid.querySelectorAll(".tools button")].at(-1).click();
  found.second = count();
  dispatchEvent(new Event("beforeprint"));
  found.printed = rows().length;
  dispatchEvent(new Event("afterprint"));
  found.screen = rows().length;
  const table = document.querySelector("table.sortable");
  table.tHead.querySelector("button").click();
  table.tHead.querySelector("button").click();
  found.targets = [...table.tBodies[0].rows].map((row) => row.cells[0].textContent.trim());
  found.strangers = document.querySelectorAll("#grid script, #grid img, body > img").length;
  found.paper = getComputedStyle(document.body).backgroundColor;
  found.wide = document.documentElement.scrollWidth <= innerWidth;
  found.problems = window.problems;
  const told = document.createElement("pre");
  told.id = "probe";
  told.textContent = JSON.stringify(found);
  document.body.append(told);
})();
