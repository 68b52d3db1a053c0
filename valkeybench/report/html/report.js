// Draws the charts whose data stands in the page, with Apache ECharts; knows nothing of runs.
(function () {
  "use strict";

  const charts = JSON.parse(document.getElementById("charts").textContent);
  const SYMBOLS = ["circle", "rect", "triangle", "diamond", "emptyCircle", "emptyRect"];
  const FEW_POINTS = 40;
  const drawn = [];

  // --- writing values, as the tables do ---------------------------------------------------------

  function threeFigures(value) {
    return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
  }

  function duration(ns) {
    if (ns < 0) return "-" + duration(-ns);
    if (ns === 0) return "0";
    const units = [[1e3, 1, "ns"], [1e6, 1e3, "µs"], [1e9, 1e6, "ms"]];
    for (const [limit, size, unit] of units) {
      if (ns < 0.9995 * limit) return threeFigures(ns / size) + " " + unit;
    }
    if (ns < 119.5e9) return threeFigures(ns / 1e9) + " s";
    const seconds = Math.round(ns / 1e9);
    return Math.floor(seconds / 60) + " min" + (seconds % 60 ? " " + (seconds % 60) + " s" : "");
  }

  function count(value) {
    const digits = Number.isInteger(value) ? 0 : 1;
    return value.toLocaleString("en-US", { maximumFractionDigits: digits }).replace(/,/g, "\u202f");
  }

  function rate(value) {
    return (value >= 100 ? count(Math.round(value)) : threeFigures(value)) + " /s";
  }

  function share(value) {
    const percent = 100 * value;
    const small = Math.abs(percent) > 0 && Math.abs(percent) < 9.95;
    return percent.toFixed(small ? (Math.abs(percent) < 0.1 ? 3 : 1) : 0) + " %";
  }

  function bytes(value) {
    for (const unit of ["B", "KiB", "MiB", "GiB"]) {
      if (Math.abs(value) < 1023.5 || unit === "GiB") {
        return (unit === "B" ? Math.round(value) : threeFigures(value)) + " " + unit;
      }
      value /= 1024;
    }
    return "";
  }

  function percentile(value) {
    if (value <= 1) return "0 %";
    const nines = Math.max(0, Math.ceil(Math.log10(value)) - 1);
    return Number((100 * (1 - 1 / value)).toFixed(nines + 1)) + " %";
  }

  const WRITERS = { duration, rate, count, share, bytes, percentile };

  function written(axis, value) {
    if (axis.scale === "category") return axis.categories[value];
    return value === null || value === undefined ? "–" : WRITERS[axis.unit](value);
  }

  // On an axis the zeros at the end of a number say nothing.
  function tick(axis, value) {
    return written(axis, value).replace(/(\.\d*?)0+(?=\s|$)/, "$1").replace(/\.(?=\s|$)/, "");
  }

  // --- what it looks like ------------------------------------------------------------------------

  function palette() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue("--" + name).trim();
    const found = { series: [] };
    for (const name of ["page", "ink", "quiet", "grid", "axis", "mark", "edge", "sheet"]) {
      found[name] = read(name);
    }
    for (let i = 1; i <= 12; i += 1) found.series.push(read("s" + i));
    found.size = parseFloat(style.fontSize) || 16;
    found.font = getComputedStyle(document.body).fontFamily;
    return found;
  }

  function inks(chart, colours) {
    const found = {};
    let next = 0;
    for (const line of chart.lines) {
      if (line.ink) found[line.name] = line.ink;
      else if (line.of && found[line.of]) found[line.name] = found[line.of];
      else found[line.name] = colours.series[next++ % colours.series.length];
    }
    return found;
  }

  function svgElement(name, attributes) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function swatch(ink, line) {
    const svg = svgElement("svg", { width: 18, height: 12, "aria-hidden": "true" });
    if (line.shape === "bars") {
      svg.append(svgElement("rect", { x: 3, y: 0, width: 12, height: 12, rx: 2, fill: ink }));
    } else if (line.shape === "dots") {
      svg.append(svgElement("circle", { cx: 9, cy: 6, r: 4, fill: ink }));
    } else {
      const dash = line.dashed ? { "stroke-dasharray": "5 3" } : {};
      svg.append(svgElement("path", { d: "M0 6H18", stroke: ink, "stroke-width": 3, ...dash }));
    }
    return svg;
  }

  // --- what is drawn -----------------------------------------------------------------------------

  function axisOption(axis, colours, position, width, sideways) {
    const label = { color: colours.quiet, fontSize: 0.78 * colours.size, hideOverlap: true };
    const option = {
      name: axis.scale === "category" ? "" : axis.name,
      nameLocation: position === "x" ? "middle" : "end",
      nameGap: position === "x" ? 2.1 * colours.size : 0.8 * colours.size,
      nameTextStyle: {
        color: colours.quiet,
        fontSize: 0.8 * colours.size,
        align: position === "x" ? "center" : "left",
      },
      axisLine: { show: position === "x", lineStyle: { color: colours.axis } },
      axisTick: { show: position === "x", lineStyle: { color: colours.axis } },
      splitLine: { show: position === "y", lineStyle: { color: colours.grid } },
      axisLabel: label,
      axisPointer: { label: { show: false } },
    };
    if (axis.scale === "category") {
      const longest = Math.max(...axis.categories.map((name) => name.length));
      option.type = "category";
      option.data = axis.categories.map((name) => name.replace(/(\d) (?=[nµm]?s\b)/g, "$1\u00a0"));
      option.inverse = true;
      option.axisLine = { show: false };
      option.axisTick = { show: false };
      option.splitLine = { show: false };
      Object.assign(label, {
        color: colours.ink, overflow: "break",
        width: Math.min(0.36 * width, 15 * colours.size, (2 + 0.45 * longest) * colours.size),
        lineHeight: 0.95 * colours.size,
        interval: 0, hideOverlap: false,
      });
    } else {
      option.type = axis.scale === "linear" ? "value" : "log";
      if (axis.scale === "log" && axis.unit === "count") option.logBase = 2;
      if (axis.scale === "linear" && axis.unit === "count") option.minInterval = 1;
      if (axis.unit === "share" && position === "x") {
        Object.assign(option, { max: 1, interval: width < 26 * colours.size ? 0.5 : 0.25 });
      }
      label.formatter = (value) => tick(axis, value);
      // What names the bars takes a third of the width.
      const room = sideways ? 0.6 * width : width;
      option.splitNumber = Math.max(2, Math.min(6, Math.floor(room / (6 * colours.size))));
    }
    return option;
  }

  function seriesOption(chart, line, ink, index, colours) {
    if (line.shape === "bars") {
      return {
        type: "bar", name: line.name, stack: "all", barMaxWidth: 1.9 * colours.size, barCategoryGap: "30%",
        itemStyle: { color: ink, borderColor: colours.page, borderWidth: 1 },
        data: line.points.map(([, value]) => value), emphasis: { disabled: true },
      };
    }
    const few = line.points.length <= FEW_POINTS;
    const option = {
      type: line.shape === "dots" ? "scatter" : "line", name: line.name, data: line.points,
      symbol: SYMBOLS[index % SYMBOLS.length],
      symbolSize: line.shape === "dots" ? 9 : 6,
      itemStyle: { color: ink }, emphasis: { disabled: true },
    };
    if (line.shape !== "dots") {
      option.showSymbol =
        few && !line.dashed && line.shape !== "step" && chart.x.scale !== "tail";
      option.lineStyle = { color: ink, width: 2, type: line.dashed ? [6, 4] : "solid" };
      option.connectNulls = false;
      if (line.shape === "step") {
        option.step = "middle";
        if (chart.lines.length <= 3) option.areaStyle = { color: ink, opacity: 0.1 };
      }
    }
    return option;
  }

  function hasStandingMarks(chart) {
    return chart.marks.some((mark) => mark.along === "x");
  }

  // Where a value lies on the axis below, as a part of it. A linear axis begins at 0 at the latest,
  // one of counts that is not ends at powers of two.
  function part(chart, value) {
    const linear = chart.x.scale === "linear";
    const at = (x) => (linear ? x : Math.log2(Math.max(x, 1e-9)));
    const all = chart.lines.flatMap((line) => line.points.map(([x]) => at(x))).concat(
      standingMarks(chart).map((mark) => at(mark.value)), linear ? 0 : []);
    const whole = linear || chart.x.unit !== "count" ? [(x) => x, (x) => x] : [Math.floor, Math.ceil];
    const least = whole[0](Math.min(...all)), most = whole[1](Math.max(...all));
    return (at(value) - least) / (most - least || 1);
  }

  function standingMarks(chart) {
    return chart.marks.filter((mark) => mark.along === "x").sort((a, b) => a.value - b.value);
  }

  // A name stands in the middle of its mark, and beside it where there is no room on one side.
  function aligned(chart, mark) {
    const where = part(chart, mark.value);
    return where > 0.75 ? "right" : where < 0.1 ? "left" : "center";
  }

  // Which cases a limit is about stands in the table; there may be no room for it here.
  function named(mark, colours, width) {
    return wide(mark, colours) > 0.7 * width ? mark.label.replace(/\[[^\]]*\]/g, "") : mark.label;
  }

  // About how many pixels the name of a mark takes.
  function wide(mark, colours) {
    return 0.46 * colours.size * mark.label.length;
  }

  // On which line above the chart each standing mark is named: the lowest where there is room.
  function nameLines(chart, colours, width) {
    const lines = new Map(), ends = [];
    standingMarks(chart).forEach((mark) => {
      const left = { left: 0, center: 0.5, right: 1 }[aligned(chart, mark)];
      const begins = part(chart, mark.value) * (width - 5 * colours.size) - left * wide(mark, colours);
      const free = ends.findIndex((end) => end <= begins);
      const line = free < 0 ? ends.length : free;
      lines.set(mark, line);
      ends[line] = begins + wide(mark, colours);
    });
    return lines;
  }

  // Round numbers of bytes are binary ones.
  function byteSteps(chart) {
    const levels = chart.marks.filter((mark) => mark.along === "y").map((mark) => mark.value);
    const most = Math.max(...chart.lines.flatMap((l) => l.points.map(([, y]) => y || 0)), ...levels, 1);
    const unit = Math.pow(1024, Math.floor(Math.log(most) / Math.log(1024)));
    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 256, 512].map((step) => step * unit);
    const interval = steps.find((step) => most / step <= 6) || most;
    return { interval, min: 0, max: Math.ceil(most / interval) * interval };
  }

  // Marks have a series of their own: they stay when others are hidden, and stretch the axes.
  function marksOption(chart, colours, width) {
    const anchor = chart.lines.map((line) => line.points[0]).find(Boolean);
    // Two limits that lie close together are named on different sides.
    const levels = chart.marks.filter((mark) => mark.along === "y");
    const highest = levels.reduce((a, b) => (a && a.value >= b.value ? a : b), undefined);
    const lines = nameLines(chart, colours, width);
    // Above the chart stand names as well: the top of it is theirs, unless another level is below.
    const top = lines.size === 0 || levels.some((m) => m !== highest && m.value > 0.9 * highest.value);
    const data = chart.marks.map((mark) => ({
      [mark.along === "x" ? "xAxis" : "yAxis"]: mark.value,
      name: mark.label,
      label: {
        formatter: () => named(mark, colours, width), color: colours.mark, fontSize: 0.8 * colours.size,
        position: mark.along === "x" ? "end" : mark === highest && top ? "insideEndTop" : "insideEndBottom",
        distance: lines.get(mark) ? 1.25 * lines.get(mark) * colours.size : undefined,
        textBorderColor: colours.page, textBorderWidth: 3,
        align: mark.along === "x" ? aligned(chart, mark) : undefined,
      },
    }));
    return {
      type: "line", name: "", silent: true, showSymbol: false, lineStyle: { opacity: 0 },
      tooltip: { show: false }, animation: false,
      data: chart.marks.map((m) => (m.along === "x" ? [m.value, anchor[1]] : [anchor[0], m.value])),
      markLine: {
        symbol: "none", silent: true, animation: false, data,
        lineStyle: { color: colours.mark, width: 1.5, type: [4, 3] },
      },
    };
  }

  function option(state, colours) {
    const { chart, hidden } = state;
    const width = state.place.clientWidth || 600;
    const ink = inks(chart, colours);
    const visible = chart.lines.filter((l) => !hidden.has(l.name) && !(l.of && hidden.has(l.of)));
    const series = visible.map((line) =>
      seriesOption(chart, line, ink[line.name], chart.lines.indexOf(line), colours));
    const highestLine = Math.max(0, ...nameLines(chart, colours, width).values());
    const above = chart.sideways ? 0.6 : hasStandingMarks(chart) ? 3.4 + 1.25 * highestLine : 2.2;
    if (chart.marks.length) series.push(marksOption(chart, colours, width));
    return {
      animation: false,
      textStyle: { fontFamily: colours.font, color: colours.ink },
      grid: {
        left: 4, right: 1.6 * colours.size,
        top: above * colours.size,
        bottom: 2.2 * colours.size, containLabel: true,
      },
      tooltip: {
        trigger: "axis", confine: true, appendTo: state.place, transitionDuration: 0,
        backgroundColor: colours.page, borderColor: colours.edge, padding: [6, 10],
        textStyle: { color: colours.ink, fontSize: 0.86 * colours.size },
        axisPointer: {
          type: chart.sideways ? "shadow" : "line", lineStyle: { color: colours.axis },
          snap: true,
        },
        formatter: (found) => tip(state, ink, found),
      },
      xAxis: axisOption(chart.x, colours, "x", width, chart.sideways),
      yAxis: {
        ...axisOption(chart.y, colours, "y", width, chart.sideways),
        ...(hasStandingMarks(chart) ? { nameGap: (1.9 + 1.25 * highestLine) * colours.size } : {}),
        ...(chart.y.unit === "bytes" ? byteSteps(chart) : {}),
      },
      series,
    };
  }

  function tip(state, ink, found) {
    const { chart } = state;
    const box = document.createElement("div");
    box.className = "tip";
    const named = found.filter((each) => each.seriesName);
    if (!named.length) return box;
    const at = document.createElement("p");
    at.className = "at";
    at.textContent = chart.sideways
      ? chart.y.categories[named[0].dataIndex]
      : chart.x.name + ": " + written(chart.x, named[0].data[0]);
    box.append(at);
    for (const each of named) {
      const line = chart.lines.find((candidate) => candidate.name === each.seriesName);
      const value = chart.sideways ? each.data : each.data[1];
      const row = document.createElement("div");
      const name = document.createElement("span");
      const said = document.createElement("span");
      name.textContent = each.seriesName;
      said.textContent = written(chart.sideways ? chart.x : chart.y, value);
      row.append(swatch(ink[line.name], line), name, said);
      box.append(row);
    }
    return box;
  }

  // --- legends, keys, and everything that may change ----------------------------------------------

  function fillLegend(state) {
    const ink = inks(state.chart, palette());
    state.legend.replaceChildren();
    for (const line of state.chart.lines) {
      if (line.of && state.chart.lines.some((other) => other.name === line.of)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", String(!state.hidden.has(line.name)));
      button.append(swatch(ink[line.name], line), line.name);
      button.addEventListener("click", () => {
        if (!state.hidden.delete(line.name)) state.hidden.add(line.name);
        button.setAttribute("aria-pressed", String(!state.hidden.has(line.name)));
        redraw(state);
      });
      state.legend.append(button);
    }
  }

  function height(chart, colours) {
    const onPaper = document.documentElement.classList.contains("printing");
    if (!chart.sideways) return (onPaper ? 17 : 19) * colours.size;
    return (4 + (onPaper ? 2.2 : 2.9) * chart.y.categories.length) * colours.size;
  }

  function redraw(state) {
    const colours = palette();
    state.place.style.height = height(state.chart, colours) + "px";
    state.instance.resize();
    state.instance.setOption(option(state, colours), { notMerge: true });
  }

  function stops(state) {
    const { chart, hidden } = state;
    if (chart.sideways) return chart.y.categories.map((_, index) => index);
    const found = new Set();
    for (const line of chart.lines) {
      if (!hidden.has(line.name)) for (const [x] of line.points) found.add(x);
    }
    return [...found].sort((a, b) => a - b);
  }

  function reading(state, at) {
    const { chart, hidden } = state;
    const axis = chart.sideways ? chart.x : chart.y;
    const said = chart.lines
      .filter((line) => !hidden.has(line.name))
      .map((line) => [line.name, line.points.find(([x]) => x === at)])
      .filter(([, point]) => point && point[1] !== null)
      .map(([name, point]) => name + " " + written(axis, point[1]));
    const where = chart.sideways
      ? chart.y.categories[at]
      : chart.x.name + " " + written(chart.x, at);
    return where + ": " + said.join(", ");
  }

  function step(state, event) {
    const found = stops(state);
    const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    if (event.key === "Home") state.stop = 0;
    else if (event.key === "End") state.stop = found.length - 1;
    else if (event.key in moves) {
      state.stop = Math.min(Math.max(state.stop + moves[event.key], 0), found.length - 1);
    } else if (event.key === "Escape") {
      state.instance.dispatchAction({ type: "hideTip" });
      return;
    } else return;
    event.preventDefault();
    const at = found[state.stop];
    const box = state.place.getBoundingClientRect();
    const finder = state.chart.sideways ? { yAxisIndex: 0 } : { xAxisIndex: 0 };
    const pixel = state.instance.convertToPixel(finder, at);
    state.instance.dispatchAction({
      type: "showTip",
      x: state.chart.sideways ? box.width * 0.7 : pixel,
      y: state.chart.sideways ? pixel : box.height / 2,
    });
    state.reading.textContent = reading(state, at);
  }

  function begin(chart) {
    const figure = document.getElementById("figure-" + chart.id);
    const place = document.getElementById("chart-" + chart.id);
    place.style.height = height(chart, palette()) + "px";
    const state = {
      chart, place, hidden: new Set(), stop: -1,
      legend: figure.querySelector(".legend"), reading: figure.querySelector(".reading"),
      instance: echarts.init(place, null, { renderer: "svg" }),
    };
    drawn.push(state);
    fillLegend(state);
    redraw(state);
    place.addEventListener("keydown", (event) => step(state, event));
    let width = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth === width || !place.clientWidth) return;
      width = place.clientWidth;
      redraw(state);
    }).observe(place);
  }

  function everything() {
    for (const state of drawn) {
      fillLegend(state);
      redraw(state);
    }
  }

  charts.forEach(begin);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", everything);

  // On paper there is nothing to open, and nothing dark.
  let opened = [];
  function toPaper() {
    if (document.documentElement.classList.contains("printing")) return;
    document.documentElement.classList.add("printing");
    opened = [...document.querySelectorAll("details:not([open]):not(.long)")];
    for (const each of opened) each.open = true;
    everything();
  }
  function fromPaper() {
    document.documentElement.classList.remove("printing");
    for (const each of opened) each.open = false;
    opened = [];
    everything();
  }
  addEventListener("beforeprint", toPaper);
  addEventListener("afterprint", fromPaper);
  matchMedia("print").addEventListener("change", (event) => (event.matches ? toPaper() : fromPaper()));
})();
