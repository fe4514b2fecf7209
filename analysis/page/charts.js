// Charts replace the drawings of the same name; filters hide rows of tables, columns of methods, and marks of charts.
const page = JSON.parse(document.getElementById("charts").textContent);
const rowsOf = data => {
  const names = Object.keys(data), get = names.map(name => {
    const column = data[name];
    return column.codes ? i => column.levels[column.codes[i]] : i => column[i];
  });
  const size = names.length ? (data[names[0]].codes ?? data[names[0]]).length : 0;
  return Array.from({length: size}, (_, i) => Object.fromEntries(names.map((name, k) => [name, get[k](i)])));
};
const datasets = page.data.map(rowsOf), views = [], most = 6;
const filters = document.getElementById("filters"), task = filters.elements.task;
const hidden = () => new Set([...filters.querySelectorAll("input[type=checkbox]:not(:checked)")].map(box => box.value));
const shown = rows => {
  const without = hidden(), wanted = task.value;
  const known = rows.some(row => row.task === wanted);  // a chart over all tasks stays
  const own = rows.filter(row => !without.has(row.method) && (!known || row.task === wanted));
  const few = new Set([...new Set(own.map(row => row.task))].slice(0, most));  // more panels than that take long to draw
  return own.filter(row => few.has(row.task));
};
const sized = (spec, width) => {
  if (!spec.facet) return spec;
  const across = Math.max(1, Math.min(spec.columns, Math.floor(width / 300)));
  return {...spec, columns: across, spec: {...spec.spec, width: Math.max(150, Math.floor(width / across) - (spec.usermeta?.margin ?? 75))}};
};
const text = {font: "system-ui, sans-serif", labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal"};
// logLevel 1: errors alone, as a panel may have no region to show.
const config = {axis: {...text, gridColor: "#eee"}, legend: {...text, title: null, labelLimit: 240, symbolOpacity: 1, columns: 3}, header: text, view: {stroke: null}};
for (const place of document.querySelectorAll("[data-chart]")) {
  const chart = page.charts[place.dataset.chart], target = document.createElement("div");
  target.className = "chart";
  place.prepend(target);
  const draw = () => {
    const width = target.clientWidth || place.clientWidth;
    const spec = {...sized(chart.spec, width), config: {...config}, autosize: {type: "fit-x", contains: "padding"}, data: {values: shown(datasets[chart.data])}};
    if (spec.facet) delete spec.autosize;
    if (width < 500) spec.config.legend = {...config.legend, columns: 1};
    return vegaEmbed(target, spec, {actions: false, ast: true, renderer: "svg", logLevel: 1}).then(() => place.classList.add("live"));
  };
  views.push(draw);
}
const tables = [...document.querySelectorAll("table.sortable")].map(table => {
  const heads = [...table.tHead.rows[0].cells];
  const at = names => heads.findIndex(head => names.includes(head.textContent));
  return {table, methods: heads.map(head => head.dataset.method), method: at(["method"]), task: at(["task", "game"])};
});
const filter = () => {
  const without = hidden(), wanted = task.value;
  const names = [wanted, task.selectedOptions?.[0].dataset.task];  // a table has the short name or the whole one
  for (const {table, methods, method, task: column} of tables) {
    for (const row of table.tBodies[0].rows) {
      const away = method >= 0 && without.has(row.cells[method].textContent);
      const other = wanted && column >= 0 && !names.includes(row.cells[column].textContent);
      row.hidden = away || other;
    }
    methods.forEach((name, i) => { for (const row of table.rows) row.cells[i].hidden = without.has(name); });
  }
  return Promise.all(views.map(draw => draw()));
};
filters.hidden = false;
filters.addEventListener("change", filter);
let waiting, before = innerWidth;
addEventListener("resize", () => {
  clearTimeout(waiting);
  if (innerWidth !== before) waiting = setTimeout(() => { before = innerWidth; views.forEach(draw => draw()); }, 200);
});
Promise.all(views.map(draw => draw())).then(() => { document.body.dataset.charts = document.querySelectorAll(".live").length; });
