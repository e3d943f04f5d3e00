// Sorting, filtering and the two views. Without it everything is there, in the order of size.
(function () {
  "use strict";
  var all = function (selector, root) { return Array.from((root || document).querySelectorAll(selector)); };
  var tables = all("#features, #differences");
  var filter = document.getElementById("filter"), below = document.getElementById("below");
  var articles = all("article[data-f]"), small = all(".multiples li");
  var names = articles.map(function (a) { return a.querySelector("h3").textContent.toLowerCase(); });

  all(".scripted").forEach(function (element) { element.hidden = false; });
  all(".unscripted").forEach(function (element) { element.hidden = true; });

  // Sort by a column; the small pictures follow.
  function sort(table, column) {
    var head = table.tHead.rows[0].cells[column], text = head.classList.contains("text");
    var was = head.getAttribute("aria-sort");
    var order = was ? (was === "ascending" ? "descending" : "ascending") : (text ? "ascending" : "descending");
    all("th[aria-sort]", table).forEach(function (h) { h.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", order);
    var sign = order === "ascending" ? 1 : -1;
    var key = function (row) { var k = row.cells[column].getAttribute("data-sort"); return text ? k : Number(k); };
    var words = new Intl.Collator(undefined, { numeric: true });
    var rows = Array.from(table.tBodies[0].rows).map(function (row) { return [key(row), row]; });
    rows.sort(function (a, b) { return sign * (text ? words.compare(a[0], b[0]) : a[0] - b[0]); });
    rows.forEach(function (pair) { table.tBodies[0].appendChild(pair[1]); });
    follow(table);
  }

  function follow(table) {
    var by = {}, list = document.querySelector(".multiples");
    if (!list) { return; }
    small.forEach(function (item) { by[item.dataset.f] = item; });
    Array.from(table.tBodies[0].rows).forEach(function (row) {
      var item = by[row.dataset.f];
      if (item) { list.appendChild(item); delete by[row.dataset.f]; }
    });
    Object.keys(by).forEach(function (f) { list.appendChild(by[f]); });
  }

  tables.forEach(function (table) {
    Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.append.apply(button, Array.from(head.childNodes));
      button.addEventListener("click", function () { sort(table, column); });
      head.appendChild(button);
    });
  });

  // A row stays if its feature's name holds every word and it uses little enough; a feature, if one of its rows does.
  function apply() {
    var wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    var most = below.value === "" || !below.validity.valid ? Infinity : Number(below.value);
    var named = names.map(function (name) { return wanted.every(function (word) { return name.includes(word); }); });
    var left = new Set();
    all("#features tbody tr").forEach(function (row) {
      var stays = named[row.dataset.f] && Number(row.dataset.used) <= most;
      row.hidden = !stays;
      if (stays) { left.add(row.dataset.f); }
    });
    all("#differences tbody tr").concat(small, articles).forEach(function (element) {
      element.hidden = !left.has(element.dataset.f);
    });
    document.getElementById("count").textContent = left.size + " of " + names.length + " features";
  }
  [filter, below].forEach(function (input) { input.addEventListener("input", apply); });
  filter.form.addEventListener("submit", function (event) { event.preventDefault(); });
  document.addEventListener("keydown", function (event) {
    var typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      filter.focus();
      filter.select();
    } else if (event.key === "Escape" && (event.target === filter || event.target === below)) {
      event.target.value = "";
      apply();
    }
  });

  // One view at a time.
  function view(name) {
    tables.forEach(function (table) { table.parentNode.hidden = table.id !== name; });
    follow(document.getElementById(name));
  }
  all("input[name=view]").forEach(function (radio) {
    radio.addEventListener("change", function () { view(radio.value); });
  });
  if (tables.length > 1) { view("features"); }

  // What a browser has kept of an earlier visit does not fit the page as it is.
  filter.form.reset();
})();
